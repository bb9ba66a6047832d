"""Conformance of metrics."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
from emosym_registry import EmosymError

from emosym.contracts import Context, Evidence, LabelSet, Metric
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.generic import ComponentSuite
from emosym.testing.pictures import ProjectionJudge, picture
from emosym.testing.probes import leaving_random_state, some

IMAGES, EACH = 64, 3
NEEDS = {
    "probabilities": ("probabilities", "labels"),
    "generated": ("generated", "generated_labels"),
    "real": ("real", "real_labels"),
    "judge": ("judge",),
}
"""What a metric may declare, and the fields of the evidence that it then reads."""


class MetricSuite(ComponentSuite):
    """Figures of :meth:`evidence`: 64 readings, and 3 real and 3 generated pictures of each emotion.

    ``best`` and ``worst`` name figures whose values are known where every reading, and the judge's of every picture, is
    right or wrong with certainty, such as ``{"accuracy": 1.0}``.
    """

    kind = "metric"
    contract: ClassVar[type] = Metric
    best: ClassVar[Mapping[str, float]] = {}
    worst: ClassVar[Mapping[str, float]] = {}

    def evidence(self, seed: int = 0) -> Evidence:
        """Readings that are right more often than not, pictures, and an untrained judge."""
        chance = np.random.default_rng(seed)
        classes = len(self.context().labels)
        labels = np.arange(IMAGES) % classes
        logits = chance.normal(size=(IMAGES, classes)) + 1.5 * np.eye(classes)[labels]
        weights = np.exp(logits)
        owners = [label for label in range(classes) for _ in range(EACH)]
        first = 1000 * seed
        return Evidence(
            names=self.context().labels.names,
            probabilities=weights / weights.sum(1, keepdims=True),
            labels=labels,
            real=[picture(first + number) for number in range(len(owners))],
            real_labels=owners,
            generated=[picture(first + 500 + number) for number in range(len(owners))],
            generated_labels=owners,
            judge=ProjectionJudge(self.context()),
        )

    def certain(self, shift: int) -> Evidence:
        """The evidence with every emotion read with certainty as the one ``shift`` places after it; pictures get the
        labels that make the judge's reading of them so."""
        evidence, classes = self.evidence(), len(self.context().labels)
        read = {
            name: [
                (label - shift) % classes
                for label in evidence.judge.probabilities(getattr(evidence, name)).argmax(1).tolist()
            ]
            for name in ("real", "generated")
        }
        return dataclasses.replace(
            evidence,
            probabilities=np.eye(classes)[(evidence.labels + shift) % classes],
            real_labels=read["real"],
            generated_labels=read["generated"],
        )

    def needed(self, evidence: Evidence) -> Evidence:
        """The evidence without what the metric does not declare."""
        empty = {"probabilities": None, "labels": None, "judge": None}
        kept = {field for need in self.subject.needs for field in NEEDS.get(need, ())}
        every = {field for fields in NEEDS.values() for field in fields}
        return dataclasses.replace(evidence, **{field: empty.get(field, ()) for field in every - kept})

    def figures(self, evidence: Evidence | None = None) -> Mapping[str, float]:
        """What the metric computes."""
        return self.subject.compute(self.evidence() if evidence is None else evidence)

    @check("metric.figures", "one or more named figures, each a finite number")
    def test_figures(self) -> None:
        """They go into summary.json and into tables; JSON has no word for NaN."""
        figures = self.figures()
        require(isinstance(figures, Mapping) and len(figures) > 0, f"{figures!r}")
        for name, value in figures.items():
            require(isinstance(name, str) and bool(name), f"a figure named {name!r}")
            require(isinstance(value, int | float) and math.isfinite(value), f"{name} = {value!r}")

    @check("metric.needs", "`needs` to name everything that is read, and `group` to be one of the two")
    def test_needs(self) -> None:
        """A run that lacks what a metric needs is refused when it starts, not after its training."""
        unknown = [need for need in self.subject.needs if need not in NEEDS]
        require(not unknown, f"needs = {self.subject.needs}; known are {', '.join(NEEDS)}")
        require(self.subject.group in ("understanding", "generation"), f"group = {self.subject.group!r}")
        self.figures(self.needed(self.evidence()))

    @check("metric.names", "the same names for other evidence of the same kind")
    def test_names(self) -> None:
        """Tables over several runs are joined by name."""
        one, other = set(self.figures()), set(self.figures(self.evidence(seed=1)))
        require(one == other, f"{', '.join(sorted(one ^ other))} in one and not in the other")

    @check("metric.deterministic", "the same figures for the same evidence")
    def test_deterministic(self) -> None:
        """An interval by resampling draws from the evidence's seed, or no table can be made again."""
        require(dict(self.figures()) == dict(self.figures()), "other figures the second time")
        with leaving_random_state():
            self.figures()

    @check("metric.notices", "other figures for other readings and pictures")
    def test_notices(self) -> None:
        """A figure that nothing moves measures nothing."""
        require(dict(self.figures()) != dict(self.figures(self.evidence(seed=1))), "the same figures")

    @check("metric.order", "figures that do not depend on the order of the images")
    def test_order(self) -> None:
        """Bounds of intervals may (resampling draws places); the figures themselves are of a set."""
        evidence = self.evidence()
        turned = dataclasses.replace(
            evidence,
            probabilities=evidence.probabilities[::-1].copy(),
            labels=evidence.labels[::-1].copy(),
            **{name: list(reversed(getattr(evidence, name))) for name in NEEDS["real"] + NEEDS["generated"]},
        )
        figures, again = self.figures(evidence), self.figures(turned)
        moved = [
            name
            for name, value in figures.items()
            if not name.endswith(("_low", "_high"))
            and not math.isclose(value, again[name], rel_tol=1e-5, abs_tol=1e-7)
        ]
        require(not moved, f"other values of {', '.join(moved)} when the images were turned round")

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
        """Labels off by one, or rows taken for columns, give figures that look like those of a poor system."""
        if not self.best and not self.worst:
            raise NotApplicable("the suite names no figure for them")
        for what, known, shift in (("right", self.best, 0), ("wrong", self.worst, 1)):
            figures = self.figures(self.certain(shift)) if known else {}
            for name, value in known.items():
                found = figures.get(name, math.nan)
                close = math.isclose(found, value, abs_tol=1e-6)
                require(close, f"{name} = {found:.4g}, not {value:.4g}, where everything is read {what}")

    @check("metric.labels-fit", "other label sets to be measured, or refused when the metric is built")
    def test_labels_fit(self) -> None:
        """A spec names its own emotions; what cannot be measured of them must be said before the training."""
        for names in (("negative", "positive"), tuple("abcdefghij")):
            other = type(self)()
            other.context = self._under(names)  # type: ignore[method-assign]
            try:
                other.make()
            except EmosymError:
                continue
            figures = other.make().compute(other.evidence())
            wrong = [name for name, value in figures.items() if not math.isfinite(value)]
            require(bool(figures) and not wrong, f"{some(wrong) or 'no figure'} with {len(names)} labels")

    def _under(self, names: tuple[str, ...]) -> Callable[[], Context]:
        told = dataclasses.replace(self.context(), labels=LabelSet(names))
        return lambda: told

    @check("metric.leaves-evidence", "evidence that is as it was before")
    def test_leaves_evidence(self) -> None:
        """Every metric reads the same arrays."""
        evidence, untouched = self.evidence(), self.evidence()
        self.figures(evidence)
        for name in NEEDS["probabilities"]:
            require(
                np.array_equal(getattr(evidence, name), getattr(untouched, name)), f"other {name} afterwards"
            )
        for name in ("real", "generated"):
            pairs = zip(getattr(evidence, name), getattr(untouched, name), strict=True)
            require(all(a.tobytes() == b.tobytes() for a, b in pairs), f"other {name} images afterwards")
