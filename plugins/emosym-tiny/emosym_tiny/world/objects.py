"""The fourteen objects: flat drawings in a box from -1 to 1, y pointing down, each with its own outline."""

from __future__ import annotations

import math
from collections.abc import Callable

from .pen import Pen, points
from .vocabulary import OBJECTS

WHITE, INK = (252, 252, 248), (34, 30, 42)


def draw_object(pen: Pen, name: str) -> None:
    """Draw the named object; KeyError for a word outside OBJECTS."""
    _DRAW[name](pen)


def _balloon(pen: Pen) -> None:
    pen.line("0,0.5 0.08,0.65 -0.06,0.82 0.05,1.0", 0.07, (250, 240, 225))
    pen.polygon("0,0.34 -0.16,0.56 0.16,0.56", (190, 18, 40))
    pen.ellipse(0, -0.28, 0.68, 0.74, (232, 32, 52))
    pen.ellipse(0.12, -0.18, 0.5, 0.58, (242, 48, 66))
    pen.ellipse(-0.27, -0.58, 0.13, 0.2, (255, 190, 195))


def _clown(pen: Pen) -> None:
    for side in (-1, 1):
        pen.circle(0.66 * side, -0.05, 0.26, (255, 140, 20))
        pen.circle(0.72 * side, 0.26, 0.26, (255, 140, 20))
    pen.ellipse(0, 0.28, 0.64, 0.66, (255, 232, 214))
    pen.polygon("-0.44,-0.26 0,-1.0 0.44,-0.26", (70, 70, 225))
    pen.polygon("-0.3,-0.5 -0.16,-0.73 0.28,-0.52 0.38,-0.37", (255, 214, 40))
    pen.circle(0, -0.95, 0.15, (255, 90, 170))
    for side in (-1, 1):
        pen.ellipse(0.26 * side, 0.1, 0.13, 0.2, (90, 200, 240))
        pen.ellipse(0.26 * side, 0.12, 0.07, 0.11, INK)
        pen.circle(0.42 * side, 0.42, 0.13, (255, 165, 175))
    pen.blob("-0.4,0.5 0,0.62 0.4,0.5 0.26,0.78 0,0.86 -0.26,0.78", (205, 25, 45))
    pen.blob("-0.24,0.63 0,0.69 0.24,0.63 0,0.76", WHITE)
    pen.circle(0, 0.32, 0.19, (240, 30, 40))


def _rocket(pen: Pen) -> None:
    pen.blob("-0.24,0.55 0.24,0.55 0.16,0.86 0,1.05 -0.16,0.86", (255, 130, 20))
    pen.blob("-0.12,0.55 0.12,0.55 0.07,0.75 0,0.88 -0.07,0.75", (255, 225, 80))
    for side in (-1, 1):
        pen.polygon(
            ((0.3 * side, 0.05), (0.66 * side, 0.42), (0.66 * side, 0.78), (0.2 * side, 0.52)), (30, 90, 205)
        )
    hull = "0,-1.0 0.26,-0.62 0.38,-0.15 0.36,0.28 0.24,0.6 -0.24,0.6 -0.36,0.28 -0.38,-0.15 -0.26,-0.62"
    pen.blob(hull, (240, 244, 250))
    pen.polygon("0.08,-0.9 0.26,-0.6 0.38,-0.15 0.36,0.28 0.24,0.58 0.14,0.58", (205, 214, 228))
    pen.polygon("0,-1.0 0.15,-0.83 0.27,-0.56 -0.27,-0.56 -0.15,-0.83", (30, 90, 205))
    pen.circle(0, -0.16, 0.23, (30, 90, 205))
    pen.circle(0, -0.16, 0.15, (130, 225, 255))


