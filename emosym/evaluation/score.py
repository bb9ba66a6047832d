"""Measuring pictures and predictions that anybody made, by the same metrics that runs use."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError, Registry
from emosym_registry.errors import first_line, plural, some

from emosym.assembly import Builder
from emosym.contracts import Evidence, LabelSet
from emosym.evaluation.evaluate import Metrics, compute
from emosym.evaluation.foreign import read_predictions
from emosym.evaluation.protocol import Protocol
from emosym.evaluation.shown import Shown, as_generated, as_samples, read_pictures

Say = Callable[[str], None]
UNDERSTANDING, GENERATION = "understanding", "generation"


@dataclass
class Instruments:
    """What a protocol measures with: metrics of one group and their judge, as far as they can be built. ``missing`` says
    of others by name, in a sentence, why they cannot."""

    metrics: Metrics
    judge: Any
    missing: dict[str, str] = field(default_factory=dict)
    components: list[Mapping[str, Any]] = field(default_factory=list)
    """What was built: kind, name with its plugin, version, parameters."""


def score_pictures(
    source: Path,
    protocol: Protocol,
    registry: Registry,
    *,
    layout: str = "emotion-folders",
    real: Path | None = None,
    training: Path | None = None,
    device: Any,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Figures of the pictures of a folder or CSV file, beside those of ``real`` ones; ``training`` are those that their
    painter learned from (by default ``real``).

    Errors: ``score.bad-pictures``, ``score.nothing-measured``; of a metric that the user named, its own.
    """
    labels = LabelSet.of(protocol.resolved.spec.labels)
    shown = read_pictures(source, labels, layout)
    beside = read_pictures(real, labels, "emotion-folders") if real is not None else []
    learned = read_pictures(training, labels, "emotion-folders") if training is not None else beside
    instruments = build(protocol, registry, GENERATION, device)
    evidence = Evidence(
        labels.names,
        real=as_samples(beside),
        generated=as_generated(shown),
        training=as_samples(learned),
        judge=instruments.judge,
        seed=protocol.resolved.spec.seed,
    )
    figures = measured(instruments, evidence, GENERATION, protocol, say)
    pictures = {
        "measured": _about(shown, labels, source),
        "real": _about(beside, labels, real),
        "training": _about(learned, labels, training or real),
    }
    return _result(
        protocol, instruments, figures, [*_differences(protocol, shown, labels)], pictures=pictures
    )


