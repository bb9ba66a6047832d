"""Running metrics over a system: what it understands, and what its images evoke."""

from __future__ import annotations

import dataclasses
import logging
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from emosym_registry import EmosymError, RegisteredComponent
from numpy.typing import NDArray
from PIL import Image

from emosym.assembly import ExperimentParts, WeightedReward, attributed
from emosym.contracts import Evidence, Figure, Metric, Sample
from emosym.evaluation.kept import ERRORS, SPACE, space_on_a_plane, worst_errors
from emosym.evaluation.probe import SystemProbe
from emosym.predictions import Predictions, write_predictions
from emosym.report.numbers import RESERVED
from emosym.report.sheet import by_label, contact_sheet
from emosym.rewards import scored
from emosym.system import System
from emosym.toolkit import file_name, make_folder, write_json

_log = logging.getLogger(__name__)
Metrics = Sequence[tuple[RegisteredComponent, Metric]]
GENERATION_SEED = 90_000
"""Seeds of evaluation images start here plus the run's seed, apart from those of training."""


OF_STATES = frozenset({"system", "rewards"})
"""Needs of metrics that ask for reasoning tokens or their states."""
TOO_FEW = "metric.too-few"
"""The id of a metric's error where the pictures are too few for it."""
TOLERANCE = 1e-9
"""How far the mean over images may be from the figure, relative and absolute: the rounding of another order of adding."""


@dataclass(frozen=True)
class Understanding:
    """What a system understands of a split, in figures, and image by image."""

    figures: Mapping[str, Any]
    """Figures of the metrics of readings, the ``confusion`` matrix [C,C] (rows: truth), its ``names``, and how many
    ``images`` were read."""
    predictions: Predictions


def understanding(
    system: System,
    samples: Sequence[Sample],
    metrics: Metrics,
    judge: Any = None,
    *,
    split: str,
    batch_size: int = 64,
    rewards: Sequence[WeightedReward] = (),
) -> Understanding:
    """Read the labelled ones among the samples of a split, and measure the readings; ``rewards`` are asked where a metric
    needs them."""
    labelled = [sample for sample in samples if sample.label is not None]
    _log.info("reading %s images of %s, and measuring", f"{len(labelled):,}", split)
    if system.explicit:  # there are neither tokens nor states to ask for; the spec has said so
        metrics = [(offer, metric) for offer, metric in metrics if OF_STATES.isdisjoint(offer.spec.needs)]

    def read(samples: Sequence[Sample], size: int | None = None) -> NDArray[np.float64]:
        system.backbone.forget()
        probabilities, _ = system.told(samples, size or batch_size)
        return probabilities.cpu().double().numpy()

    table_of_rewards = None
    if system.explicit:
        probabilities, _ = system.told(labelled, batch_size)
    else:
        states, probabilities = system.read(labelled, batch_size)
        if any("rewards" in metric.config.needs(metric.needs) for _, metric in metrics):
            table_of_rewards = scored(rewards, system, labelled, states, probabilities, batch_size)
    table = probabilities.cpu().double().numpy()
    evidence = Evidence(
        system.labels.names,
        labelled,
        table,
        judge=judge,
        probe=None if system.explicit else SystemProbe(system, batch_size),
        rewards=table_of_rewards,
        seed=system.resolved.spec.seed,
        read=read,
    )
    figures, each = measured(metrics, evidence, "understanding")
    confusion = np.zeros((len(system.labels), len(system.labels)), dtype=int)
    np.add.at(confusion, (evidence.labels, table.argmax(1)), 1)
    facts = {
        "confusion": confusion.tolist(),
        "names": list(system.labels.names),
        "images": len(labelled),
    }
    ids = tuple(sample.id for sample in labelled)
    predictions = Predictions(system.labels.names, split, ids, evidence.labels, table, each)
    return Understanding(figures | facts, predictions)


def measured(
    metrics: Metrics, evidence: Evidence, group: str
) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
    """Every figure of one group, and what each image contributes. A metric that there are too few pictures for is left out
    with a warning: what was trained is worth more than one figure."""
    left_out = set[str]()

    def failed(name: str, error: EmosymError) -> None:
        if error.id != TOO_FEW:
            raise error
        print(f"warning: metric {name} is left out: {error.message}; {error.hint}", file=sys.stderr)
        left_out.add(name)

    figures = compute(metrics, evidence, group, failed)
    kept = [(offer, metric) for offer, metric in metrics if offer.spec.name not in left_out]
    return figures, contributions(kept, evidence, group, figures)


