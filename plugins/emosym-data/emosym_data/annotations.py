"""Knowledge from the dataset's own annotations: a text they hold, or a sentence made of their attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from emosym_registry import EmosymError

from emosym.contracts import Context, Sample
from emosym_data.config import AnnotationsConfig
from emosym_data.knowledge import TextKnowledge

_PART = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")
_NAME = re.compile(r"\{([A-Za-z_]\w*)\}")

WORDS = {
    "brightness": ("very dark", "dark", "neither dark nor bright", "bright", "very bright"),
    "colorfulness": (
        "almost without colour",
        "with little colour",
        "with some colour",
        "colourful",
        "very colourful",
    ),
}
"""Fifths of the scale from 0 to 1 in words."""


class AnnotationKnowledge(TextKnowledge[AnnotationsConfig]):
    """The text of ``field``, or ``template`` filled with the sample's attributes; None without either."""

    def __init__(self, config: AnnotationsConfig, context: Context) -> None:
        super().__init__(config, context)
        if config.field is None:
            check_template(config.template)

    def own(self, samples: Sequence[Sample]) -> list[str | None]:
        return [self.text(sample) for sample in samples]

    def text(self, sample: Sample) -> str | None:
        """What is annotated of one sample, in words."""
        if self.config.field is None:
            return fill(self.config.template, sample.attributes)
        value = sample.attributes.get(self.config.field)
        if value is None:
            return None
        if not isinstance(value, str):
            raise EmosymError(
                "data.not-a-text",
                f"sample {sample.id}: {self.config.field} is {type(value).__name__}, not a text",
                hint="choose a field that holds text, or leave field out to use the template",
            )
        return value.strip() or None


def check_template(template: str) -> None:
    """Refuse a template whose brackets do not match, or that names nothing."""
    plain = _NAME.sub("", _PART.sub(lambda part: part[1] or part[2] or "", template))
    if "{" in plain or "}" in plain or "[" in plain or "]" in plain or not _NAME.search(template):
        raise EmosymError(
            "data.bad-template",
            f"cannot read the template {template!r}",
            hint="write {name} for an annotation, [, {name}] for a part that may go; do not nest brackets",
        )


def fill(template: str, attributes: Mapping[str, Any]) -> str | None:
    """The sentence; None where none of its annotations is there, or one outside brackets is missing."""
    said, text = False, ""
    for optional, fixed in _PART.findall(template):
        part = optional or fixed
        values = {name: words(name, attributes.get(name)) for name in _NAME.findall(part)}
        if any(value is None for value in values.values()):
            if optional:
                continue
            return None
        text += part.format_map(values)
        said = said or bool(values)
    return " ".join(text.split()) if said else None


def words(name: str, value: Any) -> str | None:
    """An annotation in words: levels by their fifth, lists joined, underscores and slashes as spaces."""
    if value is None or value == "" or value == []:
        return None
    if name in WORDS and isinstance(value, int | float):
        return WORDS[name][min(max(int(value * 5), 0), 4)]
    if isinstance(value, list | tuple):
        return _join([str(words(name, one)) for one in value])
    return str(value).replace("_", " ").replace("/", " ").strip()


def _join(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]
