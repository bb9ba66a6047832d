"""Captions say what is in a picture; rationales say why it moves someone."""

from __future__ import annotations

import re

import numpy as np

from .distribution import Attributes
from .phrases import LIGHT, OBJECT_HINTS, PLACE, REASONS, SCENE_HINTS, TINT
from .vocabulary import BRIGHTNESS_LEVELS, COLOR_LEVELS, EMOTION_WORDS, EMOTIONS

LIGHT_WORDS: tuple[str, ...] = ("dark", "medium light", "bright")
COLOR_PHRASES: tuple[str, ...] = ("muted colors", "natural colors", "vivid colors")

_FULL: tuple[str, ...] = (
    "a {object} {place}, {light}, {color}",
    "{light} picture of a {object} {place}, {color}",
    "a {object} {place} in {color}, {light}",
    "a {scene} with a {object}, {light}, {color}",
    "{light} {scene} with a {object}, {color}",
    "a picture of a {object} {place}, {light} and with {color}",
    "{color}, {light}: a {object} {place}",
    "{scene}, {object}, {light}, {color}",
    "{color}, {light}, a {scene} and a {object}",
    "a {light} drawing in {color} that shows a {object} {place}",
)
_PARTIAL: tuple[str, ...] = (
    "a {object}",
    "a picture of a {object}",
    "a {scene}",
    "a {light} {scene}",
    "a {scene} in {color}",
    "a {object} {place}",
    "a {scene} and a {object}",
    "a {object} {place}, {color}",
    "{light} picture of a {object} {place}",
    "a {light} picture in {color}",
    "a {object} in {color}",
    "the picture shows a {object}, {light}",
)
PARTIAL_SHARE = 0.3

_RATIONALE: tuple[str, ...] = (
    "{what}, {tone}: {object_hint} and {reason}",
    "{what}; {scene_hint}, and {reason}",
    "{reason}, because {object_hint} {place}, {tone}",
    "{object_hint} and {scene_hint}; with {tone}, {reason}",
    "{what}, {tone}: {reason}",
    "{tone}, {what}: {scene_hint}, {object_hint}, so {reason}",
)
_NAMED: tuple[str, ...] = (
    "{text}. it evokes {emotion}.",
    "{emotion}: {text}.",
    "this picture evokes {emotion}: {text}.",
    "{text}; the emotion is {emotion}.",
)


def caption(attributes: Attributes, rng: np.random.Generator) -> str:
    """A plain description in one of many forms; about a third leave something out. Never an affect word."""
    templates = _PARTIAL if rng.random() < PARTIAL_SHARE else _FULL
    return _fill(_pick(templates, rng), attributes)


def full_caption(attributes: Attributes) -> str:
    """The canonical description: object, scene, brightness and colours, always in the same form."""
    return _fill(_FULL[0], attributes)


def rationale(
    attributes: Attributes,
    emotion: int,
    rng: np.random.Generator,
    *,
    name_emotion: bool,
    wrong: float = 0.0,
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
    light, tint = LIGHT[attributes.brightness_level], TINT[attributes.color_level]
    thing, place = attributes.object_name, PLACE[attributes.scene_name]
    text = _pick(_RATIONALE, rng).format(
        what=f"a {thing} {place}",
        place=place,
        tone=f"{_pick(light, rng)} and {_pick(tint, rng)}",
        object_hint=_pick(OBJECT_HINTS[thing], rng),
        scene_hint=_pick(SCENE_HINTS[attributes.scene_name], rng),
        reason=_pick(REASONS[name], rng),
    )
    return _pick(_NAMED, rng).format(text=text, emotion=name) if name_emotion else f"{text}."


def names_emotion(text: str) -> bool:
    """Whether an emotion's name, or an inflection of one, occurs in the text."""
    return not EMOTION_WORDS.isdisjoint(re.findall(r"[a-z]+", text.lower()))


def level_names(attributes: Attributes) -> tuple[str, str]:
    """The brightness and colour levels by name."""
    return BRIGHTNESS_LEVELS[attributes.brightness_level], COLOR_LEVELS[attributes.color_level]


def _fill(template: str, attributes: Attributes) -> str:
    return template.format(
        object=attributes.object_name,
        scene=attributes.scene_name,
        place=PLACE[attributes.scene_name],
        light=LIGHT_WORDS[attributes.brightness_level],
        color=COLOR_PHRASES[attributes.color_level],
    )


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]
