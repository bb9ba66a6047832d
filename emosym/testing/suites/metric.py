"""Conformance of metrics."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
from emosym_registry import EmosymError
from emosym_registry.errors import some
from numpy.typing import NDArray
from PIL import Image

from emosym.contracts import Evidence, Generated, Metric, RewardTable, Sample
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.generic import ComponentSuite
from emosym.testing.pictures import ProjectionConfig, ProjectionJudge, ProjectionProbe, picture, samples
from emosym.testing.probes import leaving_random_state
from emosym.testing.suite import OTHER_LABELS

IMAGES, EACH = 64, 3
T = TypeVar("T")


class MetricSuite(ComponentSuite):
    """Figures of :meth:`evidence`: 64 readings, half of them of samples with annotators' votes, and 3 real
    and 3 generated pictures of each emotion. The metric sees of it what its group and its needs give it.

    ``best`` and ``worst`` name figures whose values are known where every reading, and the judge's of every
    picture, is right or wrong with certainty, such as ``{"accuracy": 1.0}``. A metric that needs the system asks a
    :class:`emosym.testing.pictures.ProjectionProbe`.
    """

    kind = "metric"
    contract: ClassVar[type] = Metric
    best: ClassVar[Mapping[str, float]] = {}
    worst: ClassVar[Mapping[str, float]] = {}

    def evidence(self, seed: int = 0) -> Evidence:
        """Readings that are right more often than not, pictures, an untrained judge, and two rewards: ``label`` is 1 for
        the annotated emotion, ``other`` says anything and does not apply to every third sample."""
        chance, classes = np.random.default_rng(seed), len(self.context().labels)
        one_hot = np.eye(classes)[np.arange(IMAGES) % classes]
        weights = np.exp(chance.normal(size=(IMAGES, classes)) + 1.5 * one_hot)
        votes = 0.6 * one_hot + 0.4 * chance.dirichlet(np.ones(classes), IMAGES)
        read = samples(IMAGES, labels=classes)
        owners = [label for label in range(classes) for _ in range(EACH)]
        rows = dict(zip((one.id for one in read), weights / weights.sum(1, keepdims=True), strict=True))
        pictures = [picture(1000 * seed + number) for number in range(2 * len(owners))]
        other = chance.random((IMAGES, classes))
        other[::3] = np.nan
        return Evidence(
            names=self.context().labels.names,
            samples=[
                dataclasses.replace(one, target=tuple(own) if number % 2 else None)
                for number, (one, own) in enumerate(zip(read, votes.tolist(), strict=True))
            ],
            probabilities=weights / weights.sum(1, keepdims=True),
            real=[Sample(f"real-{number}", (pictures.pop(),), label) for number, label in enumerate(owners)],
            generated=[
                Generated(pictures.pop(), label, 0, self.context().labels.names[label]) for label in owners
            ],
            training=[
                Sample(f"train-{number}", (picture(500_000 + 1000 * seed + number),), label)
                for number, label in enumerate(owners)
            ],
            judge=ProjectionJudge(ProjectionConfig(), self.context()),
            probe=ProjectionProbe(ProjectionJudge(ProjectionConfig(), self.context())),
            read=lambda chosen, _: np.stack([rows[one.id] for one in chosen]),
            rewards=RewardTable({"label": one_hot, "other": other}, {"label": 0.75, "other": 0.25}),
        )

    def certain(self, shift: int) -> Evidence:
        """The evidence with every emotion read with certainty as the one ``shift`` places after it, which
        all annotators gave; pictures get the labels that make the judge's reading of them so."""
        evidence, classes = self.evidence(), len(self.context().labels)
        judge = ProjectionJudge(ProjectionConfig(), self.context())

        def labels(pictures: Sequence[Image.Image]) -> list[int]:
            return [(label - shift) % classes for label in judge.probabilities(pictures).argmax(1).tolist()]

        def labelled(items: Sequence[T], pictures: Sequence[Image.Image]) -> list[T]:
            pairs = zip(items, labels(pictures), strict=True)
            return [dataclasses.replace(item, label=label) for item, label in pairs]  # type: ignore[type-var]

        return dataclasses.replace(
            evidence,
            samples=[dataclasses.replace(sample, target=None) for sample in evidence.samples],
            probabilities=np.eye(classes)[(evidence.labels + shift) % classes],
            real=labelled(evidence.real, evidence.real_images),
            generated=labelled(evidence.generated, evidence.generated_images),
        )

    def figures(self, evidence: Evidence | None = None, metric: Any = None) -> Mapping[str, float]:
        """What a metric computes of what a run gives it."""
        metric = metric or self.subject
        figures: Mapping[str, float] = metric.compute(self.given(metric, evidence or self.evidence()))
        return figures

    def given(self, metric: Any, evidence: Evidence) -> Evidence:
        """What a run gives a metric of the evidence: its group's part, and a judge and rewards where it needs them."""
        given = evidence
        if metric.group == "understanding":
            given = dataclasses.replace(given, real=(), generated=(), training=())
        else:
            given = dataclasses.replace(given, samples=(), probabilities=None, read=None)
        needs = metric.config.needs(metric.needs)
        return dataclasses.replace(
            given,
            judge=given.judge if "judge" in needs else None,
            rewards=given.rewards if "rewards" in needs else None,
            probe=given.probe if "system" in needs else None,
        )

    @check(
        "metric.figures", "one or more named figures, each a finite number, among them all that it declares"
    )
    def test_figures(self) -> None:
        """They go into summary.json and into tables; JSON has no word for NaN. A declared figure that never
        comes is a column that stays empty."""
        figures = self.figures()
        require(isinstance(figures, Mapping) and len(figures) > 0, f"{figures!r}")
        for name, value in figures.items():
            require(isinstance(name, str) and bool(name), f"a figure named {name!r}")
            require(isinstance(value, int | float) and math.isfinite(value), f"{name} = {value!r}")
        absent = [name for name in self.subject.figures if name not in figures]
        require(not absent, f"no {some(absent)}, which the metric declares")

    @check(
        "metric.needs",
        "figures from what its group gives it, and from a judge or the rewards only where `needs` has them",
    )
    def test_needs(self) -> None:
        """A run that lacks what a metric needs is refused when it starts, not after its training."""
        group, needs = self.subject.group, self.subject.needs
        require(group in ("understanding", "generation"), f"group = {group!r}")
        require(
            set(needs) <= {"judge", "diffusion", "rewards", "system"},
            f"needs = {needs}; a metric may need judge, diffusion, rewards and system",
        )
        require(("diffusion" in needs) == (group == "generation"), f"needs = {needs} of a metric of {group}")
        self.figures()

    @check("metric.names", "the same names for other evidence of the same kind")
    def test_names(self) -> None:
        """Tables over several runs are joined by name."""
        one, other = set(self.figures()), set(self.figures(self.evidence(seed=1)))
        require(one == other, f"{', '.join(sorted(one ^ other))} in one and not in the other")

    @check("metric.deterministic", "the same figures for the same evidence")
    def test_deterministic(self) -> None:
        """An interval by resampling draws from the evidence's seed, or no table can be made again. A metric that calls itself
        not repeatable says that its figures are of the machine and the moment."""
        repeats = self.subject.repeatable
        require(isinstance(repeats, bool), f"repeatable = {repeats!r}")
        require(not repeats or dict(self.figures()) == dict(self.figures()), "other figures the second time")
        with leaving_random_state():
            self.figures()

    @check("metric.notices", "other figures for other readings and pictures")
    def test_notices(self) -> None:
        """A figure that nothing moves measures nothing."""
        require(dict(self.figures()) != dict(self.figures(self.evidence(seed=1))), "the same figures")

    @check("metric.order", "figures that do not depend on the order of the images")
    def test_order(self) -> None:
        """Bounds of intervals may (resampling draws places), and figures of the machine and the moment; all others are of a
        set."""
        evidence = self.evidence()
        figures, again = self.figures(evidence), self.figures(turned(evidence))
        moved = [
            name
            for name, value in figures.items()
            if self.subject.repeatable
            and not name.endswith(("_low", "_high"))
            and not math.isclose(value, again[name], rel_tol=1e-5, abs_tol=1e-7)
        ]
        require(not moved, f"other values of {', '.join(moved)} when the images were turned round")

    @check(
        "metric.per-image",
        "one number an image, in the images' order, whose mean is the figure",
        tier="capability",
    )
    def test_per_image(self) -> None:
        """Studies pair two systems' numbers image by image; those of a sorted or a shortened list pair
        different images."""
        evidence = self.given(self.subject, self.evidence())
        figures, each = self.subject.compute(evidence), self.subject.per_image(evidence)
        if not each:
            raise NotApplicable("no figure is given for each image")
        count = len(evidence.samples if self.subject.group == "understanding" else evidence.generated)
        again = self.subject.per_image(turned(evidence))
        for name, values in each.items():
            require(name in figures, f"{name}, which is none of its figures")
            require(np.shape(values) == (count,), f"{name}: shape {np.shape(values)} of {count} images")
            mean = float(np.mean(values, dtype=np.float64))
            close = math.isclose(mean, figures[name], rel_tol=1e-9, abs_tol=1e-9)
            require(close, f"{name} = {figures[name]:.10g}, the mean over images is {mean:.10g}")
            followed = np.allclose(np.flip(again[name]), values, rtol=1e-5, atol=1e-7)
            require(followed, f"{name}: other numbers of the same images when they were turned round")

    @check("metric.interval", "the figure inside its own interval", tier="capability")
    def test_interval(self) -> None:
        """NAME_low ≤ NAME ≤ NAME_high is what the report draws."""
        figures = self.figures()
        bounded = [name for name in figures if f"{name}_low" in figures and f"{name}_high" in figures]
        if not bounded:
            raise NotApplicable("no figure has an interval")
        for name in bounded:
            low, value, high = figures[f"{name}_low"], figures[name], figures[f"{name}_high"]
            require(
                low <= value <= high, f"{name} = {value:.4g} with the interval from {low:.4g} to {high:.4g}"
            )

    @check("metric.extremes", "the known figures where everything is read right, or wrong", tier="capability")
    def test_extremes(self) -> None:
        """Labels off by one, or rows taken for columns, give figures that look like those of a poor
        system."""
        if not self.best and not self.worst:
            raise NotApplicable("the suite names no figure for them")
        for what, known, shift in (("right", self.best, 0), ("wrong", self.worst, 1)):
            figures = self.figures(self.certain(shift)) if known else {}
            for name, value in known.items():
                figure = figures.get(name, math.nan)
                close = math.isclose(figure, value, abs_tol=1e-6)
                require(close, f"{name} = {figure:.4g}, not {value:.4g}, where everything is read {what}")

    @check("metric.labels-fit", "other label sets to be measured, or refused when the metric is built")
    def test_labels_fit(self) -> None:
        """A spec names its own emotions; what cannot be measured of them must be said before the training."""
        for names in OTHER_LABELS:
            other = self.under(names)
            try:
                metric = other.make()
            except EmosymError:
                continue
            figures = other.figures(metric=metric)
            wrong = [name for name, value in figures.items() if not math.isfinite(value)]
            require(bool(figures) and not wrong, f"{some(wrong) or 'no figure'} with {len(names)} labels")

    @check("metric.leaves-evidence", "evidence that is as it was before")
    def test_leaves_evidence(self) -> None:
        """Every metric reads the same arrays."""
        evidence, untouched = self.evidence(), self.evidence()
        self.figures(evidence)
        require(np.array_equal(readings(evidence), readings(untouched)), "other probabilities afterwards")
        require(evidence.samples == untouched.samples, "other samples afterwards")
        for name in ("real_images", "generated_images"):
            pairs = zip(getattr(evidence, name), getattr(untouched, name), strict=True)
            require(all(a.tobytes() == b.tobytes() for a, b in pairs), f"other {name} afterwards")


def turned(evidence: Evidence) -> Evidence:
    """The same images in the opposite order."""
    return dataclasses.replace(
        evidence,
        samples=evidence.samples[::-1],
        probabilities=None if evidence.probabilities is None else np.flipud(evidence.probabilities).copy(),
        real=evidence.real[::-1],
        generated=evidence.generated[::-1],
        rewards=None if evidence.rewards is None else _turned(evidence.rewards),
    )


def _turned(rewards: RewardTable) -> RewardTable:
    each = {name: np.flipud(scores).copy() for name, scores in rewards.each.items()}
    return dataclasses.replace(rewards, each=each)


def readings(evidence: Evidence) -> NDArray[np.float64]:
    """Its probabilities [N,C], which are there."""
    assert evidence.probabilities is not None
    return evidence.probabilities
