"""The end of a run: the final evaluation, the bank's history, and the figures that people look at; and measuring again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError, Registry, load_registry

from emosym import __version__
from emosym.assembly import ExperimentParts, build_parts
from emosym.contracts import MemoryBank, Sample
from emosym.evaluation.evaluate import Understanding, evaluate_system
from emosym.experiment.bank import write_ledger
from emosym.experiment.folder import RunFolder, peak_memory_bytes
from emosym.experiment.smoke import limited
from emosym.report.pictures import as_url
from emosym.report.report import write_report
from emosym.report.sheet import by_label, contact_sheet, in_turns
from emosym.rewards import bind
from emosym.spec import load_spec
from emosym.spec.model import STAGES
from emosym.spec.reads import measures_rewards
from emosym.storage import find_saved
from emosym.system import System
from emosym.toolkit import kept_statistics, make_folder, read_json, write_json, written_whole

EVALUATIONS = "evaluations"
"""The folder in a run folder of what was measured after it."""
SHOWN_A_REFRESH = 16
"""Pictures of each refresh that the report can show, of those that the bank still has, as many of each emotion as there are."""
MEASURING = ("data", "judges.evaluate", "metrics")
"""Sections of a spec that every evaluation uses."""
REWARDING = {"judge": "judges.reward", "knowledge": "knowledge", "text_encoder": "text_encoder"}
"""By need of a reward, the section that meets it."""


def finish(
    system: System,
    parts: ExperimentParts,
    run: RunFolder,
    started: float,
    understood: Understanding | None,
    *,
    smoke: bool,
) -> dict[str, Any]:
    """Evaluate the final system and write the summary.

    ``understood`` is what the last stage measured of these very weights, None where it was done before.
    """
    done = run.done()
    samples = limited(parts.dataset.split(system.resolved.spec.evaluation.split), smoke)
    final = evaluate_system(
        system,
        parts,
        run.path,
        generate=None if "unify" in done else False,
        samples=samples,
        understood=understood,
    )
    stages = {}
    for name in STAGES:
        path = run.path / "evaluation" / f"{name}.json"
        if path.exists():
            stages[name] = scalars(read_json(path))
    seconds = {name: facts["seconds"] for name, facts in done.items()}
    stopped = {name: facts["stopped"] for name, facts in done.items() if "stopped" in facts}
    summary = {
        "name": system.resolved.spec.name,
        **_of_what(system, smoke),
        **({"stopped": stopped} if stopped else {}),
        "understanding": {**scalars(final["understanding"]), "stages": stages},
        **_outcome(final, started, seconds),
        "kept": kept_statistics(),
    }
    write_json(run.summary, summary)
    return summary


def evaluate_run(
    run: Path,
    *,
    sets: Sequence[str] = (),
    registry: Registry | None = None,
    split: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    out: Path | None = None,
    trust_remote_code: bool = False,
) -> Mapping[str, Any]:
    """Evaluate the saved system of a run again, on the same or another split; ``sets`` override its spec.

    The result is a folder of its own, ``out`` or else ``RUN/evaluations/SPLIT-NUMBER``, written whole or not at all:
    what the run's own evaluation leaves, with a ``summary.json`` and a ``report.html``. Nothing of the run changes. A
    smoke run is measured on a few images again. Returns the figures, with the ``folder``.

    Errors: ``evaluate.exists`` where something is in ``out``, those of :func:`emosym.toolkit.make_folder`, and those of loading and measuring the system.
    """
    started = time.perf_counter()
    make_folder(run if out is None else out)
    if out is not None and any(out.iterdir()):
        raise EmosymError(
            "evaluate.exists",
            f"{out} is not empty, and an evaluation writes over nothing",
            hint="name a new folder with --out, or leave it out for RUN/evaluations/SPLIT-NUMBER",
        )
    registry = registry or load_registry()
    system = System.load(
        run,
        sets=sets,
        also=measuring(run, sets, registry),
        registry=registry,
        device=device,
        precision=precision,
        trust_remote_code=trust_remote_code,
    )
    smoke, split = RunFolder(run).smoke, split or system.resolved.spec.evaluation.split
    folder = next_evaluation(run, split) if out is None else out
    with (
        written_whole(folder.resolve() if folder.is_symlink() else folder) as partial,
        system.builder.naming(),
    ):
        partial.mkdir()
        parts = build_parts(system.builder, training=False)
        if parts.rewards:
            bind(parts, system, limited(parts.dataset.split("train"), smoke))
        samples = limited(parts.dataset.split(split), smoke)
        final = evaluate_system(system, parts, partial, split=split, samples=samples)
        write_json(partial / "summary.json", _measured(system, run, final, sets, smoke, started))
        (partial / "spec.yaml").write_text(system.resolved.to_yaml(), encoding="utf-8")
        write_report(partial)
    return {"folder": str(folder), **final}


def _of_what(system: System, smoke: bool) -> dict[str, Any]:
    """What was measured, on what."""
    resolved = system.resolved
    return {
        "data": resolved.spec.data.name,
        "embedded": resolved.embedded("backbone", "diffusion"),
        "seed": resolved.spec.seed,
        "device": str(system.device),
        "precision": system.precision,
        "smoke": smoke,
    }


def _outcome(
    final: Mapping[str, Any], started: float, stages: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """What an evaluation found beside its readings, and what all of it cost; ``stages`` are seconds of training."""
    return {
        "generation": final.get("generation", {}),
        "figures": final["figures"],
        "seconds": {
            **(stages or {}),
            "evaluate": final["seconds"],
            "total": time.perf_counter() - started,
        },
        "peak_memory_bytes": peak_memory_bytes(),
    }


def next_evaluation(run: Path, split: str) -> Path:
    """The first ``RUN/evaluations/SPLIT-NUMBER`` that is not there, counted from 1."""
    return next(
        place for number in count(1) if not (place := run / EVALUATIONS / f"{split}-{number}").exists()
    )


def _measured(
    system: System, run: Path, final: Mapping[str, Any], sets: Sequence[str], smoke: bool, started: float
) -> dict[str, Any]:
    """``summary.json`` of an evaluation: that of a run, without stages."""
    return {
        "name": system.resolved.spec.name,
        "evaluation": {
            "run": run.resolve().name,
            "run_id": RunFolder(run).id,
            "split": final["split"],
            "sets": list(sets),
            "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "emosym": __version__,
        },
        **_of_what(system, smoke),
        "understanding": scalars(final["understanding"]),
        **_outcome(final, started),
    }


def measuring(run: Path, sets: Sequence[str], registry: Registry) -> tuple[str, ...]:
    """The sections of a run's spec that its evaluation uses: rewards and what they need only where a metric asks them."""
    spec = find_saved(run)[0] / "spec.yaml"
    if not measures_rewards(load_spec(spec, registry=registry, sets=sets, use=("metrics",))):
        return MEASURING
    rewards = load_spec(spec, registry=registry, sets=sets, use=("rewards",))
    needs = {need for path in rewards.offers for need in rewards.needs(path)}
    return (*MEASURING, "rewards", *(section for need, section in REWARDING.items() if need in needs))


