"""A pen that draws simple shapes in picture-independent coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw

Color = tuple[int, int, int]
Point = tuple[float, float]
Points = Sequence[Point] | str
"""Points, or their text as SVG writes it: ``x,y x,y``."""


class Pen:
    """Draws on a canvas through the map (x, y) -> (cx ± scale·x, cy + scale·y); minus when mirrored."""

    def __init__(
        self, canvas: Image.Image, cx: float, cy: float, scale: float, mirrored: bool = False
    ) -> None:
        self.canvas = canvas
        self.draw = ImageDraw.Draw(canvas)
        self.cx, self.cy, self.scale = cx, cy, scale
        self.sx = -scale if mirrored else scale

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Color) -> None:
        """Fill an ellipse around (x, y) with radii rx, ry."""
        u, v = self.cx + self.sx * x, self.cy + self.scale * y
        a, b = self.scale * rx, self.scale * ry
        self.draw.ellipse((u - a, v - b, u + a, v + b), fill=fill)

    def circle(self, x: float, y: float, r: float, fill: Color) -> None:
        """Fill a circle."""
        self.ellipse(x, y, r, r, fill)

    def polygon(self, outline: Points, fill: Color) -> None:
        """Fill a polygon."""
        self.draw.polygon(self._map(outline), fill=fill)

    def blob(self, outline: Points, fill: Color) -> None:
        """Fill the smooth closed curve through the points."""
        self.draw.polygon(self._map(smooth(points(outline))), fill=fill)

    def rectangle(self, left: float, top: float, right: float, bottom: float, fill: Color) -> None:
        """Fill an axis-parallel rectangle."""
        self.polygon(((left, top), (right, top), (right, bottom), (left, bottom)), fill)

    def line(self, outline: Points, width: float, fill: Color) -> None:
        """Draw a round-jointed line of the given width."""
        self.draw.line(self._map(outline), fill=fill, width=max(1, round(width * self.scale)), joint="curve")

    def sky(self, top: Color, bottom: Color, horizon: float) -> None:
        """Fill the canvas down to the horizon (0 to 1) with a vertical gradient."""
        strip = Image.new("RGB", (1, 2))
        strip.putpixel((0, 0), top)
        strip.putpixel((0, 1), bottom)
        width, height = self.canvas.size[0], max(1, round(horizon * self.scale))
        self.canvas.paste(
            strip.resize((1, height), Image.Resampling.BILINEAR).resize((width, height)), (0, 0)
        )

    def _map(self, outline: Points) -> list[Point]:
        return [(self.cx + self.sx * x, self.cy + self.scale * y) for x, y in points(outline)]


def points(outline: Points) -> tuple[Point, ...]:
    """The points of an outline, read where it is text."""
    return _read(outline) if isinstance(outline, str) else tuple(outline)


@lru_cache(maxsize=256)
def smooth(points: tuple[Point, ...], steps: int = 5) -> tuple[Point, ...]:
    """Closed Catmull-Rom curve through the points; cached, because shapes are drawn thousands of times."""
    n, curve = len(points), []
    for i in range(n):
        p0, p1, p2, p3 = (points[(i + k - 1) % n] for k in range(4))
        for step in range(steps):
            t = step / steps
            curve.append((_catmull(p0[0], p1[0], p2[0], p3[0], t), _catmull(p0[1], p1[1], p2[1], p3[1], t)))
    return tuple(curve)


def _catmull(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t**3)


@lru_cache(maxsize=256)
def _read(text: str) -> tuple[Point, ...]:
    pairs = (pair.split(",") for pair in text.split())
    return tuple((float(x), float(y)) for x, y in pairs)
