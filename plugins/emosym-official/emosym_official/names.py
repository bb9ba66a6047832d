"""Names of tensors in files and in our models, brought to one form."""

from __future__ import annotations

from collections.abc import Iterable

WRAPPERS = frozenset({"base_model", "model", "language_model", "text_model", "module"})
"""Leading parts that say how a model is wrapped: by PEFT, by a task head, by a family (transformers 4 has
``model.layers``, transformers 5 ``model.language_model.layers``)."""
WITHIN = ("base_layer", "default")
"""What PEFT puts within a name: before a layer's frozen weight, and for an adapter that has no name."""
PROJECTOR = ("projector", "merger", "connector", "aligner", "resampler", "modality_projection")
VISION = ("visual", "vision")


def plain(name: str) -> str:
    """``name`` without wrappers in front and without what PEFT adds within.

    ``base_model.model.model.layers.0.up_proj.lora_A.default.weight`` is ``layers.0.up_proj.lora_A.weight``.
    """
    parts = name.split(".")
    while len(parts) > 1 and parts[0] in WRAPPERS:
        parts = parts[1:]
    parts = [part for part in parts if part not in WITHIN]
    if parts[-1] == "lora_magnitude_vector":  # PEFT saves DoRA's magnitudes without it
        parts.append("weight")
    return ".".join(parts)


def by_plain_name(names: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Names by their plain form, and a complaint for each form that two of them share."""
    forms: dict[str, str] = {}
    problems = []
    for name in names:
        if (form := plain(name)) in forms:
            problems.append(f"{name} and {forms[form]} stand for the same tensor")
        forms.setdefault(form, name)
    return forms, problems


def part_of_model(form: str) -> str:
    """``language``, ``vision`` or ``projector``: the part that a plain name lies in."""
    modules = form.split(".")
    if any(word in module for module in modules for word in PROJECTOR):
        return "projector"
    return "vision" if any(word in modules[0] for word in VISION) else "language"
