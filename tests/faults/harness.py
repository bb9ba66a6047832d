"""Runs that are killed, or starved of their disk, at a chosen instant and continued, compared with one that nobody disturbed.

Sessions are forked from a process that has imported everything, so that one costs a second. A chain is one run in many
sessions: each is killed at a file operation (an audit hook counts them, so the instant between two renames is one of many) or at
a moment of the clock, the next one resumes, and at the end weights, bank, metrics, figures and files have to be those of the
undisturbed run.
"""

from __future__ import annotations

import errno
import gc
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from emosym_registry import EmosymError, Registry

from emosym.experiment.run import run_experiment
from emosym.experiment.summary import EVALUATIONS, evaluate_run
from emosym.report.report import write_report
from emosym.spec import Resolved, load_spec

SMALL = (
    "data.params.train=48", "data.params.val=16", "data.params.test=16",
    "compute.precision=fp32", "compute.device=cpu", "compute.workers=0", "compute.checkpoint_minutes=1e-9",
    "stages.compress.steps=4", "stages.reinforce.steps=4", "stages.unify.steps=5",
    "stages.compress.batch_size=8", "stages.reinforce.batch_size=8", "stages.unify.batch_size=8",
    "reinforcer.params.rollouts=2", "stages.unify.refresh.every=2", "stages.unify.refresh.per_class=1",
    "stages.unify.refresh.sampling_steps=2", "evaluation.per_class=2", "evaluation.sampling_steps=2",
    "memory.params.min_score=0", "memory.params.min_distance=0", "memory.params.fraction=0.3",
)  # fmt: skip
OPERATIONS = (
    "open",
    "os.rename",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.truncate",
    "sqlite3.connect",
)
LIMIT = 300.0
"""Seconds after which a session hangs."""
TIMED = {
    "seconds",
    "elapsed",
    "time",
    "total",
    "peak_memory_bytes",
    "kept",
    "started",
    "resumed",
    "id",
    "sha256",
    "run",
}
"""Keys whose values depend on the clock or the attempt."""


@dataclass
class Counts:
    """What a campaign found."""

    kills: int = 0
    faults: int = 0
    chains: int = 0
    divergences: int = 0
    not_resumed: int = 0
    leftovers: int = 0
    hangs: int = 0
    tracebacks: int = 0
    places: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, other: Counts) -> None:
        """Sum up."""
        for name, value in vars(other).items():
            own = getattr(self, name)
            if isinstance(value, dict):
                for key, count in value.items():
                    own[key] = own.get(key, 0) + count
            else:
                setattr(self, name, own + value)


@dataclass(frozen=True)
class Fault:
    """What happens to a session: at its ``operation``-th file operation, or after ``seconds``."""

    operation: int = 0
    seconds: float = 0.0
    error: int = 0
    """The errno that this and every later operation meets; 0 kills the process."""


def small_spec(registry: Registry, *sets: str) -> Resolved:
    """The embedded system, cut down to seconds."""
    return load_spec("preset:tiny", registry=registry, sets=[*SMALL, *sets])


def strike(folder: Path, fault: Fault, place: Path) -> None:
    """Let the fault happen in this process; ``place`` is told where."""
    seen = 0

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in OPERATIONS or not arguments or not _within(arguments, folder):
            return
        if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        seen += 1
        if seen < fault.operation:
            return
        if not fault.error:
            _write(place, f"{event} {_name(arguments, folder)}")
            os.kill(os.getpid(), signal.SIGKILL)
        if event in ("open", "os.mkdir", "os.rename", "os.link"):
            if seen == fault.operation:
                _write(place, f"{event} {_name(arguments, folder)}")
            raise OSError(fault.error, os.strerror(fault.error), str(arguments[0]))

    if fault.operation:
        sys.addaudithook(audit)


def _within(arguments: tuple[Any, ...], folder: Path) -> bool:
    return isinstance(arguments[0], (str, bytes, os.PathLike)) and os.fsdecode(arguments[0]).startswith(
        str(folder)
    )


def _name(arguments: tuple[Any, ...], folder: Path) -> str:
    """The file without what changes from one session to the next."""
    name = os.path.relpath(os.fsdecode(arguments[0]), folder)
    return "".join("#" if letter.isdigit() else letter for letter in name)


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(descriptor, text.encode())
    os.close(descriptor)


