"""A study: a base spec, rows that differ from it, seeds, and which rows are compared; from its file to its cells.

Imports no torch: every cell is checked before anything heavy is loaded.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from emosym_registry import EmosymError, Registry, did_you_mean
from pydantic import Field, model_validator

from emosym.spec.errors import Problem, SpecErrors, fail
from emosym.spec.layers import PRESET, Set
from emosym.spec.model import NAME_PATTERN, STAGES, Section
from emosym.spec.nodes import Node, Origin, bare, of_plain
from emosym.spec.reads import KEY, stage_keys
from emosym.spec.resolved import Resolved, load_spec
from emosym.spec.text import inline, read_file, read_text
from emosym.spec.validate import parse, problems_of

VERSION = 1
"""The version of study files of this emosym."""
ALONG = {"memory": ("stages.unify.refresh",)}
"""What goes with a section that is left out, since it is for nothing else."""
OWN = frozenset({"emosym", "extends", "name", "seed"})
"""Keys of a spec that no row may set."""
BASE = "base"
"""The row that is the base itself, where some leave something out of it and none is whole."""
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


class Budget(Section):
    """What a call may spend."""

    hours: float | None = Field(default=None, gt=0)
    """Wall-clock hours, after which no new cell begins."""
    disk_gb: float | None = Field(default=None, gt=0)
    """Size of the study's folder in GB, beyond which no new cell begins."""


class Pair(Section):
    """Two rows that are compared: the second minus the first."""

    rows: tuple[str, str]
    """Names of the rows."""
    figures: list[str] | None = None
    """Figures that are compared; those of the study where null."""
    margins: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """By figure, the difference below which the two count as equal; it is tested whether they are."""


class ClaimTest(Section):
    """One thing that has to hold for a claim: of a figure of a row, or of the difference that ``row`` makes to that of ``base``.
    Differences are positive where the figure is better."""

    row: str
    """The row that the claim is about."""
    base: str | None = None
    """The row that it is held against; null tests the figure of ``row`` itself."""
    figure: str
    """What is measured."""
    above: float | None = None
    """More than this: the difference, or the row's own figure."""
    within: float | None = Field(default=None, gt=0)
    """No further from the base than this, either way (two one-sided tests)."""
    not_below: float | None = Field(default=None, gt=0)
    """No worse than the base by more than this."""
    times: float | None = Field(default=None, gt=1)
    """So many times better than the base, as a ratio."""

    @model_validator(mode="after")
    def _one_question(self) -> ClaimTest:
        asked = [
            name for name in ("above", "within", "not_below", "times") if getattr(self, name) is not None
        ]
        if len(asked) != 1:
            raise ValueError("give one of above, within, not_below, times")
        if self.base is None and asked != ["above"]:
            raise ValueError(f"{asked[0]} holds a row against a base; name one")
        return self


class Claim(Section):
    """What a study is to show, said before it is run: supported where every test of it holds."""

    says: str
    """The claim in a sentence."""
    tests: list[ClaimTest] = Field(min_length=1)
    """What has to hold."""
    about: str = ""
    """What a reader has to know of it."""
    analysis: str = ""
    """Where it is not supported: what was tried, why it fails, what would have to be true for it to hold."""


class StudyFile(Section):
    """A study as it is written down."""

    study: Literal[1]
    """Version of the format."""
    name: str = Field(pattern=NAME_PATTERN)
    """The folder is studies/NAME unless --out says otherwise."""
    title: str = ""
    """What stands above the table; the name by default."""
    base: str
    """The spec that the rows differ from: a file, relative to this one, or preset:NAME."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Overrides of every row, by dotted key."""
    seeds: Annotated[int, Field(ge=1, le=1000)] | list[Seed] = 3
    """How many, counted on from the base's, or which."""
    rows: dict[str, dict[str, Any] | None] = Field(default_factory=dict)
    """By name, the overrides of a row by dotted key: a value, a whole component, null to leave something out. ``comment`` is
    for the table."""
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    """By dotted key, values of which every combination is a row."""
    without: list[str] = Field(default_factory=list)
    """What is left out, one at a time: a section, a stage, an element of a list (``rewards.wheel``) or each of one
    (``rewards``)."""
    looks: int = Field(default=1, ge=1, le=5)
    """How often its table has been looked at, this time included, where seeds were added after a look: corrected p are
    raised by Pocock's method, so that looking again until something shows is no way to show it."""
    pairs: list[Pair] = Field(default_factory=list)
    """Rows that are compared; each against the first where none is given."""
    claims: dict[str, Claim] = Field(default_factory=dict)
    """By name, what the study is to show: every test is one-sided at 5 %, corrected by Holm's method over all of them."""
    evidence: str | None = None
    """Where the claims are written, relative to this file: ``../../docs/evidence`` makes evidence.md and evidence.json there."""
    figures: list[str] = Field(default_factory=list)
    """Figures of the table; those that metrics call headline figures where none is given."""
    better: dict[str, Literal["higher", "lower"]] = Field(default_factory=dict)
    """By figure, what is better, where its metric does not say so or the study sees it otherwise."""
    budget: Budget = Field(default_factory=Budget)
    """What a call may spend."""


