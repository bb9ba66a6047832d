"""Names of tensors in files and in our models, brought to one form."""

from __future__ import annotations

from collections.abc import Iterable

WRAPPERS = frozenset({"base_model", "model", "language_model", "text_model", "module"})
"""Leading parts that say how a model is wrapped: by PEFT, by a task head, by a family (transformers 4 has
``model.layers``, transformers 5 ``model.language_model.layers``)."""
LAYER = "base_layer"
"""What PEFT puts between a layer's name and its frozen weight."""
ADAPTER = "default"
"""PEFT's own name for an adapter that has none."""
PROJECTOR = ("projector", "merger", "connector", "aligner", "resampler", "modality_projection")
VISION = ("visual", "vision")


def plain(name: str) -> str:
    """``name`` without wrappers in front and without what PEFT adds within.

    ``base_model.model.model.layers.0.mlp.up_proj.lora_A.default.weight`` is ``layers.0.mlp.up_proj.lora_A.weight``.
    """
    parts = name.split(".")
    while len(parts) > 1 and parts[0] in WRAPPERS:
        parts = parts[1:]
    parts = [part for part in parts if part not in (LAYER, ADAPTER)]
    if parts[-1] == "lora_magnitude_vector":  # PEFT saves DoRA's magnitudes without it
        parts.append("weight")
    return ".".join(parts)


def plainly(names: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Names by their plain form, and a complaint for each form that two of them share."""
    found: dict[str, str] = {}
    twice = []
    for name in names:
        if (form := plain(name)) in found:
            twice.append(f"{name} and {found[form]} stand for the same tensor")
        found.setdefault(form, name)
    return found, twice


def part_of_model(form: str) -> str:
    """``language``, ``vision`` or ``projector``: the part that a plain name lies in."""
    pieces = form.split(".")
    if any(word in piece for piece in pieces for word in PROJECTOR):
        return "projector"
    return "vision" if any(word in pieces[0] for word in VISION) else "language"
