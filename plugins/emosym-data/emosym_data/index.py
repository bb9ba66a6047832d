"""Pictures that a JSON-lines file lists: an index of your own, or the one that ``emosym data check --index`` writes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from emosym_registry import EmosymError
from emosym_registry.errors import unknown
from pydantic import BaseModel, ConfigDict, ValidationError

from emosym.contracts import MIKELS_8, SPLITS, Context, Sample
from emosym_data.annotation import attributes_of
from emosym_data.config import IndexConfig
from emosym_data.files import check_pictures, missing_files
from emosym_data.findings import Findings
from emosym_data.labels import BINARY, Labeller
from emosym_data.splits import MEND, SplitDataset, check_splits
from emosym_data.subset import choose


class Row(BaseModel):
    """One line; other keys are passed over."""

    model_config = ConfigDict(strict=True, frozen=True)

    split: Literal["train", "val", "test"]
    image: str
    label: str | None = None
    id: str = ""
    attributes: Mapping[str, Any] = {}


class IndexFile(SplitDataset[IndexConfig]):
    """Splits, labels and attributes as a file has them, one JSON object a picture."""

    def __init__(self, config: IndexConfig, context: Context) -> None:
        super().__init__(config, context)
        self._file = config.path.expanduser()
        self._root = (config.root or self._file.parent).expanduser()
        self._read_rows: dict[str, list[Row]] | None = None

    def problems(self) -> list[str]:
        findings = Findings()
        splits = self._list(findings)
        if not findings:
            labels = {split: [str(one.label) for one in rows] for split, rows in splits.items()}
            check_splits(labels, str(self._file), findings, made=False)
            pictures = [(split, one.image) for split, rows in splits.items() for one in rows]
            check_pictures(self._root, pictures, findings, self.config)
        return findings.lines()

    def facts(self) -> Mapping[str, Any]:
        return {"sha256": hashlib.sha256(self._file.read_bytes()).hexdigest(), **self.skipped()}

    def _read(self, name: str) -> Sequence[Sample]:
        if self._read_rows is None:
            findings = Findings()
            self._read_rows = self._list(findings)
            if findings:
                raise findings.error("data.unsound", str(self._file), MEND)
        every = [one for rows in self._read_rows.values() for one in rows]
        label = Labeller(self.context.labels, self._emotions(every), str(self._file))
        rows = self._read_rows[name]
        chosen = choose([one.label for one in rows], name, self.config, self.context.seed)
        samples = []
        for place in chosen.indices:
            one = rows[place]
            hidden = one.label is None or place in chosen.hidden
            number = None if hidden else label(str(one.label))
            attributes = attributes_of(one.attributes, self._file, hidden)
            samples.append(Sample(one.id, (self._root / one.image,), number, attributes))
        return samples

    def _emotions(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """The emotions that the file may name: the run's labels, or Mikels' eight where those are binary."""
        own = {name.casefold() for name in self.context.labels.names}
        named = {one.label.casefold() for one in rows if one.label is not None}
        return MIKELS_8 if own == BINARY and not named <= BINARY else self.context.labels.names

    def _list(self, findings: Findings) -> dict[str, list[Row]]:
        splits: dict[str, list[Row]] = {split: [] for split in SPLITS}
        try:
            lines = self._file.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            findings.add("unreadable", f"{self._file}: cannot be read ({error}); check data.params.path")
            return splits
        ids: set[str] = set()
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f"{self._file}:{number}"
            try:
                row = Row.model_validate_json(line)
                attributes_of(row.attributes, where, False)
            except EmosymError as error:
                findings.add("bad line", error.message)
                continue
            except ValidationError as error:
                findings.add("bad line", f"{where}: {_said(error)}")
                continue
            row = row.model_copy(update={"id": row.id or row.image})
            if row.id in ids:
                findings.add("named twice", f"{where}: id {row.id!r} was named before")
            ids.add(row.id)
            splits[row.split].append(row)
        every = [one for rows in splits.values() for one in rows]
        known = self._emotions(every)
        folded = {name.casefold() for name in known}
        for name in sorted({one.label for one in every if one.label is not None}):
            if name.casefold() not in folded:
                error_ = unknown("data.unknown-label", "emotion", name, known, where=str(self._file))
                findings.add_error(error_, "unknown emotion")
        missing = missing_files(self._root, (one.image for one in every))
        findings.extend("missing image", (f"{self._root / path}: no such file" for path in missing))
        return splits


def _said(error: ValidationError) -> str:
    """The first thing that is wrong with a line."""
    first = error.errors(include_url=False)[0]
    key = ".".join(map(str, first["loc"]))
    return f"{key}: {first['msg']}" if key else str(first["msg"])