@dataclass(frozen=True)
class Row:
    """A variant of the base: its overrides as the spec takes them, and as people read them."""

    name: str
    sets: tuple[tuple[tuple[str, ...], Node], ...] = ()
    comment: str = ""

    @property
    def overrides(self) -> dict[str, Any]:
        """Plain values by dotted key."""
        return {".".join(parts): node.plain() for parts, node in self.sets}


@dataclass(frozen=True)
class Cell:
    """One run of a study: the rows that it is (those with equal specs share it), its seed and its complete spec. ``digest``
    is a hash of that spec, so that a row which changes is another run and one that is renamed stays the same."""

    digest: str
    rows: tuple[str, ...]
    seed: int
    resolved: Resolved

    @property
    def name(self) -> str:
        """What its folder is called, for people."""
        slug = re.sub(r"[^A-Za-z0-9]+", "-", self.rows[0]).strip("-").lower()[:40]
        return f"{slug or 'row'}-s{self.seed}-{self.digest}"

    @property
    def stages(self) -> dict[str, str]:
        """Keys of its stages, in their order, which are equal where what they read in their specs is."""
        return {stage: key[:KEY] for stage, key in stage_keys(self.resolved).items()}


@dataclass(frozen=True)
class Study:
    """A study whose cells are checked."""

    file: StudyFile
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    messages: tuple[str, ...] = field(default=())

    @property
    def title(self) -> str:
        return self.file.title or self.file.name


def is_study(source: Path | str) -> bool:
    """Whether a file is a study, not a spec; what cannot be read is left for its reader to say."""
    if str(source).startswith(PRESET):
        return False
    return "study" in read_file(Path(source), Origin("file", str(source))).fields


def read_study(path: Path) -> tuple[Node, Path]:
    """The tree of a study's file, and the folder that its base is relative to."""
    return read_file(path, Origin("file", str(path))), path.parent


def vary(source: str, varied: Sequence[str], seeds: int | None) -> tuple[Node, Path]:
    """The tree of a study that is given on the command line: a spec, and ``key=value,value`` for each axis of its grid.

    Errors: ``study.bad-vary``.
    """
    grid = {}
    for text in varied:
        key, equals, values = text.partition("=")
        origin = Origin("set", f"--vary {text}")
        if not equals or not all(key.strip().split(".")) or not values.strip():
            fail(origin, "study.bad-vary", "expected key.path=value,value", "for example --vary seed=1,2")
        grid[key.strip()] = replace(read_text(f"[{values}]", origin), key=origin)
    named = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(source.removeprefix(PRESET)).stem).strip("-.") or "study"
    where = Origin("set", "--vary")
    plain = {"study": VERSION, "name": f"{named}-study", "base": source, "seeds": seeds or 3}
    return of_plain(plain, where).put(("grid",), Node({**grid}, where)), Path()


