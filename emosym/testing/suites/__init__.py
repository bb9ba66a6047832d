"""One suite a kind."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emosym.testing.generic import ComponentSuite

_NAMES = {
    "backbone": "BackboneSuite",
    "compressor": "CompressorSuite",
    "reward": "RewardSuite",
    "diffusion": "DiffusionSuite",
    "memory": "MemorySuite",
    "dataset": "DatasetSuite",
    "knowledge": "KnowledgeSuite",
    "text_encoder": "TextEncoderSuite",
    "judge": "JudgeSuite",
    "reinforcer": "ReinforcerSuite",
    "fusion": "FusionSuite",
    "emotion_space": "EmotionSpaceSuite",
    "metric": "MetricSuite",
}


class _Suites(Mapping[str, "type[ComponentSuite]"]):
    """Kind → its suite, imported when asked for."""

    def __getitem__(self, kind: str) -> type[ComponentSuite]:
        suite: type[ComponentSuite] = getattr(importlib.import_module(f"{__name__}.{kind}"), _NAMES[kind])
        return suite

    @staticmethod
    def name(kind: str) -> str:
        """The name of a kind's suite, without importing it."""
        return _NAMES[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


SUITES = _Suites()