def scalars(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures without the confusion matrix, which has a file of its own."""
    return {
        key: value for key, value in figures.items() if isinstance(value, (int, float)) and "/" not in key
    }


def write_sheet(samples: Sequence[Sample], names: Sequence[str], path: Path) -> None:
    """Contact sheet of samples by label, where there are any."""
    rows = by_label(((sample, sample.label) for sample in samples), names)
    shown = {name: [sample.open_target() for sample in row] for name, row in rows.items() if row}
    if shown:
        path.parent.mkdir(parents=True, exist_ok=True)
        contact_sheet(shown).save(path)


def write_bank(
    memory: MemoryBank | None, originals: Sequence[Sample], names: Sequence[str], run: Path
) -> None:
    """What became of the bank, where there is one: its history in ``ledger.jsonl``, what it has in ``sheets/bank.png``, and
    in ``sheets/bank.json`` some of it by id, for the report. ``originals`` are those that the stage showed it."""
    if memory is None:
        return
    admitted = [sample for sample in memory.view(originals) if sample.generated]
    write_sheet(admitted, names, run / "sheets" / "bank.png")
    write_ledger(memory, run)
    admitted_at = {line.image: line.step for line in memory.ledger() if line.action == "admit"}
    refreshes: dict[int, list[Sample]] = {}
    for sample in admitted:
        refreshes.setdefault(admitted_at.get(sample.id, -1), []).append(sample)
    turns = (in_turns((sample, sample.label) for sample in own) for own in refreshes.values())
    shown = [sample for own in turns for sample in own[:SHOWN_A_REFRESH]]
    write_json(run / "sheets" / "bank.json", {sample.id: as_url(sample.open_target()) for sample in shown})
