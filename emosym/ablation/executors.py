"""Where the workers of a study run: processes of this machine, a Ray cluster, or Slurm.

Each starts the same workers on the same folder, which has to be seen from wherever they run; that is all they have to agree on.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from emosym_registry import EmosymError

from emosym.ablation.folder import StudyFolder
from emosym.ablation.worker import Options, command
from emosym.experiment.lock import owner_of
from emosym.toolkit import make_folder

Look = Callable[[], None]
"""Called again and again while workers work, to show how far they are."""
LOOK = 0.5
"""Seconds between looks."""
DEATHS = 2
"""How often a cell may take its worker with it before it counts as failed."""


def local(folder: StudyFolder, processes: int, options: Options, look: Look) -> None:
    """Processes of this machine, which divide its threads. One that dies is replaced; the cell that it was at is tried once
    more and then counts as failed."""
    deaths: dict[str, int] = {}
    with ExitStack() as stack:
        running = {i: stack.enter_context(_process(folder, i, processes, options)) for i in range(processes)}
        while running:
            look()
            time.sleep(LOOK)
            for i, process in list(running.items()):
                if process.poll() is None:
                    continue
                del running[i]
                if process.returncode not in (0, 143):
                    _bury(folder, process, deaths)
                    running[i] = stack.enter_context(_process(folder, i, processes, options))
    look()


@contextmanager
def _process(
    folder: StudyFolder, i: int, processes: int, options: Options
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker, which writes into ``logs/``; asked to stop at the end of the block, and waited for."""
    log = make_folder(folder.path / "logs") / f"worker-{i}.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command(folder.path, replace(options, number=i)),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=environment(processes),
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait()


def environment(processes: int) -> dict[str, str]:
    """The environment of a worker that shares its machine with as many: its share of the threads."""
    own = {} if processes == 1 else {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes))}
    return {**os.environ, **own, "PYTHONUNBUFFERED": "1"}


def _bury(folder: StudyFolder, process: subprocess.Popen[bytes], deaths: dict[str, int]) -> None:
    """Note which cell a worker was at that died, and give the cell up when that has happened before."""
    code = process.returncode
    why = f"signal {-code}" if code < 0 else f"status {code}"
    log = folder.path / "logs"
    for cell in folder.cells():
        path = folder.run(cell) / ".lock"
        if (
            f'"pid": {process.pid},' in (path.read_text() if path.is_file() else "")
            and owner_of(path.parent) is None
        ):
            deaths[cell.name] = deaths.get(cell.name, 0) + 1
            if deaths[cell.name] >= DEATHS:
                what = f"the process that ran it ended with {why} {DEATHS} times, as one does that has no memory left"
                folder.fail(cell, EmosymError("study.worker-died", what, hint=f"its output is in {log}"))
            return
    deaths[""] = deaths.get("", 0) + 1
    if deaths[""] >= DEATHS:
        raise EmosymError(
            "study.worker-died",
            f"the workers end with {why} before they begin a cell",
            hint=f"their output is in {log}",
        )


def ray(folder: StudyFolder, processes: int, options: Options, look: Look, address: str = "") -> None:
    """Tasks of a Ray cluster: that of ``address`` or ``RAY_ADDRESS``, else one that is started on this machine.

    Errors: ``study.no-executor`` where Ray is not installed.
    """
    engine = _engine("ray", "pip install 'emosym[ray]'")
    begun = not engine.is_initialized()
    if begun:
        engine.init(address=address or os.environ.get("RAY_ADDRESS"), log_to_driver=False)
    task = engine.remote(max_retries=0, num_cpus=1, scheduling_strategy="SPREAD")(_run)
    gpus = {"num_gpus": 1} if engine.cluster_resources().get("GPU") else {}
    try:
        waiting = [
            task.options(**gpus).remote(
                command(folder.path, replace(options, number=0 if gpus else i)), dict(_paths())
            )
            for i in range(processes)
        ]
        codes: list[int] = []
        while waiting:
            done, waiting = engine.wait(waiting, timeout=LOOK)
            codes += engine.get(done)
            look()
    finally:
        if begun:
            engine.shutdown()
    _require_success(folder, codes)


def slurm(folder: StudyFolder, processes: int, options: Options, look: Look, **parameters: Any) -> None:
    """Jobs of Slurm by submitit. ``parameters`` are submitit's (``slurm_partition``, ``timeout_min``, ``gpus_per_node`` …);
    ``cluster="local"`` runs them as processes here.

    Errors: ``study.no-executor`` where submitit is not installed.
    """
    engine = _engine("submitit", "pip install 'emosym[slurm]'")
    executor = engine.AutoExecutor(folder=str(folder.path / "logs"), cluster=parameters.pop("cluster", None))
    executor.update_parameters(**{"name": folder.path.name, "timeout_min": 24 * 60, **parameters})
    jobs = [
        executor.submit(_run, command(folder.path, replace(options, number=i)), dict(_paths()))
        for i in range(processes)
    ]
    try:
        while not all(job.done() for job in jobs):
            look()
            time.sleep(LOOK)
        look()
    except BaseException:
        for job in jobs:
            job.cancel()
        raise
    _require_success(folder, [job.result() for job in jobs])


def _engine(name: str, hint: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        what = f"executor {name!r} needs the package {name}, which is not installed"
        raise EmosymError("study.no-executor", what, hint=hint) from error


def _paths() -> Mapping[str, str]:
    """What a worker elsewhere has to be told of this process's environment: where its Python looks for packages."""
    names = ("PYTHONPATH", "EMOSYM_CACHE", "EMOSYM_DISABLE_PLUGINS")
    return {name: os.environ[name] for name in names if name in os.environ}


def _run(words: list[str], variables: Mapping[str, str]) -> int:
    """Run a worker to its end where this is called; sent away by value, so it uses nothing of this module."""
    import os
    import subprocess

    return subprocess.run(words, env={**os.environ, **variables}, check=False).returncode  # noqa: S603


def _require_success(folder: StudyFolder, codes: list[int]) -> None:
    failed = [code for code in codes if code not in (0, 143)]
    if failed:
        raise EmosymError(
            "study.worker-died",
            f"{len(failed)} of {len(codes)} workers ended with status {failed[0]}",
            hint=f"call it again to go on; their output is in {folder.path / 'logs'} or the engine's own logs",
        )