def load_study(
    root: Node, folder: Path, registry: Registry, *, sets: Sequence[str] = (), seeds: int | None = None
) -> Study:
    """The rows and cells of a study. ``sets`` are overrides of every row, ``seeds`` their number instead of the file's.

    Errors: :class:`SpecErrors` with everything that is wrong with the study or with the spec of any row.
    """
    file, errors = parse(StudyFile, root.plain())
    if file is None:
        raise SpecErrors([problem for _, problem in problems_of(errors, StudyFile, root)], "study.invalid")
    relative = Path() if file.base.startswith(PRESET) else folder
    common: list[Set] = [*_sets(root.fields.get("set")), *sets]
    base = _base(file.base, root, lambda: load_spec(file.base, registry=registry, sets=common, base=relative))
    rows = tuple(_rows(root, file, base))
    _check_rows(root, file, rows)
    given, first = seeds or file.seeds, base.spec.seed
    numbers = tuple(dict.fromkeys(given)) if isinstance(given, list) else tuple(range(first, first + given))
    cells: dict[str, Cell] = {}
    problems: list[Problem] = []
    messages: list[str] = []
    for row in rows:
        try:
            resolved = load_spec(file.base, registry=registry, sets=[*common, *row.sets], base=relative)
        except SpecErrors as error:
            problems += [
                replace(one, message=f"{one.message} (in row {row.name!r})") for one in error.problems
            ]
            continue
        messages += [f"row {row.name!r}: {message}" for message in resolved.messages]
        for seed in numbers:
            cell = _cell(row, seed, resolved)
            there = cells.get(cell.digest)
            cells[cell.digest] = replace(there, rows=(*there.rows, row.name)) if there else cell
    if problems:
        raise SpecErrors(problems, "study.invalid")
    return Study(file, rows, numbers, tuple(cells.values()), tuple(messages))


def _base(name: str, root: Node, load: Callable[[], Resolved]) -> Resolved:
    """The base; that there is none is said where it is named."""
    try:
        return load()
    except EmosymError as error:
        if isinstance(error, SpecErrors) and error.id != "spec.missing-file":
            raise
        message = f"{name}: no such file" if isinstance(error, SpecErrors) else error.message
        fail(root.fields["base"].origin, error.id, message, error.hint, "base")


def _cell(row: Row, seed: int, resolved: Resolved) -> Cell:
    """The run of a row and a seed."""
    spec = resolved.spec.model_copy(update={"seed": seed})
    document = replace(resolved, spec=spec).document(qualified=True)
    name = document.pop("name")
    digest = hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()[:8]
    spec = spec.model_copy(update={"name": f"{name}-{digest}"})
    return Cell(digest, (row.name,), seed, replace(resolved, spec=spec))


def _rows(root: Node, file: StudyFile, base: Resolved) -> Iterator[Row]:
    nodes = {name: root.at(("rows", name)) or root for name in file.rows}
    for name, node in nodes.items():
        comment = node.fields.get("comment")
        yield Row(name, _sets(node), str(comment.value) if comment and comment.value else "")
    yield from _grid(root)
    if file.without and all(_sets(node) for node in nodes.values()):
        yield Row(BASE)
    for i, text in enumerate(file.without):
        node = root.at(("without", i)) or root
        for path in _left_out(text, node, base):
            nothing = Node(None, node.origin, node.origin)
            gone = (path, *ALONG.get(path, ()))
            yield Row(f"without {_short(path)}", tuple((tuple(key.split(".")), nothing) for key in gone))


def _sets(node: Node | None) -> tuple[tuple[tuple[str, ...], Node], ...]:
    """The overrides in a mapping by dotted key, each with its place."""
    return tuple(
        (tuple(key.split(".")), replace(one, key=one.key or one.origin))
        for key, one in (node.fields if node is not None else {}).items()
        if key != "comment"
    )


def _grid(root: Node) -> Iterator[Row]:
    """Every combination of the grid's values, the last axis fastest."""
    axes = root.fields["grid"].fields if "grid" in root.fields else {}
    if not axes:
        return
    lasts = [_short(key) for key in axes]
    names = {key: _short(key) if lasts.count(_short(key)) == 1 else key for key in axes}
    for combination in product(*(axis.items for axis in axes.values())):
        chosen = list(zip(axes, combination, strict=True))
        name = ", ".join(f"{names[key]} {_words(node)}" for key, node in chosen)
        yield Row(
            name, tuple((tuple(key.split(".")), replace(node, key=node.origin)) for key, node in chosen)
        )


def _short(key: str) -> str:
    """The last word of a key that says something: ``backbone`` of ``backbone.name``, ``rank`` of ``….adapter.rank``."""
    parts = [part for part in key.split(".") if part not in ("name", "params")]
    return bare(parts[-1]) if parts else key


