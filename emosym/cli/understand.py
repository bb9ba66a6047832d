"""``emosym understand``: read the emotions of pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from emosym_registry import EmosymError
from emosym_registry.errors import capped

from emosym.cli.columns import columns
from emosym.cli.common import (
    DeviceOption,
    PrecisionOption,
    SetOption,
    SystemOption,
    TrustOption,
    load_system,
)

if TYPE_CHECKING:
    from emosym.contracts import Reading


def understand(
    context: typer.Context,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="JPEG, PNG, WebP … files.")],
    system: SystemOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: one object a picture.")] = False,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Pictures read at once; fewer need less memory.")
    ] = 32,
    sets: SetOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    trust_remote_code: TrustOption = False,
) -> None:
    """Read the emotion of each picture with a saved system."""
    _check_images(images)
    loaded = load_system(context, system, sets, device, precision, trust_remote_code, generate=False)
    readings = loaded.understand(images, batch_size=batch_size)
    if as_json:
        print(
            json.dumps(
                [as_dict(path, reading) for path, reading in zip(images, readings, strict=True)], indent=2
            )
        )
    else:
        _print_table(images, readings)


def as_dict(path: Path, reading: Reading) -> dict[str, object]:
    """A reading as JSON shows it."""
    probabilities = {name: round(value, 6) for name, value in reading.probabilities.items()}
    return {
        "image": str(path),
        "emotion": reading.emotion,
        "positive": None if reading.positive is None else round(reading.positive, 6),
        "probabilities": probabilities,
    }


def _check_images(images: Sequence[Path]) -> None:
    """All unreadable files at once, before seconds are spent on loading a system."""
    from emosym.contracts import open_image

    problems = []
    for path in images:
        try:
            open_image(path)
        except EmosymError as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise EmosymError(
            problems[0].id, "\n  ".join(["unreadable images:", *capped(p.message for p in problems)])
        )


def _print_table(images: Sequence[Path], readings: Sequence[Reading]) -> None:
    rows = []
    for path, reading in zip(images, readings, strict=True):
        ranked = sorted(reading.probabilities.items(), key=lambda item: -item[1])
        others = ", ".join(f"{name} {value:.2f}" for name, value in ranked[1:3])
        positive = "" if reading.positive is None else f"{reading.positive:.2f}"
        rows.append((str(path), reading.emotion, f"{ranked[0][1]:.2f}", positive, others))
    print(columns(("image", "emotion", "p", "positive", "next"), rows, numbers=(2, 3)))
