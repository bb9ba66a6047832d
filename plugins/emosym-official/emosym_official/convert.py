"""The import itself: read, settle the spec, build the system, put every tensor in its place, write the folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError, Registry
from torch import Tensor

from emosym.assembly import Builder, choose_device, choose_precision
from emosym.contracts import LabelSet
from emosym.contracts.labels import MIKELS_8
from emosym.spec import Resolved, load_spec
from emosym.system import System
from emosym.toolkit import write_json, written_whole
from emosym_official import pieces
from emosym_official.adapter import Adapter, read_adapter
from emosym_official.base import Remainder, listed, sort_out
from emosym_official.layout import Layout, Places, find
from emosym_official.names import plainly
from emosym_official.pieces import Mapper, Piece
from emosym_official.report import Report
from emosym_official.tensors import read_mapping

Settings = dict[str, Any]
"""Values of a spec by dotted key."""
READING = {
    "question": "What is the emotion of the image?\nSummarize above image and sentence in one word: ",
    "positions": "sequential",
}
"""How the authors' code reads an image: its question, and positions that count image tokens like words. Tokens and
adapter were trained so; the files do not say it."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read, before there is a system to put it in."""

    layout: Layout
    adapter: Adapter
    rest: dict[str, Tensor]
    """``non_lora_state_dict.bin`` by plain name."""
    own: tuple[Piece, ...]
    """Tokens and head."""
    mappers: dict[str, Mapper]
    merged: dict[str, int]
    """What joint training saved beside tokens and head, and how many tensors it has."""
    problems: tuple[str, ...]

    @property
    def tokens(self) -> int:
        return len(self.own[0].tensor) - 1

    @property
    def width(self) -> int:
        return int(self.own[0].tensor.shape[1])


def import_official(
    places: Places | Path,
    out: Path,
    *,
    spec: Path | str,
    registry: Registry,
    sets: Sequence[str] = (),
    labels: Sequence[str] | None = None,
    device: str = "auto",
    trust_remote_code: bool = False,
) -> Report:
    """Read a checkpoint of the authors' code into a saved system at ``out``, whole or not at all.

    ``spec`` and ``sets`` say what the checkpoint does not: which backbone and diffusion model, which data. ``labels``
    are the emotions in the checkpoint's order where that is not EmoSet's. Errors: ``official.*``, those of the spec and
    of loading the models.
    """
    if out.exists():
        raise EmosymError(
            "official.exists", f"{out} exists already", hint="choose another --out, or remove it first"
        )
    places = places if isinstance(places, Places) else Places(places)
    wanted = load_spec(spec, registry=registry, sets=sets)
    names = LabelSet.of(wanted.spec.labels).names
    layout = find(places, names, generates=wanted.spec.diffusion is not None)
    given = tuple(labels or MIKELS_8)
    order = row_order(given, names)
    read = read_checkpoint(layout, order)
    settings = settings_of(read) | reading_of(wanted)
    resolved = load_spec(spec, registry=registry, sets=[*as_sets(settings), *sets])
    refuse_contradictions(resolved, settings)
    system = assemble(resolved, registry, device, trust_remote_code)
    remainder = sort_out(read.rest, system.core.backbone.named_parameters(), layout.rest.name)
    placed = place(read, system, names, remainder)
    system.load_state(by_part(placed))
    report = Report(
        files=tuple(layout.files()),
        pieces=tuple(placed),
        settings=settings,
        labels=(given, names),
        trained_on=read.adapter.base,
        not_read=remainder.aside | read.merged,
        unread=unread(places.checkpoint, layout.files()),
        unchanged=remainder.same,
        notes=tuple(remainder.notes),
    )
    with written_whole(out) as partial:
        system.save(partial)
        write_json(partial / "import.json", report.data())
    return report


