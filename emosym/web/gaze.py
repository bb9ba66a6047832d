"""Where the reasoning tokens look in a picture, as two pictures with words."""

from __future__ import annotations

from PIL import Image
from torch import Tensor

from emosym.contracts import Sample
from emosym.system import System
from emosym.web.markup import SIDE, figure, shown

ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
INK, COVER = (255, 140, 0), 0.75
"""Orange, and how much of it there is where the tokens look most."""


def gazes(system: System, sample: Sample) -> list[str]:
    """What [CTX] and [EMO] look at, a figure each; nothing where the backbone cannot say it."""
    if system.explicit:
        return []
    with system.builder.naming(), system.evaluating():
        weights = system.backbone.gaze([sample], system.compressor.tokens(1))[0]
    if weights is None:
        return []
    picture = sample.open()[0]
    tokens = (("[CTX], what is seen", weights[:-1].mean(0)), ("[EMO], what is felt", weights[-1]))
    return [
        figure(
            shown(
                lit(picture, own),
                f"The picture, orange where {name.partition(',')[0]} looks: most {spot(own)}",
            ),
            name,
        )
        for name, own in tokens
        if float(own.max()) > 0
    ]


def lit(picture: Image.Image, weights: Tensor) -> Image.Image:
    """The picture in grey, under as much orange as ``weights`` [h,w] are high."""
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    grey = (weights / weights.max() * 255).round().byte().cpu().numpy()
    light = Image.fromarray(grey).resize(small.size, Image.Resampling.BICUBIC)
    cover = light.point([round(COVER * level) for level in range(256)])
    return Image.composite(Image.new("RGB", small.size, INK), small.convert("L").convert("RGB"), cover)


def spot(weights: Tensor) -> str:
    """Where the highest of ``weights`` [h,w] is, in words."""
    row, column = divmod(int(weights.argmax()), weights.shape[1])
    height, width = weights.shape
    return f"at the {ROWS[row * 3 // height]} {COLUMNS[column * 3 // width]}"
