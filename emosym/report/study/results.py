"""What the report of a study shows: plain values that somebody else has computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from emosym.contracts import Figure
from emosym.report.numbers import Style

ALPHA = 0.05
POCOCK = {1: 0.05, 2: 0.0294, 3: 0.0221, 4: 0.0182, 5: 0.0158}
"""Below what p has to be at each look, by how many looks there are in all, so that together they are wrong once in twenty
(Pocock 1977, two-sided, equal steps)."""
"""The level of every test."""
Question = Literal["above", "within", "not below", "times"]


@dataclass(frozen=True)
class Estimate:
    """A mean and how sure it is."""

    value: float
    low: float | None = None
    """Lower end of the 95 % interval; None where nothing can be said of it."""
    high: float | None = None
    error: float | None = None
    """Standard error."""
    freedom: float | None = None
    """Degrees of freedom of the t distribution that the interval is of."""
    seeds: int = 0
    images: int = 0
    """Images in each seed; 0 where the figure is one number a run."""
    of: str = "image"
    """What these are: images of the data, or generated ones."""
    notes: tuple[str, ...] = ()
    """What a reader has to know of it, each a phrase: ``over images alone``."""


@dataclass(frozen=True)
class Difference:
    """A figure of the row ``second`` minus that of ``first``, paired by seed and by image."""

    first: str
    second: str
    figure: str
    estimate: Estimate | None
    """None where the two rows have nothing in common to compare."""
    effect: float | None = None
    """The difference in standard deviations of a single image's value; None for a figure that is one number a run."""
    p: float | None = None
    corrected: float | None = None
    """``p`` after Holm's correction over all differences of the study."""
    visible: float | None = None
    """The smallest true difference that is seen at 5 % in four of five studies like this one."""
    margin: float | None = None
    """Differences smaller than this do not matter to who planned the study."""
    equivalence: float | None = None
    """p of two one-sided tests that the difference is within the margin."""
    equivalence_corrected: float | None = None
    """The same after Holm's correction over all margins of the study."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tested:
    """One test of a claim."""

    row: str
    base: str
    """What it is held against; empty where it is a figure of the row alone."""
    figure: str
    asked: Question
    bound: float
    estimate: Estimate | None
    """The difference, positive where the row is better, the row's own figure, or how many times it is better; None where
    there is nothing to test."""
    p: float | None = None
    """One-sided, of what was asked; of ``within`` the larger of two."""
    corrected: float | None = None
    """``p`` after Holm's correction over all tests of the study's claims."""

    @property
    def holds(self) -> bool:
        return self.corrected is not None and self.corrected < ALPHA


@dataclass(frozen=True)
class Claim:
    """What a study was to show."""

    name: str
    says: str
    tests: tuple[Tested, ...]
    about: str = ""
    analysis: str = ""

    @property
    def supported(self) -> bool:
        return all(test.holds for test in self.tests)


@dataclass(frozen=True)
class RunFacts:
    """One run of a row."""

    path: Path
    seed: int
    id: str = ""
    sha256: str = ""
    """Of the weights of its system."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """By stage, ``evaluate`` and ``total``."""
    peak_memory_bytes: int | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)
    """Trained numbers, by stage."""
    data: str = ""
    """Fingerprint of its data."""
    smoke: bool = False


@dataclass(frozen=True)
class Row:
    """A variant of the system."""

    name: str
    figures: Mapping[str, Estimate]
    overrides: Mapping[str, Any] = field(default_factory=dict)
    comment: str = ""
    runs: tuple[RunFacts, ...] = ()


@dataclass(frozen=True)
class Results:
    """A study: its rows, the first of which is what the others are held against, and their differences."""

    title: str
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    declared: Mapping[str, Figure]
    """What the metrics say of their figures, by name."""
    claims: tuple[Claim, ...] = ()
    """What the study was to show, with what came out."""
    looks: int = 1
    """How often its figures have been looked at by now, seeds being added after each but the last."""
    main: tuple[str, ...] = ()
    """Figures of the first table, in their order."""
    split: str = ""
    """Part of the data that was measured on."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else is to be written down, as plain values."""
    commands: tuple[str, ...] = ()
    """How to make it again: the first makes all of it, each of the others one run."""
    recipe: tuple[tuple[str, str], ...] = ()
    """What else somebody needs who makes it again: what, and a text of one or more lines."""
    root: Path | None = None
    """Folder that paths of runs are shown relative to."""
    notes: tuple[str, ...] = ()
    """What a reader has to know of the whole."""

    @property
    def style(self) -> Style:
        return Style(self.declared)

    @property
    def others(self) -> list[str]:
        """Figures of some row that are not in the first table."""
        names = dict.fromkeys(name for row in self.rows for name in row.figures)
        return [name for name in names if name not in self.main]
