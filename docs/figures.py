"""Draws the figures of docs/explanation/method.md: ``python docs/figures.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent / "assets"
FILLS = {
    "plain": ("#ffffff", "#3a4656"),
    "given": ("#eef3fa", "#3b82d6"),
    "made": ("#fdf1e7", "#d97b34"),
    "kept": ("#eaf6ef", "#2f9a66"),
    "loss": ("#fbeaed", "#d6506b"),
}
"""Fill and stroke: a part of the system, what is given, what is made, what is kept, what is minimised."""
HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="t" \
font-family="system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif" font-size="14" text-anchor="middle">
<title id="t">{title}</title>
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">\
<path d="M0 0 10 5 0 10z" fill="#3a4656"/></marker></defs>
<rect width="{width}" height="{height}" rx="12" fill="#fbfbf8"/>"""


@dataclass(frozen=True)
class Box:
    """A box at its upper left corner, with lines of text, the first one heavier."""

    x: int
    y: int
    width: int
    lines: tuple[str, ...]
    fill: str = "plain"

    @property
    def height(self) -> int:
        return 20 + 18 * len(self.lines)

    def drawn(self) -> str:
        fill, stroke = FILLS[self.fill]
        centre = self.x + self.width / 2
        texts = "".join(
            f'<text x="{centre:g}" y="{self.y + 24 + 18 * number}" fill="#22303f" '
            f'font-size="{14 if not number else 12.5}" font-weight="{600 if not number else 400}">{escape(line)}</text>'
            for number, line in enumerate(self.lines)
        )
        return (
            f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="8" fill="{fill}" '
            f'stroke="{stroke}" stroke-width="1.5"/>{texts}'
        )


@dataclass(frozen=True)
class Figure:
    """Boxes by name, and arrows between their sides: ``("a", "right", "b", "left", "what passes")``."""

    title: str
    size: tuple[int, int]
    boxes: Mapping[str, Box]
    arrows: Sequence[tuple[str, str, str, str, str]]

    def svg(self) -> str:
        width, height = self.size
        parts = [HEAD.format(width=width, height=height, title=escape(self.title))]
        parts += [self._arrow(*arrow) for arrow in self.arrows]
        parts += [box.drawn() for box in self.boxes.values()]
        return "\n".join([*parts, "</svg>", ""])

    def _arrow(self, source: str, leaving: str, target: str, entering: str, said: str) -> str:
        (x, y), (u, v) = _side(self.boxes[source], leaving), _side(self.boxes[target], entering)
        text = (
            f'<text x="{(x + u) / 2:g}" y="{(y + v) / 2 - 7:g}" font-size="12.5" fill="#57646f">{escape(said)}</text>'
            if said
            else ""
        )
        return (
            f'<path d="M{x:g} {y:g}L{u:g} {v:g}" fill="none" stroke="#3a4656" stroke-width="1.6" '
            f'marker-end="url(#tip)"/>{text}'
        )


def _side(box: Box, side: str) -> tuple[float, float]:
    x, y, width, height = box.x, box.y, box.width, box.height
    return {
        "left": (x, y + height / 2),
        "right": (x + width, y + height / 2),
        "top": (x + width / 2, y),
        "bottom": (x + width / 2, y + height),
    }[side]


