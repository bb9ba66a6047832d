"""The end of a run: the final evaluation, the bank's history, and the figures that people look at; and measuring again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emosym_registry import Registry, load_registry

from emosym.assembly import ExperimentParts, build_parts
from emosym.contracts import MemoryBank, Sample
from emosym.evaluation.evaluate import Understanding, evaluate_system, usual_split
from emosym.experiment.bank import write_ledger
from emosym.experiment.folder import RunFolder, peak_memory_bytes
from emosym.experiment.smoke import limited
from emosym.report.report import write_report
from emosym.report.sheet import by_label, contact_sheet
from emosym.rewards import bind
from emosym.spec import load_spec
from emosym.spec.model import STAGES
from emosym.spec.reads import measures_rewards
from emosym.storage import find_saved
from emosym.system import System
from emosym.toolkit import kept_statistics, make_folder, read_json, write_json

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
    seconds = {name: round(facts["seconds"], 1) for name, facts in done.items()}
    stopped = {name: facts["stopped"] for name, facts in done.items() if "stopped" in facts}
    summary = {
        "name": system.resolved.spec.name,
        "seed": system.resolved.spec.seed,
        "device": str(system.device),
        "precision": system.precision,
        "smoke": smoke,
        **({"stopped": stopped} if stopped else {}),
        "understanding": {**scalars(final["understanding"]), "stages": stages},
        "generation": final.get("generation", {}),
        "figures": final["figures"],
        "seconds": {
            **seconds,
            "evaluate": round(final["seconds"], 1),
            "total": round(time.perf_counter() - started, 1),
        },
        "peak_memory_bytes": peak_memory_bytes(),
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

    Figures and pictures go to ``out``; without one into the run, whose summary and report are renewed where the split is
    that of its own evaluation. A smoke run is measured on a few images again.
    """
    make_folder(out or run)
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
    folder = RunFolder(run)
    with system.builder.naming():
        parts = build_parts(system.builder, training=False)
        if parts.rewards:
            bind(parts, system, limited(parts.dataset.split("train"), folder.smoke))
        samples = parts.dataset.split(split or system.resolved.spec.evaluation.split)
        final = evaluate_system(
            system, parts, out or run, split=split, samples=limited(samples, folder.smoke)
        )
    if out is None and final["split"] == usual_split(run) and folder.summary.exists():
        _renew(folder, final)
    return final


def measuring(run: Path, sets: Sequence[str], registry: Registry) -> tuple[str, ...]:
    """The sections of a run's spec that its evaluation uses: rewards and what they need only where a metric asks them."""
    spec = find_saved(run)[0] / "spec.yaml"
    if not measures_rewards(load_spec(spec, registry=registry, sets=sets, use=("metrics",))):
        return MEASURING
    rewards = load_spec(spec, registry=registry, sets=sets, use=("rewards",))
    needs = {need for path in rewards.offers for need in rewards.needs(path)}
    return (*MEASURING, "rewards", *(section for need, section in REWARDING.items() if need in needs))


def _renew(folder: RunFolder, final: Mapping[str, Any]) -> None:
    """Put the figures of a new evaluation on the spec's split into ``summary.json`` and the report of a run."""
    summary = read_json(folder.summary)
    stages = summary.get("understanding", {}).get("stages", {})
    summary["understanding"] = {**scalars(final["understanding"]), "stages": stages}
    summary["generation"], summary["figures"] = final.get("generation", {}), final["figures"]
    write_json(folder.summary, summary)
    write_report(folder.path)


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
    """What became of the bank, where there is one: its history in ``ledger.jsonl``, what it has in ``sheets/bank.png``.
    ``originals`` are those that the stage showed it."""
    if memory is None:
        return
    admitted = [sample for sample in memory.view(originals) if sample.generated]
    write_sheet(admitted, names, run / "sheets" / "bank.png")
    write_ledger(memory, run)