def score_predictions(
    file: Path,
    choose: Callable[[bool], Protocol],
    registry: Registry,
    *,
    labels: LabelSet | None = None,
    device: Any,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Figures of the predictions of a file. ``choose`` gives the protocol, told whether the file has names alone.

    Errors: ``score.bad-predictions``, ``score.nothing-measured``; of a metric that the user named, its own.
    """
    usual = LabelSet.of(choose(False).resolved.spec.labels)
    predictions, labels = read_predictions(file, labels, usual)
    protocol = choose(predictions.named)
    protocol.resolved.spec.labels = _spec_labels(labels, protocol)
    instruments = build(protocol, registry, UNDERSTANDING, device)
    evidence = Evidence(
        labels.names,
        predictions.samples,
        predictions.probabilities,
        judge=instruments.judge,
        seed=protocol.resolved.spec.seed,
    )
    figures = measured(instruments, evidence, UNDERSTANDING, protocol, say)
    about = {
        "file": str(file),
        "count": len(predictions.samples),
        "probabilities": not predictions.named,
        "targets": any(sample.target is not None for sample in predictions.samples),
    }
    return _result(protocol, instruments, figures, [], predictions=about)


def _spec_labels(labels: LabelSet, protocol: Protocol) -> Any:
    """As a spec writes them; signs that the protocol gives stay."""
    own = LabelSet.of(protocol.resolved.spec.labels)
    return protocol.resolved.spec.labels if own.names == labels.names else list(labels.names)


def build(protocol: Protocol, registry: Registry, group: str, device: Any) -> Instruments:
    """The metrics of one group and their judge. What cannot be built is left out with a sentence, or is the error where
    the user named it."""
    resolved = protocol.resolved
    builder = Builder.of(resolved, registry, device=device, precision="fp32")
    instruments = Instruments([], None)
    paths = {f"metrics.{i}": resolved.component(f"metrics.{i}") for i in range(len(resolved.spec.metrics))}
    for name, sentence in protocol.absent.items():
        if name != "judge":
            _miss(instruments, name, EmosymError("metric.no-weights", sentence), protocol)
    for path, name in paths.items():
        if resolved.offers[path].load().group != group:
            _refuse_other_group(name, group, protocol)
            continue
        try:
            if "judge" in resolved.needs(path) and instruments.judge is None:
                instruments.judge = _judge(builder, protocol)
            metric = builder.build(path)
        except EmosymError as error:
            _miss(instruments, name, error, protocol)
            continue
        instruments.metrics = [*instruments.metrics, (resolved.offers[path], metric)]
        instruments.components.append(_described(resolved, path))
    if instruments.judge is not None:
        instruments.components.insert(0, _described(resolved, "judges.evaluate"))
    return instruments


def _judge(builder: Builder, protocol: Protocol) -> Any:
    if "judge" in protocol.absent:
        raise EmosymError("metric.no-weights", protocol.absent["judge"])
    return builder.build("judges.evaluate")


def _refuse_other_group(name: str, group: str, protocol: Protocol) -> None:
    if name in protocol.asked:
        of, give = (
            ("pictures", "a folder of pictures") if group == UNDERSTANDING else ("readings", "--predictions")
        )
        raise EmosymError("score.other-group", f"metric {name} is of {of}", hint=f"give it {give}")


def _miss(instruments: Instruments, name: str, error: EmosymError, protocol: Protocol) -> None:
    if name in protocol.asked:
        raise (
            EmosymError(error.id, f"{name} {error.message}", hint=error.hint)
            if name in protocol.absent
            else error
        )
    instruments.missing[name] = f"{first_line(error)}{'; ' if error.hint else ''}{error.hint}"


def _described(resolved: Any, path: str) -> Mapping[str, Any]:
    offer = resolved.offers[path]
    return {
        "kind": offer.spec.kind,
        "name": offer.qualified,
        "version": offer.plugin.version,
        "params": resolved.config(path).model_dump(mode="json"),
    }


def measured(
    instruments: Instruments, evidence: Evidence, group: str, protocol: Protocol, say: Say
) -> dict[str, float]:
    """The figures of all metrics; one that cannot be measured of this evidence is left out with its sentence, or is the
    error where the user named it. Errors: ``score.nothing-measured`` where none can."""

    def failed(name: str, error: EmosymError) -> None:
        _miss(instruments, name, error, protocol)

    figures = compute(_announced(instruments.metrics, say), evidence, group, failed)
    if not figures:
        reasons = "\n".join(f"  {line}" for line in by_reason(instruments.missing))
        raise EmosymError(
            "score.nothing-measured",
            f"protocol {protocol.name}: nothing could be measured:\n{reasons}"
            if reasons
            else "no metric to measure",
            hint="bring what is missing, or choose with --metric, --judge and --protocol tiny",
        )
    return figures


def by_reason(missing: Mapping[str, str]) -> list[str]:
    """A line for each reason, with all metrics that it keeps from being measured."""
    names: dict[str, list[str]] = {}
    for name, reason in missing.items():
        names.setdefault(reason, []).append(name)
    return [f"{', '.join(own)}: {reason}" for reason, own in names.items()]


def _announced(metrics: Metrics, say: Say) -> Iterator[Any]:
    for offer, metric in metrics:
        say(f"measuring {offer.spec.name}")
        yield offer, metric


def _result(
    protocol: Protocol,
    instruments: Instruments,
    figures: Mapping[str, float],
    differences: Sequence[str],
    **about: Any,
) -> dict[str, Any]:
    """What ``score.json`` holds."""
    missing = [f"not measured: {', '.join(instruments.missing)}"] if instruments.missing else []
    return {
        "protocol": {
            "name": protocol.name,
            "version": protocol.facts.version,
            "about": protocol.facts.about,
            "seed": protocol.resolved.spec.seed,
            "differences": [*differences, *protocol.changes, *missing],
        },
        **about,
        "components": instruments.components,
        "results": dict(figures),
        "figures": {
            name: dataclasses.asdict(figure)
            for _, metric in instruments.metrics
            for name, figure in metric.figures.items()
        },
        "missing": instruments.missing,
    }


def _about(pictures: Sequence[Shown], labels: LabelSet, source: Path | None) -> dict[str, Any] | None:
    if source is None:
        return None
    counts = Counter(one.label for one in pictures)
    return {
        "source": str(source),
        "count": len(pictures),
        "per_emotion": {name: counts[index] for index, name in enumerate(labels.names)},
        "sizes": [f"{width} x {height}" for width, height in sorted({one.size for one in pictures})],
    }


def _differences(protocol: Protocol, pictures: Sequence[Shown], labels: LabelSet) -> Iterator[str]:
    """What the pictures are not that the protocol wants."""
    counts = Counter(one.label for one in pictures)
    wanted, side = protocol.facts.pictures, protocol.facts.size
    if wanted is not None:
        others = {name: counts[i] for i, name in enumerate(labels.names) if counts[i] != wanted}
        numbers = sorted(set(others.values()))
        if others:
            of = "each emotion" if len(others) == len(labels) else some(list(others), 8)
            span = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
            yield f"{span} pictures of {of}, where the protocol has {wanted}"
    sizes = sorted({one.size for one in pictures} - {(side, side)}) if side is not None else []
    if sizes:
        shown = some([f"{width} x {height}" for width, height in sizes])
        count = sum(one.size != (side, side) for one in pictures)
        yield f"{plural(count, 'picture')} of {shown} pixels, where the protocol has {side} x {side}"