@dataclass(frozen=True)
class Ended:
    """How a session ended: its exit status, or -9 for one that was killed; what it said; and where the fault struck."""

    status: int
    said: str
    place: str


def session(work: Callable[[], object], folder: Path, fault: Fault | None = None) -> Ended:
    """Do ``work`` in a process of its own; 0 where it is done, 2 for one clear error, 1 for anything else."""
    log, place = (Path(tempfile.mkstemp(prefix="emosym-fault-")[1]) for _ in range(2))
    child = os.fork()
    if child == 0:
        _run(work, folder, fault, log, place)
    begun = time.monotonic()
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        passed = time.monotonic() - begun
        if passed > LIMIT or (fault and fault.seconds and passed > fault.seconds):
            os.kill(child, signal.SIGKILL)
        time.sleep(0.005)
    said, where = log.read_text(errors="replace"), place.read_text()
    log.unlink()
    place.unlink()
    if time.monotonic() - begun > LIMIT:
        said += "\nHANGS"
    return Ended(os.waitstatus_to_exitcode(status), said, where)


def _run(work: Callable[[], object], folder: Path, fault: Fault | None, log: Path, place: Path) -> None:
    status = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        gc.freeze()
        torch.set_num_threads(
            1
        )  # the first to ask makes the pool of a forked process; two threads at once would race
        if fault is not None:
            strike(folder, fault, place)
        work()
        status = 0
    except EmosymError as error:
        os.write(2, f"{error.id}: {error}\n".encode())
        status = 2
    except BaseException as error:
        os.write(2, f"TRACEBACK {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


def outcome(run: Path) -> dict[str, Any]:
    """All that has to be the same however often a run was stopped."""
    files = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    return {
        "weights": {
            str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(run.rglob("*.safetensors"))
        },
        "metrics": [timeless(json.loads(line)) for line in (run / "metrics.jsonl").read_text().splitlines()],
        "bank": bank_of(run),
        "summary": timeless(json.loads((run / "summary.json").read_text())),
        "evaluation": {
            path.name: timeless(json.loads(path.read_text()))
            for path in sorted((run / "evaluation").glob("*.json"))
        },
        "pictures": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(run.rglob("*.png"))
        },
        "files": [name for name in files if not name.endswith((".db-wal", ".db-shm"))],
    }


def bank_of(run: Path) -> list[dict[str, Any]]:
    """What the memory bank holds at the end, by its ledger; ways back that led nowhere leave no trace in it."""
    from emosym_memory.ledger import replay

    from emosym.contracts import LedgerEntry

    lines = [LedgerEntry(**json.loads(line)) for line in (run / "ledger.jsonl").read_text().splitlines()]
    return [
        {"id": one.id, "label": one.label, "step": one.step, "replaced": one.replaced, "score": one.score}
        for one in replay(lines).held
    ]


