"""What a component must do. Names load on first use, so importing this package imports no torch."""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "config": ("ComponentConfig",),
    "labels": ("LabelSet", "MIKELS_8", "MIKELS_WHEEL", "POSITIVE"),
    "data": (
        "Candidate", "Context", "Evidence", "Generated", "ImageSource", "LedgerEntry", "LossTerms", "Reading", "Refresh",
        "Rollouts", "Sample", "States", "open_image",
    ),
    "backbone": ("Backbone", "Prefix", "QUESTION"),
    "compressor": ("ReasoningCompressor",),
    "reward": ("Needs", "RewardVerifier"),
    "diffusion": ("Condition", "DiffusionHead", "PLACEHOLDER", "Vectors"),
    "footprint": ("Footprint", "Workload"),
    "memory": ("MemoryBank",),
    "support": (
        "Dataset", "EmotionSpace", "Fusion", "Judge", "Knowledge", "Metric", "Policy", "Reinforcer", "SPLITS", "TextEncoder",
        "require_labels",
    ),
}  # fmt: skip
_MODULE = {name: module for module, names in _WHERE.items() for name in names}
CONTRACTS = {
    "backbone": "Backbone",
    "compressor": "ReasoningCompressor",
    "reward": "RewardVerifier",
    "diffusion": "DiffusionHead",
    "memory": "MemoryBank",
    "dataset": "Dataset",
    "knowledge": "Knowledge",
    "text_encoder": "TextEncoder",
    "judge": "Judge",
    "reinforcer": "Reinforcer",
    "fusion": "Fusion",
    "emotion_space": "EmotionSpace",
    "metric": "Metric",
}
"""The name of the abstract base class of each kind of component."""

__all__ = ["CONTRACTS", *sorted(_MODULE)]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE[name]}"), name)