def row_order(given: tuple[str, ...], wanted: tuple[str, ...]) -> list[int]:
    """For each emotion of the system its row in the checkpoint's head. Errors: ``official.other-labels``."""
    if len(set(given)) != len(given) or set(given) != set(wanted):
        raise EmosymError(
            "official.other-labels",
            f"the checkpoint's emotions are {', '.join(given)}; the spec's labels are {', '.join(wanted)}",
            hint="both must name the same emotions: give --labels in the order of the checkpoint's head, or --set labels=…",
        )
    return [given.index(name) for name in wanted]


def read_checkpoint(layout: Layout, order: Sequence[int]) -> Checkpoint:
    """Every file but the statistics, which need the number of tokens. Errors: ``official.*``."""
    adapter = read_adapter(layout.config, layout.adapter)
    rest, problems = _by_plain_name(read_mapping(layout.rest))
    newest, source, merged = rest, layout.rest, {}
    if layout.joint is not None:
        (newest, twice), source = _by_plain_name(read_mapping(layout.joint, within="model")), layout.joint
        merged = {f"the merged backbone in {source.name}": len(newest) - len(pieces.OWN)}
        problems += twice
    own = pieces.tokens_and_head(source, newest, order)
    rows = next(len(piece.tensor) for piece in own if (piece.part, piece.name) == ("head", "2.bias"))
    if rows != len(order):
        raise EmosymError(
            "official.other-labels",
            f"{source}: the head knows {rows} emotions, there are {len(order)} labels",
            hint="give --labels with the checkpoint's emotions and --set labels=… with the same",
        )
    mappers = {
        part: pieces.read_mapper(path, layout.mapper_settings) for part, path in layout.mappers.items()
    }
    return Checkpoint(layout, adapter, rest, tuple(own), mappers, merged, tuple(problems))