def timeless(value: Any) -> Any:
    """Nested values without those that depend on the clock or the attempt."""
    if isinstance(value, Mapping):
        return {key: timeless(item) for key, item in value.items() if key not in TIMED}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Which of the outcomes differ."""
    return [name for name in one if one[name] != other[name]]


@dataclass(frozen=True)
class Campaign:
    """An undisturbed run in ``folder`` and the means to make it again under fire."""

    registry: Registry
    resolved: Resolved
    folder: Path

    @classmethod
    def begun(cls, registry: Registry, folder: Path, *sets: str) -> Campaign:
        """Import everything and make the undisturbed run."""
        torch.set_num_threads(1)
        campaign = cls(registry, small_spec(registry, *sets), folder)
        run_experiment(campaign.resolved, registry, folder / "undisturbed")
        return campaign

    def expected(self) -> dict[str, Any]:
        """The outcome of the undisturbed run."""
        return outcome(self.folder / "undisturbed")

    def attempt(self, run: Path, fault: Fault | None) -> Ended:
        """Start the run, or resume it where it was started."""
        resume = (run / "spec.yaml").exists()
        return session(
            lambda: run_experiment(self.resolved, self.registry, run, resume=resume), self.folder, fault
        )

    def chain(self, name: str, faults: Callable[[], Fault], most: int) -> Counts:
        """One run under at most ``most`` faults, then left in peace."""
        run, counts = self.folder / name, Counts(chains=1)
        story: list[str] = []
        for _ in range(most):
            fault = faults()
            ended = self.attempt(run, fault)
            if ended.status == 0:
                break  # it was done before the fault came
            self.count(counts, ended, fault, story)
        for attempt in range(2):
            ended = self.attempt(run, None)
            if ended.status == 0:
                break
            if attempt:
                counts.not_resumed += 1
                counts.notes.append(f"{name}: {story[-3:]}: {ended.said[-600:]}")
                return counts
        found, expected = outcome(run), self.expected()
        left = sorted(set(found["files"]) - set(expected["files"]))
        if left:
            counts.leftovers += 1
            counts.notes.append(f"{name}: left {left} after {story}")
        other = [
            one
            for one in differences(expected, found)
            if one != "files" or set(expected["files"]) - set(found["files"])
        ]
        if other:
            counts.divergences += 1
            counts.notes.append(f"{name}: {other} differ after {story}")
        return counts

    def count(self, counts: Counts, ended: Ended, fault: Fault, story: list[str]) -> None:
        """Note how a disturbed session ended."""
        where = ended.place or ("a moment of the clock" if fault.seconds else "nowhere")
        story.append(f"{errno.errorcode.get(fault.error, 'kill')} at {where}")
        counts.places[story[-1]] = counts.places.get(story[-1], 0) + 1
        if ended.status == -signal.SIGKILL:
            counts.kills += 1
        else:
            counts.faults += 1
        if "HANGS" in ended.said:
            counts.hangs += 1
            counts.notes.append(f"hangs: {story[-1]}")
        if ended.status == 2 and not fault.error:
            counts.not_resumed += 1
            counts.notes.append(f"refused after {story[-3:]}: {ended.said[-600:]}")
        if "TRACEBACK" in ended.said or ended.status == 1:
            counts.tracebacks += 1
            counts.notes.append(f"{story[-1]}: {ended.said[-600:]}")

    def after_the_run(
        self, name: str, work: Callable[[Path], object], faults: Callable[[], Fault], times: int
    ) -> Counts:
        """A verb over a finished run that is disturbed again and again, and at last done."""
        run, counts, story = self.folder / name, Counts(chains=1), list[str]()
        shutil.copytree(self.folder / "undisturbed", run)
        for _ in range(times):
            fault = faults()
            ended = session(lambda: work(run), self.folder, fault)
            if ended.status:
                self.count(counts, ended, fault, story)
        work(run)
        other = differences(self.expected(), outcome(run))
        if other:
            counts.divergences += 1
            counts.notes.append(f"{name}: {other} differ after {story}")
        return counts


def evaluated(registry: Registry) -> Callable[[Path], object]:
    """`emosym evaluate` over a run: every result that lies there then is whole, says what the run says, and goes."""

    def work(run: Path) -> None:
        evaluate_run(run, registry=registry, device="cpu", precision="fp32")
        said = timeless(json.loads((run / "evaluation" / "final.json").read_text()))
        for folder in (one for one in (run / EVALUATIONS).iterdir() if not one.name.startswith(".")):
            assert timeless(json.loads((folder / "evaluation" / "final.json").read_text())) == said
            assert (folder / "report.html").is_file()
        shutil.rmtree(run / EVALUATIONS)

    return work


def reported(run: Path) -> object:
    """The report of a run."""
    return write_report(run)


def kills(chance: random.Random, operations: int) -> Callable[[], Fault]:
    """Kills at one of the first ``operations`` file operations of a session; one in five at a moment of the clock."""
    return lambda: (
        Fault(seconds=chance.uniform(0.05, 2))
        if chance.random() < 0.2
        else Fault(operation=chance.randint(1, operations))
    )


def starved(chance: random.Random, operations: int) -> Callable[[], Fault]:
    """A disk that is full, read-only or broken from one of the first operations on."""
    return lambda: Fault(
        operation=chance.randint(1, operations), error=chance.choice((errno.ENOSPC, errno.EROFS, errno.EIO))
    )
