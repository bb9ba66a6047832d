"""Precisions by the words that specs use: ``fp32``, ``bf16``, ``fp16``."""

from __future__ import annotations

import torch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_dtype(word: str, default: torch.dtype | None) -> torch.dtype:
    """The dtype of a word; for ``auto`` the run's own, float32 where it has none."""
    return DTYPES[word] if word != "auto" else default or torch.float32