def compute(
    metrics: Iterable[tuple[RegisteredComponent, Metric]],
    evidence: Evidence,
    group: str,
    failed: Callable[[str, EmosymError], None] | None = None,
) -> dict[str, float]:
    """Every figure of one group; one figure from two metrics is an error: ``evaluation.figure-twice``. Where there is
    ``failed``, it is told by name of a metric that cannot be measured of this evidence, and the others go on."""
    figures: dict[str, float] = {}
    owners = dict.fromkeys(RESERVED, "the evaluation itself")
    for offer, metric in metrics:
        if metric.group != group:
            continue
        try:
            with attributed(offer, "compute"):
                own = {name: _number(name, value) for name, value in metric.compute(evidence).items()}
        except EmosymError as error:
            if failed is None or error.ours:
                raise
            failed(offer.spec.name, error)
            continue
        for name, value in own.items():
            if not math.isfinite(value):
                print(
                    f"warning: {offer.described}: {name} is {value}",
                    file=sys.stderr,
                )
            if name in owners:
                raise EmosymError(
                    "evaluation.figure-twice",
                    f"metric {offer.qualified} returns the figure {name!r}, and so does {owners[name]}",
                    hint="leave one of the two out of metrics",
                )
            owners[name] = offer.qualified
        figures |= own
    return figures


def contributions(
    metrics: Metrics, evidence: Evidence, group: str, figures: Mapping[str, float]
) -> dict[str, NDArray[np.float64]]:
    """What every image contributes to those of the ``figures`` of a group that are means over images: [N] each.

    Errors: ``evaluation.not-per-image`` where a metric gives another number of values, or values whose mean is not the
    figure.
    """
    count = len(evidence.samples if group == "understanding" else evidence.generated)
    found: dict[str, NDArray[np.float64]] = {}
    for offer, metric in metrics:
        if metric.group != group:
            continue
        with attributed(offer, "per_image"):
            own = {
                name: np.asarray(values, dtype=np.float64)
                for name, values in metric.per_image(evidence).items()
            }
        for name, values in own.items():
            problem = _not_per_image(values, count, figures.get(name))
            if problem:
                raise EmosymError(
                    "evaluation.not-per-image",
                    f"{offer.described}: per_image of {name!r}: {problem}",
                    hint=f"leave it out of metrics; its author sees more with: emosym plugins check {offer.qualified}",
                )
        found |= own
    return found


