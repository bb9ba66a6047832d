"""The conformance kit: subclass the suite of your component's kind, name the component, run pytest or
``emosym plugins check``. Names load on first use."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

_SUITES = {
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
_WHERE = {
    **{suite: f"suites.{kind}" for kind, suite in _SUITES.items()},
    **dict.fromkeys(("Check", "ConformanceError", "NotApplicable", "check", "require"), "checks"),
    **dict.fromkeys(("Result", "run_suite", "suite_for"), "runner"),
    **dict.fromkeys(("ConformanceSuite", "SIZES", "installed"), "suite"),
}
__all__ = [*sorted(_WHERE), "SUITES"]


class _Suites(Mapping[str, Any]):
    """Kind → its suite, imported when asked for."""

    def __getitem__(self, kind: str) -> Any:
        return __getattr__(_SUITES[kind])

    @staticmethod
    def name(kind: str) -> str:
        """The name of a kind's suite, without importing it."""
        return _SUITES[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(_SUITES)

    def __len__(self) -> int:
        return len(_SUITES)


SUITES = _Suites()


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