def _planet(pen: Pen) -> None:
    pen.polygon(_half_ring(math.pi), (222, 164, 60))
    pen.circle(0, 0, 0.66, (140, 70, 200))
    pen.polygon("-0.62,-0.2 -0.5,-0.42 0.42,-0.5 0.58,-0.3", (176, 108, 228))
    pen.blob("-0.56,0.33 0,0.24 0.62,0.12 0.56,0.34 0.1,0.48 -0.4,0.52", (108, 46, 168))
    pen.ellipse(-0.2, -0.34, 0.1, 0.07, (214, 160, 250))
    pen.polygon(_half_ring(0.0), (255, 205, 90))


def _half_ring(start: float) -> tuple[tuple[float, float], ...]:
    """Half of a tilted flat ring, from the angle `start` in radians."""
    angles = [start + math.pi * i / 20 for i in range(-1, 22)]
    outer = [_tilt(1.1 * math.cos(a), 0.38 * math.sin(a)) for a in angles]
    inner = [_tilt(0.82 * math.cos(a), 0.2 * math.sin(a)) for a in reversed(angles)]
    return (*outer, *inner)


def _tilt(x: float, y: float, angle: float = -0.3) -> tuple[float, float]:
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


def _dolphin(pen: Pen) -> None:
    blue, deep, belly = (45, 140, 215), (28, 105, 178), (205, 232, 246)
    pen.polygon("-0.02,-0.5 -0.3,-0.92 -0.42,-0.36", deep)
    pen.blob("-0.72,0.3 -1.04,0.28 -1.0,0.46 -0.82,0.58 -0.88,0.92 -0.66,0.82 -0.54,0.48", deep)
    pen.blob(
        "1.02,0.22 0.8,0.02 0.62,-0.3 0.25,-0.54 -0.25,-0.5 -0.6,-0.14 -0.76,0.36 "
        "-0.58,0.44 -0.28,0.16 0.12,0.1 0.5,0.24 0.78,0.32",
        blue,
    )
    pen.blob("0.92,0.24 0.6,0.08 0.2,-0.06 -0.28,0.1 0.1,0.11 0.5,0.24 0.75,0.31", belly)
    pen.blob("0.3,0.02 0.08,0.3 0.0,0.6 0.3,0.42 0.46,0.14", deep)
    pen.circle(0.58, -0.06, 0.075, INK)


def _kitten(pen: Pen) -> None:
    fur, stripe, cream = (244, 158, 62), (205, 112, 30), (255, 236, 208)
    pen.blob("0.35,0.9 0.85,0.85 0.98,0.4 0.82,0.1 0.7,0.25 0.78,0.5 0.5,0.65", stripe)
    pen.ellipse(0, 0.5, 0.56, 0.52, fur)
    pen.ellipse(0, 0.56, 0.28, 0.4, cream)
    for side in (-1, 1):
        pen.polygon(((0.68 * side, -1.0), (0.66 * side, -0.3), (0.12 * side, -0.62)), fur)
        pen.polygon(((0.58 * side, -0.8), (0.56 * side, -0.45), (0.28 * side, -0.6)), (250, 170, 165))
        pen.ellipse(0.24 * side, 0.94, 0.19, 0.12, cream)
    pen.ellipse(0, -0.22, 0.7, 0.52, fur)
    for x in (-0.16, 0, 0.16):
        pen.polygon(((x - 0.05, -0.74), (x + 0.05, -0.74), (x, -0.44)), stripe)
    pen.ellipse(0, 0.03, 0.3, 0.2, cream)
    for side in (-1, 1):
        pen.ellipse(0.3 * side, -0.22, 0.15, 0.17, (120, 215, 90))
        pen.ellipse(0.3 * side, -0.22, 0.07, 0.15, INK)
    pen.polygon("-0.09,-0.06 0.09,-0.06 0,0.05", (235, 95, 110))


