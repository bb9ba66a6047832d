"""Captions say what is in a picture; rationales say why it moves someone."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from . import phrases
from .distribution import Attributes
from .phrases import COLOR_PHRASES, LIGHT_WORDS, PLACE, TEMPLATES
from .vocabulary import EMOTION_WORDS, EMOTIONS

PARTIAL_SHARE = 0.3


def caption(attributes: Attributes, rng: np.random.Generator) -> str:
    """A plain description in one of many forms; about a third leave something out. Never an affect word."""
    kind = "partial_caption" if rng.random() < PARTIAL_SHARE else "full_caption"
    return _fill(_pick(TEMPLATES[kind], rng), attributes)


def full_caption(attributes: Attributes) -> str:
    """The canonical description: object, scene, brightness and colours, always in the same form."""
    return _fill(TEMPLATES["full_caption"][0], attributes)


def rationale(
    attributes: Attributes, emotion: int, rng: np.random.Generator, *, name_emotion: bool, wrong: float = 0.0
) -> str:
    """Why the picture evokes an emotion (an index into EMOTIONS), lower case.

    With probability `wrong` it argues for another emotion, chosen uniformly. Without `name_emotion` neither
    an emotion's name nor an inflection of one occurs. Raises ValueError for a rate outside [0, 1].
    """
    return rationale_for(attributes, argued_emotion(emotion, rng, wrong), rng, name_emotion=name_emotion)


def argued_emotion(emotion: int, rng: np.random.Generator, wrong: float) -> int:
    """The emotion a rationale argues for: `emotion`, or with probability `wrong` another one."""
    if not 0.0 <= wrong <= 1.0:
        raise ValueError(f"the wrong rate lies in [0, 1], not {wrong}")
    if rng.random() >= wrong:
        return emotion
    return (emotion + 1 + int(rng.integers(len(EMOTIONS) - 1))) % len(EMOTIONS)


def rationale_for(
    attributes: Attributes, emotion: int, rng: np.random.Generator, *, name_emotion: bool
) -> str:
    """A rationale that argues for exactly this emotion."""
    name = EMOTIONS[emotion]
    light, tint = phrases.LIGHT[attributes.brightness_level], phrases.TINT[attributes.color_level]
    thing, place = attributes.object_name, PLACE[attributes.scene_name]
    text = _pick(TEMPLATES["rationale"], rng).format(
        what=f"a {thing} {place}",
        place=place,
        tone=f"{_pick(light, rng)} and {_pick(tint, rng)}",
        object_hint=_pick(phrases.OBJECT_HINTS[thing], rng),
        scene_hint=_pick(phrases.SCENE_HINTS[attributes.scene_name], rng),
        reason=_pick(phrases.REASONS[name], rng),
    )
    return _pick(TEMPLATES["named"], rng).format(text=text, emotion=name) if name_emotion else f"{text}."


def names_emotion(text: str) -> bool:
    """Whether an emotion's name, or an inflection of one, occurs in the text."""
    return not EMOTION_WORDS.isdisjoint(re.findall(r"[a-z]+", text.lower()))


def _fill(template: str, attributes: Attributes) -> str:
    return template.format(
        object=attributes.object_name,
        scene=attributes.scene_name,
        place=PLACE[attributes.scene_name],
        light=LIGHT_WORDS[attributes.brightness_level],
        color=COLOR_PHRASES[attributes.color_level],
    )


def _pick(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]