def _words(node: Node) -> str:
    """A value in the name of a row."""
    if node.value is None:
        return "none"
    name = node.fields.get("name")
    return bare(str(name.value)) if name is not None else inline(node.plain())


def _left_out(text: str, node: Node, base: Resolved) -> list[str]:
    """The keys that an entry of ``without`` stands for."""
    data = base.data()
    key = f"stages.{text}" if text in STAGES else text
    there = _at(data, key)
    if there in (None, []):
        known = [name for name in (*_CAN_GO, *STAGES) if data.get(name) or data["stages"].get(name)]
        hint = did_you_mean(text, known) or f"what there is: {', '.join(known)}"
        message = f"the base has no {text!r} to leave out"
        fail(node.origin, "study.nothing-to-leave-out", message, hint, "without")
    return [f"{key}.{bare(one['name'])}" for one in there] if isinstance(there, list) else [key]


def _at(value: Any, key: str) -> Any:
    """What is at a dotted key, where an element of a list goes by its name; None where nothing is."""
    for part in key.split("."):
        if isinstance(value, list):
            value = next((one for one in value if isinstance(one, dict) and bare(one["name"]) == part), None)
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


_CAN_GO = (
    "knowledge",
    "text_encoder",
    "rewards",
    "reinforcer",
    "fusion",
    "emotion_space",
    "diffusion",
    "memory",
    "metrics",
)


def _check_rows(root: Node, file: StudyFile, rows: Sequence[Row]) -> None:
    """Rows that are there, once each, and pairs of them."""
    names = [row.name for row in rows]
    problems = []
    if not rows:
        hint = "give rows, a grid, or what to leave out (without)"
        problems.append(Problem.at(root.origin, "rows", "expected rows, found none", hint))
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        node = root.at(("rows", name)) or root
        problems.append(
            Problem.at(node.where, f"rows.{name}", f"a row {name!r} is there twice", "rename one of them")
        )
    for place, node in _keys(root):
        if place[-1].partition(".")[0] in OWN:
            problems.append(
                Problem.at(
                    node.where,
                    ".".join(place),
                    f"a study says {place[-1]} itself",
                    "give it in seeds, or in the base",
                )
            )
    for i, pair in enumerate(file.pairs):
        for j, name in enumerate(pair.rows):
            if name not in names:
                node = root.at(("pairs", i, "rows", j)) or root
                hint = did_you_mean(name, names) or f"rows: {', '.join(names)}"
                problems.append(Problem.at(node.where, f"pairs.{i}", f"there is no row {name!r}", hint))
        if pair.rows[0] == pair.rows[1]:
            node = root.at(("pairs", i)) or root
            problems.append(Problem.at(node.where, f"pairs.{i}", "a row is compared with itself"))
    for key, claim in file.claims.items():
        for i, test in enumerate(claim.tests):
            node = root.at(("claims", key, "tests", i)) or root
            for name in filter(None, (test.row, test.base)):
                if name not in names:
                    hint = did_you_mean(name, names) or f"rows: {', '.join(names)}"
                    problems.append(
                        Problem.at(node.where, f"claims.{key}", f"there is no row {name!r}", hint)
                    )
            if test.row == test.base:
                problems.append(Problem.at(node.where, f"claims.{key}", "a row is held against itself"))
    if file.evidence is not None and not file.claims:
        node = root.at(("evidence",)) or root
        problems.append(
            Problem.at(node.where, "evidence", "there are no claims to write down", "give claims")
        )
    if problems:
        raise SpecErrors(problems, "study.invalid")


def _keys(root: Node) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Every dotted key that overrides the base, with the place of its value."""
    for section in ("set", "grid"):
        yield from (
            ((section, key), one)
            for key, one in (root.fields.get(section) or root).fields.items()
            if section in root.fields
        )
    for name, row in (root.fields["rows"].fields if "rows" in root.fields else {}).items():
        yield from ((("rows", name, key), one) for key, one in row.fields.items())


def plan(study: Study) -> dict[str, Any]:
    """The study as plain data for a file: what stands in no spec."""
    return {
        "study": study.file.model_dump(mode="json"),
        "rows": [{"name": r.name, "overrides": r.overrides, "comment": r.comment} for r in study.rows],
        "seeds": list(study.seeds),
    }