FIGURES = {
    "method-prompt": Figure(
        "The prompt ends in the reasoning tokens, and their states are all that the rest of the system sees",
        (860, 220),
        {
            "prompt": Box(
                20, 130, 300, ("the prompt: image and question", "the same for every try: a prefix"), "given"
            ),
            "tokens": Box(
                350, 130, 230, ("[CTX] × K, then [EMO]", "learned, the last of the prompt"), "made"
            ),
            "context": Box(350, 20, 110, ("c [B,K,D]", "context")),
            "emotion": Box(470, 20, 110, ("e [B,D]", "emotion")),
            "head": Box(680, 20, 160, ("head: p(y | x)", "understanding")),
            "fusion": Box(680, 130, 160, ("fusion: u [B,n,W]", "generation")),
        },
        [
            ("prompt", "right", "tokens", "left", ""),
            ("tokens", "top", "context", "bottom", ""),
            ("tokens", "top", "emotion", "bottom", ""),
            ("emotion", "right", "head", "left", ""),
            ("tokens", "right", "fusion", "left", "c and e"),
        ],
    ),
    "method-compress": Figure(
        "Stage 1, compress: the states learn to name the emotion and to hold what a text says of the image",
        (860, 220),
        {
            "image": Box(20, 20, 150, ("image", "x"), "given"),
            "text": Box(20, 130, 150, ("reasoning text", "k, in training alone"), "given"),
            "backbone": Box(230, 20, 190, ("backbone", "+ [CTX]×K [EMO]")),
            "encoder": Box(230, 130, 190, ("text encoder", "frozen")),
            "ce": Box(620, 20, 220, ("cross entropy", "head(e) and the label y"), "loss"),
            "nce": Box(620, 130, 220, ("knowledge loss", "c̄ and the text of its image"), "loss"),
        },
        [
            ("image", "right", "backbone", "left", ""),
            ("text", "right", "encoder", "left", ""),
            ("backbone", "right", "ce", "left", "e"),
            ("backbone", "right", "nce", "left", "c̄"),
            ("encoder", "right", "nce", "left", "text(k)"),
        ],
    ),
    "method-reinforce": Figure(
        "Stage 2, reinforce: several noisy tries of one image are scored, and what is better than their mean is made likelier",
        (860, 220),
        {
            "prefix": Box(20, 75, 160, ("prefix of x", "encoded once"), "given"),
            "tries": Box(240, 75, 190, ("G tries", "z = μ + σ·ε, a ~ p(·|x,z)"), "made"),
            "rewards": Box(490, 20, 160, ("rewards", "Σ w·R, verifiable")),
            "kl": Box(490, 140, 160, ("reference", "the model of stage 1")),
            "loss": Box(700, 75, 145, ("policy loss", "advantage, β·KL"), "loss"),
        },
        [
            ("prefix", "right", "tries", "left", ""),
            ("tries", "right", "rewards", "left", ""),
            ("tries", "right", "kl", "left", ""),
            ("rewards", "right", "loss", "left", ""),
            ("kl", "right", "loss", "left", ""),
        ],
    ),
    "method-unify": Figure(
        "Stage 3, unify: fused states take a word's place in the prompt, and the bank lets the best pictures join the training set",
        (860, 250),
        {
            "states": Box(20, 30, 150, ("states c, e", "of an image"), "given"),
            "space": Box(20, 160, 150, ("emotion space", "states without image"), "kept"),
            "fusion": Box(230, 30, 160, ("fusion", "u = M_e(e) + M_c(c)")),
            "diffusion": Box(450, 30, 190, ("diffusion head", "“a picture of {emotion}”")),
            "loss": Box(700, 30, 145, ("denoising loss", "and cross entropy"), "loss"),
            "bank": Box(450, 160, 190, ("memory bank", "scored, admitted, recorded"), "kept"),
            "data": Box(700, 160, 145, ("training set", "originals masked"), "given"),
        },
        [
            ("states", "right", "fusion", "left", ""),
            ("states", "bottom", "space", "top", ""),
            ("space", "right", "fusion", "left", ""),
            ("fusion", "right", "diffusion", "left", "u"),
            ("diffusion", "right", "loss", "left", ""),
            ("diffusion", "bottom", "bank", "top", ""),
            ("bank", "right", "data", "left", ""),
        ],
    ),
}


if __name__ == "__main__":
    for name, figure in FIGURES.items():
        (FOLDER / f"{name}.svg").write_text(figure.svg(), encoding="utf-8")
        print(FOLDER / f"{name}.svg")
