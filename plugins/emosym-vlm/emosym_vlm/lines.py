"""Which families of transformers each backbone reads; imports nothing."""

from __future__ import annotations

from collections.abc import Mapping

LINES: Mapping[str, tuple[str, ...]] = {
    "qwen-vl": ("qwen2_vl", "qwen2_5_vl", "qwen3_vl"),
    "llava": ("llava", "llava_next", "llava_onevision"),
    "hf-vlm": (),
}
"""``model_type`` of configs by component; empty for any."""


def reader_of(family: str) -> str:
    """The backbone for a family: the one that names it, else the one that takes any."""
    return next((name for name, families in LINES.items() if family in families), "hf-vlm")
