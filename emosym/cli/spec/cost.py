"""The section of ``emosym spec explain --cost``: what each stage computes, how long a card takes, and what is kept on disk."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from emosym.cli.columns import columns
from emosym.cli.spec.explain import Section
from emosym.cli.spec.vram import unknown_lines

if TYPE_CHECKING:
    from emosym_registry import Registry

    from emosym.cost.forecast import Forecast, Kept, StageCost
    from emosym.spec import Resolved

UNITS = ("", "K", "M", "G", "T", "P", "E", "Z")


def cost_section(
    resolved: Resolved, registry: Registry, card: str, share: float, pictures: int | None
) -> Section:
    """Operations by stage and part, counted on the meta device: no weights are read and nothing is fetched."""
    from emosym.cost.cards import check_share, peak
    from emosym.cost.forecast import ASSUMPTIONS, Pictures, forecast, hours

    speed = peak(card) * check_share(share)
    found = forecast(resolved, registry, None if pictures is None else Pictures.some(pictures))
    there = found.pictures
    lines = [
        f"{there.train:,} training pictures of {there.size[0]}×{there.size[1]} pixels, {found.precision}, one {card} at "
        f"{share:.0%} of its peak ({speed / 1e12:.0f} TFLOP/s)",
        _stages(found, card, share),
        f"{_hours(hours(found.stages, card, share))} hours in all",
        "",
        "operations by part",
        _parts(found),
        "",
        f"kept on disk of all training pictures; the budget is {_bytes(found.budget)} (compute.cache_megabytes)",
        _kept(found.kept),
        *unknown_lines(found.unknown),
        f"assumed: {'; '.join(ASSUMPTIONS)}",
    ]
    return Section("cost", "\n".join(lines), _data(found, card, share))


def _stages(found: Forecast, card: str, share: float) -> str:
    header = ("stage", "steps", "pictures a step", "forward", "backward", "in all", "hours")
    rows = [
        (
            one.stage,
            f"{one.steps:,}",
            str(one.pictures),
            *map(_flop, (one.forward, one.backward, one.total)),
            _hours(one.hours(card, share)),
        )
        for one in found.stages
    ]
    return columns(header, rows, numbers=range(1, len(header)))


def _parts(found: Forecast) -> str:
    header = ("stage", "part", "forward a step", "backward a step", "in all", "of the stage")
    rows = [
        (
            stage.stage,
            part.name,
            _flop(part.forward),
            _flop(part.backward),
            _flop(part.total),
            f"{part.total / max(stage.total, 1):.1%}",
        )
        for stage in found.stages
        for part in stage.parts
    ]
    return columns(header, rows, numbers=range(2, len(header)))


def _kept(kept: tuple[Kept, ...]) -> str:
    rows = [(one.kind, _bytes(one.each), _bytes(one.total), f"{one.share:.0%}") for one in kept]
    return columns(("kind", "a picture", "all", "has room"), rows, numbers=(1, 2, 3))


def _flop(number: int) -> str:
    """``3.09 T`` for 3.09·10¹² operations; nothing for none."""
    if not number:
        return ""
    power = min((len(str(number)) - 1) // 3, len(UNITS) - 1)
    return f"{number / 1000**power:.3g} {UNITS[power]}".rstrip()


def _bytes(size: int) -> str:
    """In KiB, MiB or GiB."""
    for unit, name in ((2**30, "GiB"), (2**20, "MiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size / 1024:.1f} KiB"


def _hours(hours: float) -> str:
    return f"{hours:.1f}" if hours >= 10 else f"{hours:.2g}"


def _data(found: Forecast, card: str, share: float) -> dict[str, Any]:
    from emosym.cost.forecast import ASSUMPTIONS

    def stage(one: StageCost) -> dict[str, Any]:
        sums = {"forward": one.forward, "backward": one.backward, "total": one.total}
        return {**asdict(one), **sums, "hours": one.hours(card, share)}

    return {
        "card": card,
        "share": share,
        "precision": found.precision,
        "pictures": asdict(found.pictures),
        "stages": [stage(one) for one in found.stages],
        "kept": [{**asdict(one), "total": one.total} for one in found.kept],
        "budget": found.budget,
        "unknown": dict(found.unknown),
        "assumed": list(ASSUMPTIONS),
    }
