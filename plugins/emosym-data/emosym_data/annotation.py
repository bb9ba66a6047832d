"""What an annotation file says of an image."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError

NUMBERS = ("brightness", "colorfulness")
LISTS = ("object",)
NEVER = ("emotion", "image_id")
"""The label is no attribute: an unlabelled image would give it away."""


class Annotation(Mapping[str, Any]):
    """Attributes of one image, read from its file when they are first asked for.

    ``brightness`` and ``colorfulness`` are floats, ``object`` a list, the rest as written. With ``hidden``
    (the learner does not get the image's label) ``reasoning``, which may name the emotion, gives way to
    ``reasoning_blind``.
    """

    def __init__(self, file: Path, hidden: bool = False) -> None:
        self._file, self._hidden = file, hidden
        self._content: dict[str, Any] | None = None

    def load(self) -> dict[str, Any]:
        """The attributes; a missing or broken file is an error that names it."""
        if self._content is None:
            self._content = attributes_of(_read(self._file), self._file, self._hidden)
        return self._content

    def __getitem__(self, key: str) -> Any:
        return self.load()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.load())

    def __len__(self) -> int:
        return len(self.load())

    def __repr__(self) -> str:
        return f"Annotation({str(self._file)!r})"


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EmosymError(
            "data.bad-annotation",
            f"{file}: cannot be read ({error})",
            hint="mend it, or set annotations: none to go without",
        ) from error
    if not isinstance(content, dict):
        raise EmosymError(
            "data.bad-annotation", f"{file}: an object is expected, found {type(content).__name__}"
        )
    return content


def attributes_of(content: Mapping[str, Any], where: object, hidden: bool) -> dict[str, Any]:
    """Annotations of an image in the forms of ``Sample.attributes``; what cannot have its form is an error at ``where``."""
    attributes = {
        key: value for key, value in content.items() if key not in NEVER and value not in (None, "", [])
    }
    for key in NUMBERS:
        if key in attributes:
            try:
                attributes[key] = float(attributes[key])
            except (TypeError, ValueError) as error:
                raise EmosymError(
                    "data.bad-annotation", f"{where}: {key} is {attributes[key]!r}, not a number"
                ) from error
    for key in LISTS:
        if isinstance(attributes.get(key), str):
            attributes[key] = [attributes[key]]
    if hidden:
        blind = attributes.get("reasoning_blind")
        attributes.pop("reasoning", None)
        if blind is not None:
            attributes["reasoning"] = blind
    return attributes
