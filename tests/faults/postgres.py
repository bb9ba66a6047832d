"""A PostgreSQL server that is stopped while a run's memory bank is being refreshed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError, Registry

from .harness import Counts, differences, outcome, small_spec


def there_is_one() -> bool:
    """Whether this machine has a PostgreSQL server, and this Python its client."""
    return bool(shutil.which("initdb") and shutil.which("pg_ctl") and find_spec("psycopg"))


@dataclass(frozen=True)
class Server:
    """A server of our own, in a folder that is gone afterwards."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://emosym@127.0.0.1:{self.port}/postgres"

    def call(self, *command: str) -> None:
        """Run one of PostgreSQL's programs; as nobody where we are root, which it refuses."""
        user = "nobody" if os.geteuid() == 0 else None
        with (self.folder / "out").open("a") as out:
            done = subprocess.run(
                command, user=user, cwd=self.folder, stdout=out, stderr=out, timeout=120, check=False
            )
        if done.returncode:
            raise RuntimeError((self.folder / "out").read_text())

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        self.call("pg_ctl", "-D", str(self.folder / "data"), "-o", options, "-w", "start")

    def stop(self) -> None:
        """As a crash does it: nothing is finished."""
        self.call("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")


@contextmanager
def server() -> Iterator[Server]:
    """A running one."""
    with tempfile.TemporaryDirectory(prefix="emosym-postgres-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        one = Server(folder, port)
        one.call("initdb", "-D", str(folder / "data"), "-U", "emosym", "-A", "trust", "--no-sync")
        one.start()
        try:
            yield one
        finally:
            one.stop()


class InTheMiddle:
    """Does something inside the bank's ``at``-th transaction that writes images or ledger lines."""

    def __init__(self, at: int, harm: Callable[[], None]) -> None:
        self.at, self.harm, self.seen = at, harm, 0

    def __call__(self, connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("INSERT") and "ledger" in statement:
            self.seen += 1
            if self.seen == self.at:
                self.harm()


def stopped_in_a_refresh(registry: Registry, folder: Path, times: int = 2) -> Counts:
    """Stop the server in the middle of a refresh, ``times`` over; what the run ends as is what it is undisturbed."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    from emosym.experiment.run import run_experiment

    counts = Counts(chains=1)
    with server() as one:
        specs = {
            name: small_spec(registry, f"memory.params.url={one.url}", f"memory.params.namespace={name}")
            for name in ("calm", "stormy")
        }
        run_experiment(specs["calm"], registry, folder / "calm")
        for attempt in range(times):
            middle = InTheMiddle(attempt + 1, one.stop)
            event.listen(Engine, "before_cursor_execute", middle)
            try:
                run_experiment(
                    specs["stormy"],
                    registry,
                    folder / "stormy",
                    resume=(folder / "stormy/spec.yaml").exists(),
                )
                counts.notes.append("the server was stopped and the run did not notice")
            except EmosymError as error:
                counts.faults += 1
                if error.id != "memory.unreachable":
                    counts.notes.append(f"{error.id}: {error}")
            finally:
                event.remove(Engine, "before_cursor_execute", middle)
            one.start()
        run_experiment(specs["stormy"], registry, folder / "stormy", resume=True)
        other = [
            part
            for part in differences(outcome(folder / "calm"), outcome(folder / "stormy"))
            if part != "files"
        ]
        if other:
            counts.divergences += 1
            counts.notes.append(f"PostgreSQL: {other} differ")
        try:  # a second writer at one place is refused
            run_experiment(specs["stormy"], registry, folder / "second")
            counts.divergences += 1
            counts.notes.append("two runs wrote to one bank")
        except EmosymError as error:
            if error.id != "memory.other-run":
                counts.notes.append(f"{error.id}: {error}")
    return counts
