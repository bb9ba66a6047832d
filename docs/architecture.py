"""Draws docs/assets/architecture.svg from the imports of the code: ``python docs/architecture.py``.

Every box is a package or a lone module of the core, the registry, or the first-party plugins together; an arrow says
"imports". Boxes stand above all that they import; an arrow that longer ways imply is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import grimp

FILE = Path(__file__).parent / "assets" / "architecture.svg"
PLUGINS = (
    "emosym_vlm",
    "emosym_diffusion",
    "emosym_reasoning",
    "emosym_memory",
    "emosym_data",
    "emosym_metrics",
    "emosym_tiny",
    "emosym_official",
)
SAID = {
    "cli": "verbs",
    "web": "the page",
    "ablation": "studies",
    "experiment": "a run",
    "evaluation": "metrics over a system",
    "report": "what a run looks like",
    "stages": "compress · reinforce · unify",
    "training": "the one loop",
    "system": "understand · generate · save",
    "parts": "components put together",
    "inputs": "pictures in any form",
    "download": "pictures from the web",
    "recipe": "the same picture again",
    "hub": "systems on the hub",
    "request": "what to paint",
    "generation": "from emotion to picture",
    "head": "the emotion head",
    "reasons": "knowledge kept to say why",
    "assembly": "spec → parts",
    "guards": "answers of components\nare what contracts say",
    "judges": "judges kept apart",
    "vram": "what card it needs",
    "cost": "how long it takes",
    "spec": "YAML → resolved spec",
    "contracts": "what a component must do",
    "toolkit": "what any plugin may use",
    "testing": "the conformance kit",
    "diagnosis": "what is wrong with plugins",
    "registry": "hooks, descriptors, discovery",
    "plugins": "eight packages of components",
}
WIDTH, HEIGHT, GAP, RISE = 168, 44, 14, 92


def imports() -> dict[str, set[str]]:
    """Box → boxes that it imports."""
    graph = grimp.build_graph("emosym", "emosym_registry", *PLUGINS)
    edges: dict[str, set[str]] = {}
    for module in graph.modules:
        source = _box(module)
        edges.setdefault(source, set())
        edges[source] |= {_box(one) for one in graph.find_modules_directly_imported_by(module)} - {source}
    empty = {box for box in edges if not edges[box] and not any(box in others for others in edges.values())}
    return {box: others - {"emosym"} for box, others in edges.items() if box not in empty | {"emosym"}}


def _box(module: str) -> str:
    root, _, rest = module.partition(".")
    if root in PLUGINS:
        return "plugins"
    if root == "emosym_registry":
        return "registry"
    return rest.partition(".")[0] or "emosym"


def levels(edges: Mapping[str, set[str]]) -> dict[str, int]:
    """How many imports lie below each box on the longest way; a circle is an error."""

    @cache
    def level(box: str, above: tuple[str, ...] = ()) -> int:
        if box in above:
            sys.exit(f"a circle of imports: {' → '.join([*above, box])}")
        return max((1 + level(other, (*above, box)) for other in edges[box]), default=0)

    return {box: level(box) for box in edges}


def essential(edges: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """Arrows that no longer way implies."""

    @cache
    def below(box: str) -> frozenset[str]:
        return frozenset(edges[box]).union(*(below(other) for other in edges[box]))

    return {
        (box, other)
        for box, others in edges.items()
        for other in others
        if not any(other in below(between) for between in others - {other})
    }


def drawing(edges: Mapping[str, set[str]]) -> str:
    """The picture as SVG, the same for the same imports."""
    height = levels(edges)
    rows = [
        sorted(box for box in edges if height[box] == level) for level in range(max(height.values()), -1, -1)
    ]
    arrows = sorted(essential(edges))
    rows = _fewer_crossings(rows, arrows)
    width = max(len(row) for row in rows) * (WIDTH + GAP) + GAP
    place = {
        box: ((width - len(row) * (WIDTH + GAP) + GAP) / 2 + number * (WIDTH + GAP), GAP + line * RISE)
        for line, row in enumerate(rows)
        for number, box in enumerate(row)
    }
    total = GAP + (len(rows) - 1) * RISE + HEIGHT + GAP
    return "\n".join(
        [_head(width, total), *(_arrow(place, *one) for one in arrows), *_boxes(place), "</svg>", ""]
    )


def _fewer_crossings(rows: list[list[str]], arrows: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Each row in the order of the mean place of what stands above it (Sugiyama et al. 1981)."""
    centre: dict[str, float] = {}
    ordered = []
    for row in rows:
        above = {box: [centre[a] for a, b in arrows if b == box and a in centre] for box in row}
        row = sorted(row, key=lambda box: (sum(above[box]) / len(above[box]) if above[box] else 0, box))
        centre |= {box: number - (len(row) - 1) / 2 for number, box in enumerate(row)}
        ordered.append(row)
    return ordered


def _head(width: float, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="system-ui, sans-serif" text-anchor="middle" role="img">\n'
        "<title>The packages of emosym; an arrow says imports</title>\n"
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#8a94a6"/></marker></defs>'
    )


def _arrow(place: Mapping[str, tuple[float, float]], source: str, target: str) -> str:
    (x, y), (u, v) = place[source], place[target]
    start, end = (x + WIDTH / 2, y + HEIGHT), (u + WIDTH / 2, v)
    bend = (start[1] + end[1]) / 2
    return (
        f'<path d="M{start[0]:g} {start[1]:g}C{start[0]:g} {bend:g} {end[0]:g} {bend:g} {end[0]:g} {end[1]:g}" '
        'fill="none" stroke="#8a94a6" stroke-width="1.2" marker-end="url(#tip)"/>'
    )


def _boxes(place: Mapping[str, tuple[float, float]]) -> Iterable[str]:
    for box, (x, y) in sorted(place.items()):
        fill = {
            "plugins": "#fdf1dd",
            "contracts": "#e3f0e6",
            "toolkit": "#e3f0e6",
            "registry": "#e3f0e6",
            "testing": "#e3f0e6",
        }
        yield (
            f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{fill.get(box, "#eef2f9")}" stroke="#c3cad6"/>'
            f'<text x="{x + WIDTH / 2:g}" y="{y + 19:g}" font-size="14" font-weight="600" fill="#1d2735">{box}</text>'
            f'<text x="{x + WIDTH / 2:g}" y="{y + 35:g}" font-size="10.5" fill="#5a6577">{SAID.get(box, "")}</text>'
        )


if __name__ == "__main__":
    FILE.write_text(drawing(imports()), encoding="utf-8")
    print(FILE)