def _candle(pen: Pen) -> None:
    pen.blob("0,-1.05 0.2,-0.66 0.17,-0.44 0,-0.34 -0.17,-0.44 -0.2,-0.66", (255, 176, 32))
    pen.blob("0,-0.84 0.1,-0.6 0,-0.42 -0.1,-0.6", (255, 246, 150))
    pen.ellipse(0, 0.86, 0.66, 0.17, (150, 92, 44))
    pen.ellipse(0, 0.8, 0.56, 0.12, (196, 132, 66))
    pen.line("0,-0.28 0,-0.46", 0.06, INK)
    pen.rectangle(-0.33, -0.26, 0.33, 0.8, (250, 238, 200))
    pen.rectangle(0.13, -0.26, 0.33, 0.8, (228, 206, 156))
    pen.ellipse(0, 0.8, 0.33, 0.08, (238, 222, 178))
    pen.ellipse(0, -0.26, 0.33, 0.1, (255, 250, 226))
    pen.ellipse(-0.24, -0.02, 0.08, 0.2, (255, 250, 226))
    pen.ellipse(0.06, -0.08, 0.07, 0.16, (255, 250, 226))


def _flame(pen: Pen) -> None:
    outer = points(
        "0.05,-1.05 0.32,-0.5 0.5,-0.62 0.74,0.1 0.66,0.62 0.32,0.94 "
        "-0.32,0.94 -0.66,0.62 -0.72,0.05 -0.52,-0.46 -0.3,-0.2 -0.14,-0.62"
    )
    pen.blob(outer, (226, 40, 16))
    pen.blob(tuple((0.7 * x, 0.36 + 0.64 * y) for x, y in outer), (255, 132, 14))
    pen.blob(tuple((0.4 * x, 0.6 + 0.36 * y) for x, y in outer), (255, 232, 84))


def _bomb(pen: Pen) -> None:
    pen.line("0.3,-0.4 0.45,-0.66 0.62,-0.72 0.72,-0.66", 0.1, (206, 168, 110))
    spikes = tuple(
        (0.76 + r * math.cos(a), -0.7 + r * math.sin(a))
        for a, r in ((i * math.pi / 7, 0.3 if i % 2 else 0.15) for i in range(14))
    )
    pen.polygon(spikes, (255, 170, 20))
    pen.circle(0.76, -0.7, 0.13, (255, 244, 150))
    pen.polygon("0.02,-0.46 0.32,-0.62 0.52,-0.36 0.28,-0.12", (84, 84, 98))
    pen.circle(-0.08, 0.24, 0.72, (36, 36, 46))
    pen.ellipse(-0.36, -0.06, 0.18, 0.14, (150, 150, 168))
    pen.ellipse(-0.52, 0.2, 0.06, 0.09, (112, 112, 130))


def _fish(pen: Pen) -> None:
    flesh, bone, green = (150, 176, 60), (246, 240, 212), (108, 136, 40)
    pen.polygon("0.5,0.0 1.02,-0.46 0.9,0.0 1.02,0.46", green)
    pen.polygon("-0.2,-0.42 0.1,-0.72 0.4,-0.34", green)
    pen.blob("-1.02,0.06 -0.74,-0.34 -0.2,-0.5 0.3,-0.34 0.62,0.0 0.3,0.34 -0.2,0.5 -0.74,0.4", flesh)
    pen.blob("-0.3,-0.36 0.1,-0.34 0.48,0.0 0.1,0.34 -0.3,0.36 -0.18,0.0", (92, 44, 52))
    pen.line("-0.22,0.0 0.5,0.0", 0.09, bone)
    for x, h in ((-0.1, 0.28), (0.1, 0.26), (0.28, 0.17)):
        pen.line(((x + 0.06, -h), (x, 0.0), (x + 0.06, h)), 0.08, bone)
    pen.circle(-0.6, -0.06, 0.16, WHITE)
    for slope in (-1, 1):
        pen.line(((-0.69, -0.06 - 0.09 * slope), (-0.51, -0.06 + 0.09 * slope)), 0.06, INK)
    pen.line("-0.95,0.16 -0.78,0.2 -0.66,0.3", 0.06, INK)


