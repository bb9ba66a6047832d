"""The ten scenes: a palette and a few big shapes each, in a box from 0 to 1, y pointing down."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .pen import Pen
from .sky import NIGHT, draw_sky
from .vocabulary import SCENES

Random = np.random.Generator


def draw_scene(pen: Pen, name: str, brightness_level: int, rng: Random) -> None:
    """Draw the named scene over the whole canvas; KeyError for a word outside SCENES."""
    _DRAW[name](pen, brightness_level, rng)


def _beach(pen: Pen, level: int, rng: Random) -> None:
    sea = rng.uniform(0.4, 0.46)
    sand = rng.uniform(0.6, 0.66)
    draw_sky(pen, level, rng, (110, 195, 250), (205, 236, 252), sea)
    pen.rectangle(0, sea, 1, sand + 0.1, (25, 155, 190))
    for y in (0.25, 0.55):
        x = rng.uniform(0.0, 0.7)
        pen.line(((x, sea + y * (sand - sea)), (x + 0.25, sea + y * (sand - sea))), 0.014, (150, 225, 235))
    tilt = rng.uniform(-0.04, 0.04)
    pen.polygon(((0, sand + tilt - 0.02), (1, sand - tilt - 0.02), (1, 1), (0, 1)), (235, 250, 250))
    pen.polygon(((0, sand + tilt), (1, sand - tilt), (1, 1), (0, 1)), (246, 220, 150))
    side, lean = rng.choice((0.1, 0.9)), rng.uniform(-0.05, 0.05)
    crown = (side + lean, rng.uniform(0.2, 0.26))
    pen.line(((side, 0.8), (side + 0.3 * lean, 0.5), crown), 0.04, (150, 104, 60))
    for dx, dy in ((-0.18, 0.06), (-0.13, -0.08), (0.13, -0.08), (0.18, 0.06), (0.0, -0.13)):
        tip = (crown[0] + dx, crown[1] + dy)
        pen.polygon((crown, (crown[0] + 0.5 * dx, crown[1] + 0.5 * dy - 0.05), tip), (40, 150, 70))
        pen.polygon((crown, (crown[0] + 0.5 * dx, crown[1] + 0.5 * dy + 0.02), tip), (30, 125, 60))


def _forest(pen: Pen, level: int, rng: Random) -> None:
    draw_sky(pen, level, rng, (150, 205, 190), (205, 232, 190), 0.78)
    rows = ((8, 0.66, 0.42, (70, 140, 100)), (6, 0.74, 0.6, (30, 98, 62)))
    for row, (count, base, height, fill) in enumerate(rows):
        for i in range(count):
            x = (i + 0.5 * row + rng.uniform(-0.2, 0.2)) / (count - 1)
            h, w = height * rng.uniform(0.8, 1.1), 0.62 / count
            pen.rectangle(x - 0.018, base - 0.1, x + 0.018, base + 0.06, (88, 60, 40))
            for lift, wide in ((0.0, 1.0), (0.3, 0.8), (0.58, 0.55)):
                top, bottom = base - h * min(1.0, lift + 0.5), base - h * lift
                pen.polygon(((x - w * wide, bottom), (x + w * wide, bottom), (x, top)), fill)
    pen.rectangle(0, 0.74, 1, 1, (64, 112, 52))
    for x, y in rng.random((6, 2)).tolist():
        pen.ellipse(x, 0.8 + 0.2 * y, 0.07, 0.022, (86, 138, 62))


def _street(pen: Pen, level: int, rng: Random) -> None:
    draw_sky(pen, level, rng, (165, 185, 210), (222, 226, 230), 0.7)
    walls = ((186, 92, 74), (208, 176, 130), (128, 140, 160), (172, 120, 96))
    windows = (255, 226, 120) if level == NIGHT else (84, 104, 130)
    x, index = 0.0, int(rng.integers(4))
    while x < 1.0:
        width, top = rng.uniform(0.2, 0.3), rng.uniform(0.14, 0.34)
        pen.rectangle(x, top, x + width, 0.68, walls[index % 4])
        pen.rectangle(x, top, x + width, top + 0.025, (92, 76, 72))
        for row in range(4):
            for column in (0.28, 0.72):
                cx, cy = x + column * width, top + 0.09 + 0.12 * row
                pen.rectangle(cx - 0.03, cy - 0.035, cx + 0.03, cy + 0.035, windows)
        x, index = x + width, index + 1
    pen.rectangle(0, 0.66, 1, 0.73, (196, 192, 186))
    pen.rectangle(0, 0.73, 1, 1, (86, 88, 96))
    shift = rng.uniform(0.0, 0.3)
    for i in range(-1, 4):
        pen.rectangle(0.3 * i + shift, 0.86, 0.3 * i + shift + 0.17, 0.89, (240, 226, 150))


def _mountain(pen: Pen, level: int, rng: Random) -> None:
    draw_sky(pen, level, rng, (90, 160, 235), (196, 222, 246), 0.8)
    for x, top, width, fill in (
        (rng.uniform(0.05, 0.25), rng.uniform(0.24, 0.34), 0.42, (134, 138, 176)),
        (rng.uniform(0.75, 0.95), rng.uniform(0.2, 0.32), 0.42, (120, 124, 164)),
        (rng.uniform(0.42, 0.58), rng.uniform(0.06, 0.16), 0.46, (96, 100, 142)),
    ):
        height = 0.76 - top
        pen.polygon(((x, top), (x + width, 0.76), (x - width, 0.76)), fill)
        snow, reach = top + 0.36 * height, 0.36 * width
        right, left = (x + 0.4 * reach, snow - 0.06), (x - 0.45 * reach, snow - 0.05)
        cap = ((x, top), (x + reach, snow), right, (x, snow + 0.05), left, (x - reach, snow))
        pen.polygon(cap, (248, 250, 255))
    left, right = rng.uniform(0.66, 0.76, 2).tolist()
    pen.polygon(((0, left), (0.5, 0.74), (1, right), (1, 1), (0, 1)), (104, 176, 92))
    pen.polygon(((0, right + 0.16), (1, left + 0.12), (1, 1), (0, 1)), (82, 152, 76))


def _room(pen: Pen, level: int, rng: Random) -> None:
    pen.rectangle(0, 0, 1, 1, (240, 206, 170))
    for i in range(6):
        x = 0.02 + 0.18 * i
        pen.rectangle(x, 0, x + 0.07, 0.72, (232, 192, 152))
    window = rng.uniform(0.06, 0.14) if rng.random() < 0.5 else rng.uniform(0.6, 0.68)
    pane = (44, 52, 104) if level == NIGHT else (156, 212, 246)
    pen.rectangle(window - 0.03, 0.07, window + 0.31, 0.45, (250, 246, 238))
    pen.rectangle(window, 0.1, window + 0.28, 0.42, pane)
    pen.rectangle(window + 0.125, 0.1, window + 0.155, 0.42, (250, 246, 238))
    pen.rectangle(window, 0.245, window + 0.28, 0.27, (250, 246, 238))
    for x in (window - 0.05, window + 0.25):
        pen.rectangle(x, 0.04, x + 0.08, 0.5, (196, 72, 84))
    frame = (window + 0.46 + rng.uniform(0, 0.08)) % 0.9
    frame = min(max(frame, 0.05), 0.72)
    top = rng.uniform(0.14, 0.2)
    pen.rectangle(frame, top, frame + 0.22, top + 0.18, (140, 88, 50))
    pen.rectangle(frame + 0.025, top + 0.025, frame + 0.195, top + 0.155, (120, 170, 150))
    floor = rng.uniform(0.68, 0.73)
    pen.rectangle(0, floor, 1, 1, (164, 104, 62))
    pen.rectangle(0, floor - 0.03, 1, floor, (250, 240, 224))
    for y in (0.33, 0.66):
        pen.rectangle(0, floor + y * (1 - floor), 1, floor + y * (1 - floor) + 0.012, (132, 80, 48))
    pen.ellipse(0.5, 0.92, 0.42, 0.1, (96, 116, 168))


def _volcano(pen: Pen, level: int, rng: Random) -> None:
    top, bottom = ((70, 20, 40), (190, 50, 30)) if level == NIGHT else ((150, 60, 60), (250, 150, 80))
    pen.sky(top, bottom, 0.78)
    x, peak = rng.uniform(0.36, 0.64), rng.uniform(0.2, 0.27)
    for dx, dy, r in ((0.0, -0.06, 0.09), (-0.1, -0.12, 0.1), (0.1, -0.15, 0.12), (-0.02, -0.22, 0.13)):
        pen.circle(x + dx + rng.uniform(-0.03, 0.03), peak + dy, r, (96, 76, 84))
    pen.polygon(((x - 0.1, peak), (x + 0.1, peak), (x + 0.52, 0.76), (x - 0.52, 0.76)), (84, 54, 54))
    pen.ellipse(x, peak, 0.1, 0.03, (255, 190, 50))
    for side in (-1, 0, 1):
        foot = x + 0.27 * side + rng.uniform(-0.05, 0.05)
        knee = x + 0.1 * side + rng.uniform(-0.03, 0.03)
        pen.line(((x + 0.05 * side, peak + 0.01), (knee, 0.45), (foot, 0.76)), 0.045, (255, 104, 24))
    pen.rectangle(0, 0.74, 1, 1, (62, 42, 46))
    y = rng.uniform(0.8, 0.9)
    stream = ((0, y), (0.3, y + 0.05), (0.6, y - 0.03), (1, y + 0.04))
    pen.line(stream, 0.05, (255, 104, 24))
    pen.line(stream, 0.02, (255, 200, 70))


def _desert(pen: Pen, level: int, rng: Random) -> None:
    draw_sky(pen, level, rng, (250, 190, 120), (255, 230, 180), 0.78)
    y = rng.uniform(0.46, 0.54)
    pen.blob(((-0.3, 0.7), (0.15, y), (0.5, 0.6), (0.85, y - 0.02), (1.3, 0.7), (0.5, 1.2)), (230, 158, 84))
    pen.blob("-0.4,0.9 0.0,0.68 0.45,0.7 1.0,0.62 1.4,0.8 0.5,1.5", (240, 178, 96))
    y = rng.uniform(0.82, 0.88)
    pen.blob(((-0.4, 1.0), (0.2, y), (0.7, y + 0.06), (1.4, y - 0.02), (0.5, 1.6)), (250, 198, 116))
    for x, height in ((rng.uniform(0.04, 0.14), 0.34), (rng.uniform(0.86, 0.96), 0.42)):
        base = rng.uniform(0.66, 0.76)
        pen.line(((x, base), (x, base - height)), 0.06, (70, 140, 80))
        pen.circle(x, base - height, 0.03, (70, 140, 80))
        for side, lift in ((-1, 0.35), (1, 0.5)):
            elbow = (x + 0.075 * side, base - lift * height)
            pen.line(((x, elbow[1]), elbow, (elbow[0], elbow[1] - 0.12)), 0.042, (70, 140, 80))


def _graveyard(pen: Pen, level: int, rng: Random) -> None:
    draw_sky(pen, level, rng, (120, 116, 160), (190, 176, 196), 0.8)
    side = rng.choice((0.12, 0.88))
    bark = (58, 46, 58)
    pen.line(((side, 0.74), (side, 0.32)), 0.06, bark)
    for dx, y0, y1 in ((-0.17, 0.5, 0.26), (0.16, 0.44, 0.18), (-0.1, 0.36, 0.12), (0.05, 0.34, 0.1)):
        pen.line(((side, y0), (side + 0.7 * dx, 0.5 * (y0 + y1)), (side + dx, y1)), 0.028, bark)
    hill = rng.uniform(0.58, 0.64)
    pen.blob(((-0.3, 0.76), (0.2, hill + 0.05), (0.6, hill), (1.3, 0.76), (0.5, 1.4)), (88, 100, 92))
    for i in range(5):
        x, y = 0.1 + 0.2 * i + rng.uniform(-0.05, 0.05), rng.uniform(0.6, 0.66)
        if i % 2:
            pen.rectangle(x - 0.018, y - 0.15, x + 0.018, y + 0.04, (66, 64, 80))
            pen.rectangle(x - 0.06, y - 0.11, x + 0.06, y - 0.075, (66, 64, 80))
        else:
            pen.circle(x, y - 0.07, 0.055, (146, 144, 158))
            pen.rectangle(x - 0.055, y - 0.07, x + 0.055, y + 0.05, (146, 144, 158))
    pen.rectangle(0, 0.78, 1, 1, (72, 84, 76))
    for i in range(9):
        x = 0.06 + 0.11 * i
        pen.rectangle(x - 0.012, 0.7, x + 0.012, 0.84, (44, 40, 52))
    pen.rectangle(0, 0.74, 1, 0.765, (44, 40, 52))


def _swamp(pen: Pen, level: int, rng: Random) -> None:
    top, bottom = ((54, 76, 72), (118, 138, 92)) if level == NIGHT else ((130, 140, 90), (196, 196, 124))
    pen.sky(top, bottom, 0.6)
    for x in (rng.uniform(0.02, 0.14), rng.uniform(0.4, 0.6), rng.uniform(0.86, 0.98)):
        lean = rng.uniform(-0.05, 0.05)
        pen.line(((x, 0.66), (x + lean, 0.0)), 0.06, (76, 66, 48))
        for y, dx in ((0.16, 0.16), (0.27, -0.17)):
            tip, height = x + dx, y - 0.07
            pen.line(((x + 0.6 * lean, y), (tip, height)), 0.03, (76, 66, 48))
            pen.polygon(((tip - 0.06, height), (tip + 0.06, height), (tip, y + 0.16)), (84, 106, 52))
    pen.rectangle(0, 0.57, 1, 1, (88, 104, 44))
    for x, y in rng.random((5, 2)).tolist():
        pen.ellipse(x, 0.62 + 0.36 * y, 0.13, 0.014, (122, 136, 64))
    for x, y in rng.random((4, 2)).tolist():
        pen.ellipse(x, 0.68 + 0.3 * y, 0.075, 0.026, (56, 130, 50))
    for x in (rng.uniform(0.02, 0.14), rng.uniform(0.86, 0.98)):
        for dx in (-0.04, 0.0, 0.04):
            pen.line(((x, 0.98), (x + 1.5 * dx, 0.6 + abs(dx))), 0.014, (50, 84, 40))
            pen.ellipse(x + 1.5 * dx, 0.6 + abs(dx), 0.018, 0.05, (102, 62, 36))


def _fair(pen: Pen, level: int, rng: Random) -> None:
    draw_sky(pen, level, rng, (130, 210, 245), (255, 224, 236), 0.78)
    tent_left = rng.random() < 0.5
    tent, wheel = (0.26, 0.78) if tent_left else (0.74, 0.22)
    tent += rng.uniform(-0.04, 0.04)
    for angle in (np.arange(8) * np.pi / 4 + rng.uniform(0, 0.7)).tolist():
        rim = (wheel + 0.2 * float(np.cos(angle)), 0.38 + 0.2 * float(np.sin(angle)))
        pen.line(((wheel, 0.38), rim), 0.014, (120, 90, 170))
        lamp = ((255, 205, 60), (255, 110, 160), (70, 190, 150))[int(angle * 4) % 3]
        pen.circle(*rim, 0.045, lamp)
    pen.line(((wheel - 0.12, 0.76), (wheel, 0.38), (wheel + 0.12, 0.76)), 0.03, (120, 90, 170))
    red, white = (235, 60, 90), (255, 248, 240)
    for i in range(6):
        a, b = tent - 0.27 + 0.09 * i, tent - 0.18 + 0.09 * i
        pen.rectangle(a, 0.42, b, 0.78, red if i % 2 else white)
        pen.polygon(((a - 0.02, 0.44), (b + 0.02, 0.44), (tent, 0.12)), white if i % 2 else red)
    pen.polygon(((tent, 0.04), (tent, 0.12), (tent + 0.1, 0.08)), (255, 205, 60))
    pen.rectangle(0, 0.74, 1, 1, (150, 206, 96))
    for x, y in rng.random((9, 2)).tolist():
        pen.circle(x, 0.79 + 0.2 * y, 0.016, ((255, 205, 60), (255, 110, 160))[int(10 * x) % 2])


_DRAW: dict[str, Callable[[Pen, int, Random], None]] = {
    name: globals()[f"_{name}"]  # the drawing functions are named after the words they draw
    for name in SCENES
}
