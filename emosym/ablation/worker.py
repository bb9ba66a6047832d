"""A process that works on a study until nothing is left to do: ``python -m emosym.ablation.worker FOLDER``.

Every executor starts some of these, on this machine or on others that see the folder; what they know of one another is what
lies there.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from emosym_registry import EmosymError, load_registry

from emosym.ablation.folder import Planned, StudyFolder
from emosym.experiment.run import run_experiment
from emosym.spec import load_spec, plugins_only
from emosym.training.stopping import Terminated

POLL = 0.5
"""Seconds between looks at what others do."""


@dataclass(frozen=True)
class Options:
    """How cells are run. ``number`` is that of the worker among those of a call, which share the devices of a machine;
    ``deadline`` (Unix seconds) and ``bytes`` are what a call may spend, 0 where there is no limit."""

    number: int = 0
    device: str = ""
    precision: str = ""
    smoke: bool = False
    trust_remote_code: bool = False
    no_plugin: tuple[str, ...] = ()
    deadline: float = 0.0
    bytes: int = 0


def work(folder: StudyFolder, options: Options) -> None:
    """Run cells until none is left that nobody has done, failed at, or is at work on."""
    while (cell := take(folder)) is not None:
        if options.deadline and time.time() > options.deadline:
            print("the time of this call is spent: no new cell begins", file=sys.stderr)
            return
        if options.bytes and folder.size() > options.bytes:
            print("the disk of this study is spent: no new cell begins", file=sys.stderr)
            return
        run_cell(folder, cell, options)


def take(folder: StudyFolder) -> Planned | None:
    """The next cell to work on: one that was begun, else the first whose next stage nobody else is training; None where there
    is nothing left. Waits where all that is left needs what others are training."""
    while True:
        states = [(cell, folder.state(cell)) for cell in folder.cells()]
        left = [cell for cell, state in states if state == "open"]
        if not left and not any(state == "running" for _, state in states):
            return None
        ready = [cell for cell in left if not folder.awaited(cell)]
        if ready:
            return next((cell for cell in ready if folder.begun(cell)), ready[0])
        time.sleep(POLL)


def run_cell(folder: StudyFolder, cell: Planned, options: Options) -> None:
    """Run a cell to its end; what it raises is recorded and stops no other cell."""
    print(f"cell {cell.name}", flush=True)
    source, run = folder.spec(cell), folder.run(cell)
    try:
        registry = load_registry(only=plugins_only(source), disabled=options.no_plugin)
        run_experiment(
            load_spec(source, registry=registry),
            registry,
            run,
            resume=folder.begun(cell),
            smoke=options.smoke,
            device=_device(options),
            precision=options.precision or None,
            trust_remote_code=options.trust_remote_code,
            store=folder.store,
            study={
                "study": folder.path.name,
                "cell": cell.name,
                "rows": list(cell.rows),
                "seed": cell.seed,
            },
        )
        print(f"done {cell.name}", flush=True)
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception as error:
        if isinstance(error, EmosymError) and error.id == "run.locked":
            return  # another worker was faster
        folder.fail(cell, error)
        print(f"failed {cell.name}: {error}", flush=True)
    gc.collect()


def _device(options: Options) -> str | None:
    """The device of this worker: those that share a machine take its cards in turn."""
    import torch

    if options.device not in ("", "auto", "cuda") or not torch.cuda.is_available():
        return options.device or None
    return f"cuda:{options.number % torch.cuda.device_count()}"


def stop_with(parent: int) -> None:
    """Stop, with a checkpoint, when the process that started this one is gone."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, daemon=True).start()


def command(folder: Path, options: Options) -> list[str]:
    """The command line of a worker."""
    return [sys.executable, "-m", "emosym.ablation.worker", str(folder), json.dumps(vars(options))]


def main(folder: str, options: str) -> int:
    """Work on the study in a folder; 143 where it was asked to stop."""
    given = Options(**json.loads(options))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    stop_with(os.getppid())
    try:
        work(StudyFolder.open(Path(folder)), given)
    except (KeyboardInterrupt, Terminated):
        return 143
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
