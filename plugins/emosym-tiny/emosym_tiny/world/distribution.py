"""The joint distribution of emotions and pictures, small enough to be known exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .scores import BRIGHTNESS, COLOR, INTERACTIONS, OBJECT, SCENE, TEMPERATURE, UNIFORM
from .vocabulary import BRIGHTNESS_LEVELS, COLOR_LEVELS, EMOTIONS, OBJECTS, SCENES

FloatArray = npt.NDArray[np.float64]

LEVEL_INTERVALS: tuple[tuple[float, float], ...] = ((0.0, 0.3), (0.4, 0.6), (0.7, 1.0))
"""Where the values of each level lie; the gaps keep the level readable from a value rounded to tenths."""


def level(value: float) -> int:
    """Level 0, 1 or 2 of a brightness or colourfulness in [0, 1]; raises ValueError outside it."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"a brightness or colourfulness lies in [0, 1], not {value}")
    return 0 if value < 0.35 else 1 if value < 0.65 else 2


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is in one picture: indices into SCENES and OBJECTS, brightness and colourfulness in [0, 1]."""

    scene: int
    object: int
    brightness: float
    colorfulness: float

    @property
    def brightness_level(self) -> int:
        """Index into BRIGHTNESS_LEVELS."""
        return level(self.brightness)

    @property
    def color_level(self) -> int:
        """Index into COLOR_LEVELS."""
        return level(self.colorfulness)

    @property
    def scene_name(self) -> str:
        """The scene's word."""
        return SCENES[self.scene]

    @property
    def object_name(self) -> str:
        """The object's word."""
        return OBJECTS[self.object]


class World:
    """p(picture | emotion) over scene x object x brightness x colour, with p(emotion) uniform.

    `likelihood` has shape [8, 10, 14, 3, 3] and sums to one for each emotion. Values inside a level are
    uniform whatever the emotion, so only the levels inform and the Bayes accuracy is exact.
    """

    def __init__(self, temperature: float = TEMPERATURE, uniform: float = UNIFORM) -> None:
        self.shape = (len(SCENES), len(OBJECTS), len(BRIGHTNESS_LEVELS), len(COLOR_LEVELS))
        self.likelihood: FloatArray = _likelihood(temperature, uniform)
        self.likelihood.flags.writeable = False

    @cached_property
    def posterior_table(self) -> FloatArray:
        """p(emotion | levels), shape [8, 10, 14, 3, 3]."""
        table: FloatArray = self.likelihood / self.likelihood.sum(axis=0, keepdims=True)
        return table

    @cached_property
    def bayes_accuracy(self) -> float:
        """Expected accuracy of the best reader: the sum over pictures of max p(picture|emotion) / 8."""
        return float(self.likelihood.max(axis=0).sum() / len(EMOTIONS))

    def marginal_accuracy(self, *factors: str) -> float:
        """Best accuracy from some of "scene", "object", "brightness" and "color" alone."""
        names = ("scene", "object", "brightness", "color")
        unknown = sorted(set(factors) - set(names))
        if unknown:
            raise ValueError(f"unknown factors {unknown}; the world has {names}")
        hidden = tuple(axis + 1 for axis, name in enumerate(names) if name not in factors)
        return float(self.likelihood.sum(axis=hidden).max(axis=0).sum() / len(EMOTIONS))

    def posterior(self, attributes: Attributes) -> FloatArray:
        """p(emotion | picture), float64 of shape [8]."""
        cell = (attributes.scene, attributes.object, attributes.brightness_level, attributes.color_level)
        return self.posterior_table[(slice(None), *cell)].copy()

    def sample(self, n: int, rng: np.random.Generator) -> list[tuple[Attributes, int]]:
        """Draw n pictures with their emotion index: an emotion uniformly, then a picture given it."""
        emotions = rng.integers(len(EMOTIONS), size=n)
        cumulative = self.likelihood.reshape(len(EMOTIONS), -1).cumsum(axis=1)
        draws = rng.random(n)
        cells = np.empty(n, dtype=np.int64)
        for emotion, row in enumerate(cumulative):
            of_emotion = emotions == emotion
            cells[of_emotion] = np.searchsorted(row, draws[of_emotion] * row[-1], side="right")
        return list(zip(self._fill_levels(cells, rng), emotions.tolist(), strict=True))

    def sample_uniform(self, n: int, rng: np.random.Generator) -> list[Attributes]:
        """Draw n pictures with every combination of levels equally likely, whatever the emotion."""
        return self._fill_levels(rng.integers(int(np.prod(self.shape)), size=n), rng)

    def _fill_levels(self, cells: npt.NDArray[np.int64], rng: np.random.Generator) -> list[Attributes]:
        scenes, objects, brightness, color = np.unravel_index(cells, self.shape)
        low, high = np.array(LEVEL_INTERVALS).T
        where = rng.random((2, len(cells)))
        bright_values = low[brightness] + where[0] * (high - low)[brightness]
        color_values = low[color] + where[1] * (high - low)[color]
        columns = (scenes.tolist(), objects.tolist(), bright_values.tolist(), color_values.tolist())
        return [Attributes(*row) for row in zip(*columns, strict=True)]


def _likelihood(temperature: float, uniform: float) -> FloatArray:
    scores = (
        _table(SCENE, SCENES)[:, :, None, None, None]
        + _table(OBJECT, OBJECTS)[:, None, :, None, None]
        + np.array([BRIGHTNESS[name] for name in EMOTIONS])[:, None, None, :, None]
        + np.array([COLOR[name] for name in EMOTIONS])[:, None, None, None, :]
    )
    for scene, thing, emotion, bonus in INTERACTIONS:
        scores[EMOTIONS.index(emotion), SCENES.index(scene), OBJECTS.index(thing)] += bonus
    weights = np.exp(scores / temperature)
    weights /= weights.sum(axis=(1, 2, 3, 4), keepdims=True)
    cells = weights[0].size
    mixed: FloatArray = (1.0 - uniform) * weights + uniform / cells
    return mixed


def _table(scores: dict[str, dict[str, float]], columns: tuple[str, ...]) -> FloatArray:
    table = np.zeros((len(EMOTIONS), len(columns)))
    for emotion, row in scores.items():
        for name, score in row.items():
            table[EMOTIONS.index(emotion), columns.index(name)] = score
    return table
