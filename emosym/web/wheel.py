"""The emotions of a picture as a wheel: a petal each, its area the probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import cycle
from math import cos, pi, sin, sqrt

from emosym.contracts.labels import MIKELS_WHEEL
from emosym.report.svg import PALETTE

WIDTH, HEIGHT, RADIUS = 400, 290, 92
RINGS = (0.25, 1.0)
"""Probabilities that a ring marks."""


def ordered(names: Sequence[str]) -> list[str]:
    """Names around the wheel: as Mikels' neighbours are where they are his, else as they come."""
    return list(MIKELS_WHEEL) if set(names) == set(MIKELS_WHEEL) else list(names)


def in_words(probabilities: Mapping[str, float]) -> str:
    """All probabilities, the highest first."""
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {value:.0%}" for name, value in ranked)


def wheel(probabilities: Mapping[str, float]) -> str:
    """The wheel as inline SVG in the page's own ink; its label has every number."""
    names = ordered(list(probabilities))
    rings = "".join(
        f'<circle r="{RADIUS * sqrt(ring):.1f}" fill="none" stroke="currentColor" stroke-opacity=".3"/>'
        f'<text y="{3 - RADIUS * sqrt(ring):.1f}" text-anchor="middle" font-size="9" fill="currentColor">{ring:.0%}</text>'
        for ring in RINGS
    )
    # An emotion has the colour that reports give it, by its place among the labels and not on the wheel.
    colours = dict(zip(probabilities, cycle(PALETTE), strict=False))
    drawn = "".join(
        _petal(name, probabilities[name], colours[name], place, len(names))
        for place, name in enumerate(names)
    )
    return (
        f'<svg class="es-wheel" role="img" aria-label="{escape(in_words(probabilities))}" '
        f'viewBox="{-WIDTH / 2:g} {-HEIGHT / 2:g} {WIDTH} {HEIGHT}">{rings}{drawn}</svg>'
    )


def _petal(name: str, probability: float, colour: str, place: int, count: int) -> str:
    """One petal with its name and share outside the wheel. Angles begin at the top and go clockwise."""
    middle = 2 * pi * (place + 0.5) / count - pi / 2
    start, end = middle - pi / count, middle + pi / count
    radius = RADIUS * sqrt(probability)
    (x, y), (u, v) = _at(start, radius), _at(end, radius)
    path = f'<path d="M0 0L{x:.1f} {y:.1f}A{radius:.1f} {radius:.1f} 0 {int(end - start > pi)} 1 {u:.1f} {v:.1f}Z" fill="{colour}"/>'
    left, top = _at(middle, RADIUS + 16)
    top += 12 * sin(middle) - 4  # two lines: above the wheel the lower one is near it, below the upper one
    anchor = "middle" if abs(cos(middle)) < 0.3 else "start" if cos(middle) > 0 else "end"
    words = f'<tspan x="{left:.1f}">{escape(name)}</tspan><tspan x="{left:.1f}" dy="1.2em">{probability:.0%}</tspan>'
    return (
        f'{path}<text x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}" fill="currentColor">{words}</text>'
    )


def _at(angle: float, radius: float) -> tuple[float, float]:
    return radius * cos(angle), radius * sin(angle)
