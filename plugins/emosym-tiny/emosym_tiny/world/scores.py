"""How strongly each scene, object, brightness and colour speaks for each emotion, in log-odds units.

What is not listed scores zero. Neighbours share their scenes and objects on purpose: awe and contentment,
amusement and excitement, fear with disgust and with sadness can only be told apart by several attributes.
"""

from __future__ import annotations

TEMPERATURE = 0.505
"""Divides every score; lower is a more predictable world. Set so that the Bayes accuracy is 0.86-0.88."""

UNIFORM = 0.05
"""Share of pictures drawn regardless of the emotion, so that conflicts of object and scene do occur."""

SCENE: dict[str, dict[str, float]] = {
    "amusement": {"fair": 2.0, "beach": 1.0, "street": 0.7, "room": 0.7},
    "anger": {"street": 1.9, "volcano": 1.7, "desert": 0.8, "room": 0.3},
    "awe": {"mountain": 2.1, "volcano": 1.0, "desert": 1.2, "forest": 0.7, "beach": 0.4},
    "contentment": {"beach": 1.5, "room": 1.6, "forest": 1.3, "mountain": 0.9},
    "disgust": {"swamp": 2.1, "street": 1.3, "graveyard": 0.4, "room": 0.4},
    "excitement": {"fair": 1.6, "beach": 0.9, "mountain": 0.9, "desert": 0.8, "volcano": 0.6},
    "fear": {"graveyard": 1.5, "forest": 1.2, "swamp": 1.1, "volcano": 0.5, "room": 0.3},
    "sadness": {"graveyard": 1.7, "room": 1.1, "street": 0.7, "swamp": 0.4, "desert": 0.6},
}

OBJECT: dict[str, dict[str, float]] = {
    "amusement": {"clown": 2.3, "kitten": 1.2, "balloon": 1.3, "ghost": 0.4, "fish": 0.3},
    "anger": {"bomb": 2.3, "flame": 1.9, "trashcan": 0.7, "rocket": 0.3},
    "awe": {"planet": 2.3, "dolphin": 1.4, "rocket": 0.8, "flame": 0.6, "candle": 0.2},
    "contentment": {"kitten": 1.8, "candle": 1.5, "dolphin": 1.2, "balloon": 0.4},
    "disgust": {"trashcan": 2.1, "fish": 2.0, "spider": 1.2},
    "excitement": {"rocket": 2.2, "balloon": 1.6, "clown": 0.6, "flame": 0.6, "dolphin": 0.6},
    "fear": {"ghost": 2.0, "spider": 1.9, "bomb": 0.8, "clown": 0.3, "candle": 0.2},
    "sadness": {"gravestone": 2.3, "candle": 1.1, "fish": 0.6, "balloon": 0.3, "kitten": 0.3},
}

# Columns: dark, plain, bright.
BRIGHTNESS: dict[str, tuple[float, float, float]] = {
    "amusement": (0.0, 0.7, 1.2),
    "anger": (0.8, 0.9, 0.0),
    "awe": (0.7, 0.3, 0.8),
    "contentment": (0.0, 1.0, 0.9),
    "disgust": (0.4, 1.0, 0.0),
    "excitement": (0.0, 0.4, 1.4),
    "fear": (1.8, 0.3, 0.0),
    "sadness": (1.2, 0.8, 0.0),
}

# Columns: muted, plain, vivid.
COLOR: dict[str, tuple[float, float, float]] = {
    "amusement": (0.0, 0.7, 1.3),
    "anger": (0.0, 0.5, 1.4),
    "awe": (0.0, 0.7, 0.8),
    "contentment": (0.3, 1.2, 0.0),
    "disgust": (0.8, 0.8, 0.0),
    "excitement": (0.0, 0.4, 1.7),
    "fear": (1.0, 0.7, 0.0),
    "sadness": (1.8, 0.4, 0.0),
}

INTERACTIONS: tuple[tuple[str, str, str, float], ...] = (
    ("room", "candle", "contentment", 0.9),
    ("graveyard", "candle", "fear", 1.6),
    ("graveyard", "candle", "contentment", -1.5),
    ("room", "spider", "disgust", 0.9),
    ("forest", "spider", "awe", 0.8),
    ("graveyard", "clown", "fear", 2.2),
    ("forest", "clown", "fear", 1.8),
    ("fair", "ghost", "amusement", 1.8),
    ("room", "balloon", "sadness", 1.2),
    ("graveyard", "balloon", "sadness", 1.9),
    ("street", "kitten", "sadness", 1.3),
    ("volcano", "flame", "awe", 0.9),
    ("fair", "flame", "excitement", 1.1),
    ("beach", "fish", "disgust", 0.7),
    ("beach", "trashcan", "anger", 1.0),
    ("mountain", "trashcan", "anger", 1.0),
    ("desert", "rocket", "awe", 0.7),
    ("street", "rocket", "anger", 0.9),
    ("swamp", "dolphin", "sadness", 1.5),
)
"""(scene, object, emotion, bonus): what a pair means beyond its parts."""