def _not_per_image(values: NDArray[np.float64], count: int, figure: float | None) -> str:
    """What is wrong with the contributions of ``count`` images to a figure; empty where nothing is."""
    if figure is None:
        return "compute has no such figure"
    if values.shape != (count,):
        return f"shape {list(values.shape)}, not one value for each of the {count} images"
    mean = float(values.mean())
    if not np.isclose(mean, figure, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
        return f"the mean is {mean:.10g}, and the figure is {figure:.10g}"
    return ""


def _number(name: str, value: Any) -> float:
    if isinstance(value, str):
        raise TypeError(f"figure {name!r} is the text {value!r}, no number")
    return float(value)


def per_class(samples: Sequence[Sample], classes: int, count: int, seed: int) -> list[Sample]:
    """``count`` samples of each class, drawn with ``seed``; fewer where a class has fewer."""
    rng = np.random.default_rng(seed)
    chosen: list[Sample] = []
    for label in range(classes):
        own = [sample for sample in samples if sample.label == label]
        chosen += [own[i] for i in rng.permutation(len(own))[:count]]
    return chosen


def generation(
    system: System,
    samples: Sequence[Sample],
    metrics: Metrics,
    judge: Any,
    out: Path,
    *,
    split: str,
    training: Sequence[Sample] = (),
) -> tuple[dict[str, float], Predictions]:
    """Generate ``per_class`` images of each emotion, save them under ``out`` and measure them beside the real ones of a
    split, and beside the ``training`` ones: figures, and what was seen in each picture."""
    settings = system.resolved.spec.evaluation
    seed, names = system.resolved.spec.seed, system.labels.names
    labels = [label for label in range(len(names)) for _ in range(settings.per_class)]
    _log.info("painting %s images, and measuring them", f"{len(labels):,}")
    made = system.require_generation().paint_labels(
        labels,
        [GENERATION_SEED + seed * 1_000_003 + i for i in range(len(labels))],
        [settings.prompt] * len(labels),
        steps=settings.sampling_steps,
        guidance_scale=settings.guidance_scale,
        emotions=len(names),
    )
    real = [
        dataclasses.replace(sample, images=tuple(sample.open()))
        for sample in per_class(samples, len(names), settings.per_class, seed)
    ]
    evidence = Evidence(
        names,
        real=real,
        generated=made,
        training=training,
        judge=judge,
        probe=SystemProbe(system, settings.batch_size),
        seed=seed,
    )
    files = save_images(evidence.generated_images, labels, names, out / "images")
    write_sheets(evidence, out / "sheets")
    figures, each = measured(metrics, evidence, "generation")
    predictions = Predictions(
        names,
        split,
        tuple(files),
        evidence.generated_labels,
        evidence.judged("generated"),
        each,
        np.array([one.seed for one in made], dtype=np.int64),
        tuple(one.prompt for one in made),
    )
    return figures, predictions


def write_sheets(evidence: Evidence, folder: Path) -> None:
    """``generated.png`` and ``real.png``: up to twelve pictures an emotion."""
    make_folder(folder)
    for name, pictures, labels in (
        ("generated", evidence.generated_images, evidence.generated_labels),
        ("real", evidence.real_images, evidence.real_labels),
    ):
        rows = by_label(zip(pictures, labels.tolist(), strict=True), evidence.names)
        contact_sheet(rows).save(folder / f"{name}.png")


def save_images(
    images: Sequence[Image.Image], labels: Sequence[int], names: Sequence[str], folder: Path
) -> list[str]:
    """``<emotion>-<number>.png`` for each image, the emotion as :func:`emosym.toolkit.file_name` writes it; the names of
    the files."""
    make_folder(folder)
    counts: dict[int, int] = {}
    files: list[str] = []
    for image, label in zip(images, labels, strict=True):
        number = counts[label] = counts.get(label, -1) + 1
        files.append(f"{file_name(names[label])}-{number:03d}.png")
        image.save(folder / files[-1])
    return files


def evaluate_system(
    system: System,
    parts: ExperimentParts,
    out: Path,
    *,
    split: str | None = None,
    generate: bool | None = None,
    samples: Sequence[Sample] | None = None,
    understood: Understanding | None = None,
) -> dict[str, Any]:
    """Understanding on a split and, where the system can, generation; written to ``out/evaluation/final.json``, with pictures
    in ``out/images``. What was read in each image is beside it, in ``final-readings.parquet`` and
    ``final-generated.parquet`` (see :mod:`emosym.predictions`), and for the report the worst errors and the emotion space
    (:mod:`emosym.evaluation.kept`).

    ``understood`` is what was just measured on these samples with these weights.
    """
    settings = system.resolved.spec.evaluation
    split = split or settings.split
    samples = parts.dataset.split(split) if samples is None else samples
    started, judge = time.perf_counter(), parts.judges.get("evaluate")
    if understood is None:
        understood = understanding(
            system,
            samples,
            parts.metrics,
            judge,
            split=split,
            batch_size=settings.batch_size,
            rewards=parts.rewards,
        )
    folder, seed = out / "evaluation", system.resolved.spec.seed
    write_predictions(folder / "final-readings.parquet", understood.predictions)
    labelled = [sample for sample in samples if sample.label is not None]
    errors = worst_errors(system, labelled, understood.predictions, settings.batch_size)
    write_json(folder / ERRORS, errors)
    result: dict[str, Any] = {"split": split, "understanding": dict(understood.figures)}
    facts = parts.dataset.facts()
    if "bayes_accuracy" in facts:
        result["understanding"]["bayes"] = facts["bayes_accuracy"]
    can = system.generation is not None and system.resolved.spec.stages.unify is not None
    if can if generate is None else generate:
        result["generation"], seen = generation(
            system,
            samples,
            parts.metrics,
            judge,
            out,
            split=split,
            training=parts.dataset.split("train"),
        )
        write_predictions(folder / "final-generated.parquet", seen)
        real = per_class(samples, len(system.labels.names), settings.per_class, seed)
        result["pictures"] = {"painted": len(seen.ids), "real": len(real)}
        plane = space_on_a_plane(system, labelled, GENERATION_SEED + seed, settings.batch_size)
        if plane is not None:
            write_json(folder / SPACE, plane)
    result["figures"] = {
        name: dataclasses.asdict(figure) | {"about": figure.about or offer.spec.summary}
        for offer, metric in parts.metrics
        for name, figure in metric.figures.items()
    } | {
        f"reward_{one.name}": dataclasses.asdict(Figure(f"Held-out reward, {one.name}", about=one.summary))
        for one in parts.rewards
    }
    result["seconds"] = time.perf_counter() - started
    write_json(folder / "final.json", result)
    return result
