"""Knowledge from a file of its own: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError

from emosym.contracts import Context, Sample
from emosym_data.config import JsonlConfig
from emosym_data.findings import Findings
from emosym_data.knowledge import TextKnowledge


class JsonlKnowledge(TextKnowledge[JsonlConfig]):
    """Texts by sample id, or by the image's path (as much of its end as the file gives)."""

    def __init__(self, config: JsonlConfig, context: Context) -> None:
        super().__init__(config, context)
        self.by_id, self.by_image = read_texts(config.path.expanduser())

    def own(self, samples: Sequence[Sample]) -> list[str | None]:
        return [self.text(sample) for sample in samples]

    def text(self, sample: Sample) -> str | None:
        """What the file says of one sample."""
        if sample.id in self.by_id:
            return self.by_id[sample.id]
        source = sample.images[0]
        if isinstance(source, Path) and self.by_image:
            parts = source.parts
            for start in range(len(parts) - 1, -1, -1):
                text = self.by_image.get(Path(*parts[start:]).as_posix())
                if text is not None:
                    return text
        return None

    def texts(self, samples: Sequence[Sample]) -> list[str | None]:
        texts = super().texts(samples)
        real = [sample for sample in samples if not sample.generated]
        count = len(self.by_id) + len(self.by_image)
        if len(real) >= count and not any(self.text(sample) for sample in real):
            example = next(iter([*self.by_id, *self.by_image]))
            raise EmosymError(
                "data.unknown-ids",
                f"{self.config.path}: none of its {count} texts belongs to one of the {len(real)} samples",
                hint=f"it names {example!r}, the samples are called like {real[0].id!r}",
            )
        return texts


def read_texts(file: Path) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """Texts by id and by image path, None where the file says that there is none; every bad line is listed with its number in one error."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise EmosymError(
            "data.no-knowledge-file", f"{file}: cannot be read ({error})", hint="check knowledge.params.path"
        ) from error
    by_id: dict[str, str | None] = {}
    by_image: dict[str, str | None] = {}
    findings = Findings()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{file}:{number}"
        try:
            key, name, text = _entry(json.loads(line))
        except json.JSONDecodeError as error:
            findings.add("not JSON", f"{where}:{error.colno}: not JSON ({error.msg})")
            continue
        except ValueError as error:
            findings.add("bad line", f"{where}: {error}")
            continue
        known = by_id if key == "id" else by_image
        if name in known:
            findings.add("named twice", f"{where}: {key} {name!r} was named before")
        known[name] = text
    if not findings and not by_id and not by_image:
        findings.add("empty", f"{file}: no texts in it")
    if findings:
        hint = 'every line is {"id": …, "text": …} or {"image": …, "text": …}'
        raise findings.error("data.bad-knowledge", str(file), hint)
    return by_id, by_image


def _entry(content: Any) -> tuple[str, str, str | None]:
    """(id or image, its value, the text, None where it is null) of a line; ValueError says what is wrong."""
    if not isinstance(content, dict):
        raise ValueError(f"an object is expected, found {type(content).__name__}")
    keys = [key for key in ("id", "image") if key in content]
    if not keys:
        raise ValueError(f"neither id nor image, only {', '.join(map(repr, content)) or 'nothing'}")
    name, text = content[keys[0]], content.get("text", "")
    if not isinstance(name, str) or not name:
        raise ValueError(f"{keys[0]} is {name!r}, not a name")
    if text is not None and (not isinstance(text, str) or not text.strip()):
        raise ValueError("text is missing or empty")
    return keys[0], name, None if text is None else text.strip()
