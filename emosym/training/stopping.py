"""Being asked to stop: SIGTERM, as a cluster sends it before it kills, ends a run where it can be continued."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Terminated(KeyboardInterrupt):
    """A run was asked to stop and did; it is no error, and what lets a KeyboardInterrupt through lets it through too."""


class Stopping:
    """Whether somebody asked to stop. Inside :meth:`deferred` the asking waits to be looked at, elsewhere it raises."""

    def __init__(self) -> None:
        self.asked = False
        self._deferred = False

    def ask(self, number: int = 0, frame: Any = None) -> None:
        """Note it, or end what is being done now; also a signal handler."""
        self.asked = True
        if not self._deferred:
            raise Terminated

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, whoever works looks at ``asked`` when it suits."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False


@contextmanager
def listening_to_signals() -> Iterator[Stopping]:
    """SIGTERM asks to stop for the time of the block; threads other than the first are not told signals."""
    stopping = Stopping()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    before = signal.signal(signal.SIGTERM, stopping.ask)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGTERM, before)