def _by_plain_name(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    names, twice = plainly(tensors)
    return {form: tensors[name] for form, name in names.items()}, twice


def settings_of(read: Checkpoint) -> Settings:
    """What the checkpoint says of the spec."""
    settings: Settings = {
        "compressor.name": "none",
        "compressor.params.tokens": read.tokens,
        "compressor.params.control": None,
        "backbone.params.adapter": read.adapter.settings,
    }
    if not read.mappers:
        return settings
    inputs = int(read.mappers["from_context"].tensors["0.weight"].shape[1])
    return settings | {
        "fusion.name": "additive",
        "fusion.params.vectors": 1,
        "fusion.params.hidden": read.mappers["from_emotion"].hidden,
        "fusion.params.activation": "relu",
        "fusion.params.context": "mean" if inputs == read.width else "flatten",
        "fusion.params.standardise": False,
        "fusion.params.norm": "free",
        "emotion_space.name": "diagonal",
    }


def reading_of(wanted: Resolved) -> Settings:
    """:data:`READING` for a backbone that knows these parameters, where neither spec nor ``--set`` speaks of them."""
    known = type(wanted.config("backbone")).model_fields
    keys = {f"backbone.params.{name}": value for name, value in READING.items() if name in known}
    return {key: value for key, value in keys.items() if wanted.origin(key).kind == "default"}


def unread(folder: Path, read: Sequence[Path]) -> tuple[str, ...]:
    """Names of the files in ``folder`` that are not among ``read``."""
    opened = {path.resolve() for path in read}
    return tuple(
        sorted(path.name for path in folder.iterdir() if path.is_file() and path.resolve() not in opened)
    )


def as_sets(settings: Settings) -> list[str]:
    """Settings as ``--set`` takes them; JSON is YAML."""
    return [f"{key}={json.dumps(value)}" for key, value in settings.items()]


def refuse_contradictions(resolved: Resolved, settings: Settings) -> None:
    """The user's ``--set`` may say everything but what the checkpoint itself says. Errors: ``official.contradicted``."""
    wrong = []
    for key, value in settings.items():
        part, kind, *path = key.split(".")
        component = getattr(resolved.spec, part)
        found = None if component is None else component.name
        if kind == "params":
            found = resolved.config(part).model_dump(mode="json").get(path[0])
        if not _agrees(found, value):
            wrong.append(f"  {key}: the checkpoint says {json.dumps(value)}, --set says {json.dumps(found)}")
    if wrong:
        raise EmosymError(
            "official.contradicted",
            "--set contradicts the checkpoint:\n" + "\n".join(wrong),
            hint="leave these out; they are read from the checkpoint",
        )


def _agrees(found: Any, value: Any) -> bool:
    if isinstance(value, dict):
        return isinstance(found, dict) and all(_agrees(found.get(key), item) for key, item in value.items())
    return bool(found == value)


def assemble(resolved: Resolved, registry: Registry, device: str, trust_remote_code: bool) -> System:
    """The system of the spec with untrained tokens, head and mappers."""
    chosen = choose_device(device if device != "auto" else resolved.spec.compute.device)
    precision = choose_precision(resolved.spec.compute.precision, chosen)
    builder = Builder.of(
        resolved, registry, device=chosen, precision=precision, trust_remote_code=trust_remote_code
    )
    return System.assemble(builder, text_width=0, device=chosen, precision=precision)


def place(read: Checkpoint, system: System, names: Sequence[str], remainder: Remainder) -> list[Piece]:
    """Every tensor with its name in ``system``; all that does not fit is one error: ``official.does-not-fit``."""
    adapters, problems = _place_adapter(read, system.core.backbone.adapters())
    placed = [*adapters, *read.own]
    if read.mappers:
        tokens, width = read.tokens, read.width
        context = int(read.mappers["from_context"].tensors["0.weight"].shape[1])
        placed += pieces.fusion(read.mappers, width, context)
        placed += pieces.emotion_space(read.layout, names, tokens, width)
    problems = [*read.problems, *problems, *misfits(placed, system.state()), *remainder.problems]
    if problems:
        raise EmosymError(
            "official.does-not-fit",
            f"the checkpoint does not fit, {len(problems)} problems:\n"
            + "\n".join(f"  {p}" for p in problems),
            hint="name the models it was trained with: --backbone and --diffusion",
        )
    return placed


def _place_adapter(read: Checkpoint, own: Mapping[str, Tensor]) -> tuple[list[Piece], list[str]]:
    """The adapter's tensors by our names, one to one; those without a place are problems."""
    file = read.layout.adapter
    theirs, twice = plainly(read.adapter.tensors)
    ours, _ = plainly(own)
    placed = [
        Piece("adapters", ours[form], read.adapter.tensors[name].float(), ((file, name),))
        for form, name in theirs.items()
        if form in ours
    ]
    left = [name for form, name in theirs.items() if form not in ours]
    return placed, twice + ([f"{file.name}: {listed(left)} have no place in the backbone"] if left else [])


def misfits(placed: Sequence[Piece], state: Mapping[str, Mapping[str, Tensor]]) -> Iterator[str]:
    """What ``state`` has and ``placed`` lacks, or has in another shape; a tensor without size yet takes any."""
    found = {(piece.part, piece.name): piece for piece in placed}
    for part, tensors in state.items():
        missing = [name for name in tensors if (part, name) not in found]
        if missing:
            yield f"{part}: nothing in the checkpoint for {listed(missing)}"
        for name, tensor in tensors.items():
            piece = found.get((part, name))
            if piece is None or not tensor.numel() or tensor.shape == piece.tensor.shape:
                continue
            where = piece.sources[0][0].name if piece.sources else "its mapper"
            yield f"{part}.{name}: {list(piece.tensor.shape)} in {where}, {list(tensor.shape)} in the system"
    for part, name in found:
        if name not in state.get(part, {}):
            yield f"{part}.{name}: the system has no such tensor"


def by_part(placed: Sequence[Piece]) -> dict[str, dict[str, Tensor]]:
    """Tensors by part and name."""
    parts: dict[str, dict[str, Tensor]] = {}
    for piece in placed:
        parts.setdefault(piece.part, {})[piece.name] = piece.tensor
    return parts
