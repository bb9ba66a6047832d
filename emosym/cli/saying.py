"""What commands say besides their results: lines on stderr, all of them by way of :mod:`logging`.

The core and its plugins log to loggers that are called as their modules are; a script that wants to read along adds a handler.
On the command line ``--quiet`` leaves warnings and errors alone, ``--debug`` lets other libraries speak too.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emosym.cli.globals import Globals

OURS = "emosym"
SILENT = {
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
}
"""By which other libraries keep their bars and warnings to themselves; what somebody has set stays."""
_log = logging.getLogger("emosym.cli")


def say(line: str) -> None:
    """A line on what is being done, unless ``--quiet``."""
    _log.info(line)


@contextmanager
def speaking(settings: Globals) -> Iterator[None]:
    """Lines of loggers go to stderr inside the block: those of emosym and its plugins, under ``--debug`` those of all."""
    root, ours, handler = logging.getLogger(), logging.getLogger(OURS), _Lines(settings)
    before, added = ours.level, {name: value for name, value in SILENT.items() if name not in os.environ}
    root.addHandler(handler)
    ours.setLevel(logging.WARNING if settings.quiet else logging.INFO)
    try:
        with warnings.catch_warnings():
            if not settings.debug:
                warnings.simplefilter("ignore")  # libraries speaking to their callers, not to ours
                warnings.filterwarnings("default", module=OURS)
                os.environ.update(added)
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)
        root.removeHandler(handler)
        ours.setLevel(before)


class _Lines(logging.Handler):
    """Writes to what ``sys.stderr`` is at the time, which a live bar of rich takes over."""

    def __init__(self, settings: Globals) -> None:
        super().__init__()
        self._settings = settings

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING and os.environ.get("RANK", "0") != "0":
            return False  # of several processes one says how far they are
        return self._settings.debug or self._is_ours(record.name.partition(".")[0])

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING and not text.startswith(("warning", "error")):
            text = f"warning: {text}"
        print(text, file=sys.stderr, flush=True)

    def _is_ours(self, package: str) -> bool:
        if package == OURS or package.startswith(f"{OURS}_"):
            return True
        plugins = (
            one for registry in self._settings.registries.values() for one in registry.plugins.values()
        )
        return any(plugin.installed.module.partition(".")[0] == package for plugin in plugins)
