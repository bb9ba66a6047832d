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
    "memory": ("MemoryBank",),
    "support": (
        "Dataset", "EmotionSpace", "Fusion", "Judge", "Knowledge", "Metric", "Policy", "Reinforcer", "SPLITS", "TextEncoder",
        "require_labels",
    ),
}  # fmt: skip
_MODULE = {name: module for module, names in _WHERE.items() for name in names}
__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE[name]}"), name)
