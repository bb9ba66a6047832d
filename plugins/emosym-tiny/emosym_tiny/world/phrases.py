"""The phrases that captions and rationales are put together from, read from ``phrases.toml``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

Phrases = dict[str, list[str]]

_TABLES: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))

PLACE: dict[str, str] = _TABLES["place"]
LIGHT_WORDS: list[str] = _TABLES["light_words"]
COLOR_PHRASES: list[str] = _TABLES["color_phrases"]
LIGHT: list[list[str]] = _TABLES["light"]
TINT: list[list[str]] = _TABLES["tint"]
TEMPLATES: Phrases = _TABLES["templates"]
REASONS: Phrases = _TABLES["reasons"]
OBJECT_HINTS: Phrases = _TABLES["object_hints"]
SCENE_HINTS: Phrases = _TABLES["scene_hints"]
