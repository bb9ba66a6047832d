"""Whether the lifecycle hooks of a plugin listen: calls as runs make them, in a folder that is thrown away."""

from __future__ import annotations

import tempfile
from pathlib import Path

from emosym_registry import Lifecycle, LoadedPlugin, Registry, load_registry

from emosym.spec import Resolved


def hooks_of(registry: Registry, id: str) -> list[str]:
    """The lifecycle hooks that a plugin implements, without their prefix."""
    callers = registry.manager.get_hookcallers(registry.manager.get_plugin(id)) or ()
    names = [caller.name.removeprefix("emosym_") for caller in callers]
    return [name for name in names if hasattr(Lifecycle, name)]


def call_hooks(plugin: LoadedPlugin, spec: Resolved) -> list[tuple[str, str, str]]:
    """What the hooks raise in a run of one step of ``spec``, in one that goes on and in one that fails: stage, cause,
    what to do."""
    registry = load_registry(installed=[plugin.installed], strict=False, on_failure=lambda failure: None)
    hooks = registry.lifecycle
    with tempfile.TemporaryDirectory() as folder:
        for name, rest in (("whole", _whole), ("failed", _failed)):
            run = Path(folder) / name
            run.mkdir()
            spec.save(run, qualified=True)
            hooks.run_started(run, spec.data(), resumed=False)
            hooks.stage_started(run, "unify", steps=1, step=0)
            hooks.step_finished(run, "unify", 1, {"loss": 1.0, "lr": 1e-4})
            rest(hooks, run, spec)
    authors = f"its authors should mend it in {plugin.installed.module}"
    return [(failure.stage, failure.cause, authors) for failure in registry.failures]


def _whole(hooks: Lifecycle, run: Path, spec: Resolved) -> None:
    from emosym.contracts import Refresh

    hooks.bank_refreshed(run, 1, Refresh(1, ["made-0"], ["train-0"], [("made-1", "not confident")], 1, 0.1))
    hooks.stage_finished(run, "unify", {"steps": 1, "seconds": 1.0, "accuracy": 0.5})
    summary = {
        "name": spec.spec.name,
        "seed": spec.spec.seed,
        "device": "cpu",
        "precision": "fp32",
        "smoke": False,
        "understanding": {"accuracy": 0.5, "stages": {"unify": {"accuracy": 0.5}}},
        "generation": {"emo_a": 0.5},
        "figures": {},
        "seconds": {"unify": 1.0, "total": 2.0},
        "peak_memory_bytes": 2**30,
    }
    hooks.run_finished(run, summary)


def _failed(hooks: Lifecycle, run: Path, spec: Resolved) -> None:
    hooks.run_failed(run, RuntimeError("made by `emosym plugins check`"))
    hooks.run_started(run, spec.data(), resumed=True)
    hooks.stage_started(run, "unify", steps=2, step=1)