def _trashcan(pen: Pen) -> None:
    pen.blob("-0.4,-0.3 -0.5,-0.62 -0.2,-0.72 0.0,-0.5 0.24,-0.66 0.44,-0.3", (104, 84, 48))
    pen.blob("0.02,-0.36 0.2,-0.92 0.38,-0.98 0.3,-0.6 0.34,-0.34", (236, 206, 60))
    pen.blob("-0.6,-0.34 -0.4,-0.46 -0.2,-0.36 -0.3,-0.08 -0.46,0.1 -0.5,-0.14", (134, 168, 40))
    pen.polygon("-0.62,-0.32 0.62,-0.32 0.48,0.96 -0.48,0.96", (92, 116, 138))
    pen.polygon("0.26,-0.32 0.62,-0.32 0.48,0.96 0.2,0.96", (70, 92, 112))
    for x in (-0.32, 0.0, 0.32):
        pen.line(((x, -0.1), (0.8 * x, 0.82)), 0.08, (48, 64, 80))
    pen.rectangle(-0.7, -0.4, 0.7, -0.2, (120, 146, 168))
    pen.blob("-0.52,-0.4 -0.22,-0.4 -0.24,-0.06 -0.34,0.2 -0.44,0.0", (134, 168, 40))


def _ghost(pen: Pen) -> None:
    right = "0.42,-0.84 0.62,-0.4 0.68,0.1 0.96,-0.02 0.86,0.28 0.68,0.38 0.72,0.96 0.46,0.72 0.24,0.98"
    left = (
        "-0.24,0.98 -0.46,0.72 -0.72,0.96 -0.68,0.38 -0.86,0.28 -0.96,-0.02 -0.68,0.1 -0.62,-0.4 -0.42,-0.84"
    )
    pen.blob(f"0,-1.0 {right} 0.0,0.72 {left}", (244, 246, 255))
    for side in (-1, 1):
        pen.ellipse(0.25 * side, -0.38, 0.15, 0.22, (24, 22, 44))
    pen.ellipse(0, 0.12, 0.18, 0.26, (24, 22, 44))


def _spider(pen: Pen) -> None:
    black = (30, 24, 34)
    for side in (-1, 1):
        for knee, foot in (
            ((0.62, -0.66), (0.86, -1.0)),
            ((0.8, -0.28), (1.06, -0.42)),
            ((0.8, 0.36), (1.06, 0.56)),
            ((0.62, 0.6), (0.84, 1.0)),
        ):
            hip = (0.16 * side, 0.3 * knee[1])
            pen.line((hip, (knee[0] * side, knee[1]), (foot[0] * side, foot[1])), 0.13, black)
    pen.ellipse(0, 0.28, 0.46, 0.54, black)
    pen.circle(0, -0.34, 0.34, black)
    pen.polygon("-0.2,0.06 0.2,0.06 0,0.3", (226, 30, 40))
    pen.polygon("-0.2,0.54 0.2,0.54 0,0.3", (226, 30, 40))
    for side in (-1, 1):
        pen.circle(0.14 * side, -0.42, 0.11, WHITE)
        pen.circle(0.13 * side, -0.42, 0.05, (226, 30, 40))


def _gravestone(pen: Pen) -> None:
    stone, shade, dark = (168, 172, 180), (128, 132, 144), (70, 72, 84)
    for x, y, fill in ((0.09, 0.0, shade), (-0.05, 0.0, stone)):
        pen.ellipse(x, -0.42 + y, 0.54, 0.56, fill)
        pen.rectangle(x - 0.54, -0.42, x + 0.54, 0.84, fill)
    pen.rectangle(-0.12, -0.66, 0.02, 0.16, dark)
    pen.rectangle(-0.32, -0.48, 0.22, -0.34, dark)
    for y in (0.32, 0.5):
        pen.rectangle(-0.36, y, 0.26, y + 0.08, dark)
    pen.ellipse(0.0, 0.88, 0.86, 0.16, (104, 74, 50))
    for x, fill in ((-0.62, (230, 90, 120)), (0.6, (245, 205, 90))):
        pen.circle(x, 0.76, 0.13, fill)


_DRAW: dict[str, Callable[[Pen], None]] = {
    name: globals()[f"_{name}"]  # the drawing functions are named after the words they draw
    for name in OBJECTS
}
