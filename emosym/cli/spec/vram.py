"""The section of ``emosym spec explain --vram``: what each stage takes, and what card has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from emosym.cli.columns import columns
from emosym.cli.spec.explain import Section

if TYPE_CHECKING:
    from emosym_registry import Registry

    from emosym.contracts import Footprint
    from emosym.spec import Resolved
    from emosym.vram import Estimate


def vram_section(resolved: Resolved, registry: Registry) -> Section:
    """A card's memory by stage and part, measured on the meta device: nothing is read or fetched."""
    from emosym.vram import ASSUMPTIONS, estimate

    found = estimate(resolved, registry)
    lines = [f"memory on one card, {found.precision}, in GiB", _table(found)]
    lines += [_model(name, part) for name, part in found.parts.items()]
    lines += unknown_lines(found.unknown)
    lines.append(f"assumed: {'; '.join(ASSUMPTIONS)}")
    return Section("vram", "\n".join(lines), _data(found))


def unknown_lines(unknown: Mapping[str, str]) -> list[str]:
    """A line for each model that nothing is known of, by the part of the spec that names it."""
    return [
        f"{name}: {model} is unknown and not counted; put the model's folder there (config.json is enough) "
        f"and set {name}.params.model to it"
        for name, model in unknown.items()
    ]


def _table(found: Estimate) -> str:
    from emosym.vram import card_for

    checkpointed = any(stage.checkpointed is not None for stage in found.stages)
    header = ["stage", "batch", "weights", "trained", "activations", "total", "card"]
    rows = []
    for stage in found.stages:
        sizes = (stage.weights, stage.trained, stage.activations, stage.total)
        row = [stage.stage, str(stage.batch), *map(_gib, sizes), _card(card_for(stage.total))]
        if checkpointed:
            total = stage.total_checkpointed
            row.append("" if total is None else f"{_gib(total)}, {_card(card_for(total))}")
        rows.append(row)
    if checkpointed:
        header.append("with gradient checkpointing")
    return columns(header, rows, numbers=(1, 2, 3, 4, 5))


def _model(name: str, part: Footprint) -> str:
    about = [f"{part.parameters:,} parameters"]
    if part.trainable:
        about.append(f"{part.trainable:,} in adapters")
    if "image_tokens" in part.details:
        about.append(f"{part.details['image_tokens']} tokens a picture")
    if "kv_bytes_per_token" in part.details:
        about.append(f"{part.details['kv_bytes_per_token'] / 1024:g} KiB of keys and values a token")
    return f"{name}: {part.source}: {', '.join(about)}"


def _card(size: int | None) -> str:
    return "no single card" if size is None else f"fits {size} GiB"


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f}"


def _data(found: Estimate) -> dict[str, Any]:
    from emosym.vram import ASSUMPTIONS, card_for

    return {
        "precision": found.precision,
        "stages": [
            {**asdict(stage), "total": stage.total, "card_gib": card_for(stage.total)}
            for stage in found.stages
        ],
        "parts": {name: asdict(part) for name, part in found.parts.items()},
        "unknown": dict(found.unknown),
        "assumed": list(ASSUMPTIONS),
    }
