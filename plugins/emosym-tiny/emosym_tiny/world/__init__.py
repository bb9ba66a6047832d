"""The embedded world: rendered pictures whose emotions are known exactly. Torch-free."""

from __future__ import annotations

from .distribution import Attributes, World
from .emoset import write_emoset
from .language import caption, full_caption, rationale
from .render import render, render_many
from .vocabulary import AFFECT_WORDS, BRIGHTNESS_LEVELS, COLOR_LEVELS, EMOTIONS, OBJECTS, SCENES

__all__ = [
    "AFFECT_WORDS",
    "BRIGHTNESS_LEVELS",
    "COLOR_LEVELS",
    "EMOTIONS",
    "OBJECTS",
    "SCENES",
    "Attributes",
    "World",
    "caption",
    "full_caption",
    "rationale",
    "render",
    "render_many",
    "write_emoset",
]
