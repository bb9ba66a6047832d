"""The sky that the outdoor scenes share."""

from __future__ import annotations

import numpy as np

from .pen import Color, Pen

Random = np.random.Generator
NIGHT, DAY = 0, 2
"""Brightness levels that change what is in the sky, not only the exposure."""


def draw_sky(pen: Pen, level: int, rng: Random, top: Color, bottom: Color, horizon: float) -> None:
    """A sky with its light: stars and a moon by night, clouds by day, the sun on bright days."""
    if level == NIGHT:
        top, bottom = night(top), night(bottom)
    pen.sky(top, bottom, horizon)
    x = rng.uniform(0.08, 0.32) if rng.random() < 0.5 else rng.uniform(0.68, 0.92)
    y = rng.uniform(0.1, 0.17)
    if level == NIGHT:
        for sx, sy in rng.random((7, 2)).tolist():
            pen.circle(sx, 0.4 * sy, 0.009, (255, 250, 220))
        pen.circle(x, y, 0.07, (250, 244, 205))
    elif level == DAY:
        pen.circle(x, y, 0.1, (255, 240, 170))
        pen.circle(x, y, 0.075, (255, 222, 70))
    else:
        for cx in (x, rng.uniform(0.1, 0.9)):
            cy = rng.uniform(0.08, 0.2)
            for dx, r in ((-0.07, 0.035), (0.0, 0.05), (0.07, 0.035)):
                pen.ellipse(cx + dx, cy, 1.4 * r, r, (246, 248, 252))


def night(color: Color) -> Color:
    """The colour as it looks by night: a third of the light, and bluer."""
    red, green, blue = color
    return red // 3, green // 3, min(255, blue // 3 + 45)
