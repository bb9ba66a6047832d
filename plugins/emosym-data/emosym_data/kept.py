"""Texts that were made, in a file of JSON lines that grows text by text and that knowledge ``jsonl`` reads as it is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError
from filelock import FileLock, Timeout

from emosym.toolkit import cannot_write, make_folder, written_whole
from emosym_data.findings import Findings

Line = dict[str, Any]
"""``id`` and ``text`` (null where the picture got none); ``key`` says what it was made from, and a line without one was
written by hand. What else was noted (model, tokens, cost) stays."""
COST = ("tokens_in", "tokens_out", "cost")
"""What a line says of what it took; a copy of it took nothing."""


class TextFile:
    """One line for each image, and beside it, in ``NAME.replaced.jsonl``, those that a later prompt, model or picture has
    replaced: whoever goes back to them pays nothing again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replaced = path.with_name(f"{path.stem}.replaced{path.suffix}")

    @contextmanager
    def owned(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Make texts alone, after ``waiting`` for any other process that makes some for the same file."""
        make_folder(self.path.parent)
        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
        except OSError as error:
            raise cannot_write(self.path, error) from error
        try:
            yield
        finally:
            lock.release()

    def find(self, wanted: Mapping[str, str]) -> dict[str, Line]:
        """The lines of images by id, for ``wanted`` keys by id: their own, one written by hand, or that of another image
        that is the same picture."""
        return self._find(wanted, self._read(self.path)[0], self._read(self.replaced)[0])

    def settle(self, wanted: Mapping[str, str]) -> dict[str, Line]:
        """As :meth:`find`; afterwards the file holds these lines, and no other of these images. Only inside
        :meth:`owned`."""
        lines, torn = self._read(self.path)
        older, _ = self._read(self.replaced)
        found = self._find(wanted, lines, older)
        stale = [line for line in lines if _is_stale(line, wanted)]
        kept = [line for line in lines if not _is_stale(line, wanted)]
        if torn or stale:
            self._append(self.replaced, (line for line in stale if line not in older))
            with written_whole(self.path) as partial:
                partial.write_text("".join(map(_text, kept)), encoding="utf-8")
        held = {line["id"] for line in kept}
        self._append(self.path, (line for id, line in found.items() if id not in held))
        return found

    def add(self, lines: Iterable[Line]) -> None:
        """Append lines; they outlive this process."""
        self._append(self.path, lines)

    def all_lines(self) -> Sequence[Line]:
        """Every line that anything was paid for, those that were replaced too."""
        both = [*self._read(self.path)[0], *self._read(self.replaced)[0]]
        return list({(line["id"], line.get("key", "")): line for line in both}.values())

    def _find(self, wanted: Mapping[str, str], lines: list[Line], older: list[Line]) -> dict[str, Line]:
        own = {line["id"]: line for line in lines if not _is_stale(line, wanted)}
        by_key: dict[str, Line] = {}
        for line in (*lines, *older):
            if line.get("key"):
                by_key.setdefault(line["key"], line)
        found = {id: own[id] for id in wanted if id in own}
        for id, key in wanted.items():
            if id not in found and key in by_key:
                same = by_key[key]
                spent = () if same["id"] == id else COST
                found[id] = {"id": id, **{k: v for k, v in same.items() if k != "id" and k not in spent}}
        return found

    def _append(self, path: Path, lines: Iterable[Line]) -> None:
        text = "".join(map(_text, lines))
        if not text:
            return
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(path, error) from error

    def _read(self, path: Path) -> tuple[list[Line], bool]:
        """The lines of a file, and whether its end is torn: cut off by a kill, or without its line break."""
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise EmosymError(
                "data.no-knowledge-file", f"{path}: cannot be read ({error})", hint="name another file"
            ) from error
        lines, findings = [], Findings()
        rows = text.split("\n")
        for number, row in enumerate(rows, 1):
            if not row.strip():
                continue
            try:
                lines.append(_line(json.loads(row)))
            except ValueError as error:
                if number < len(rows):
                    findings.add("bad line", f"{path}:{number}: {error}")
        if findings:
            hint = 'every line is {"id": …, "text": …}; mend it, or name another file'
            raise findings.error("data.bad-knowledge", str(path), hint)
        return lines, bool(rows[-1])


def _is_stale(line: Line, wanted: Mapping[str, str]) -> bool:
    """Whether a line is of a picture that is asked for, and was made from something else."""
    key = line.get("key")
    return bool(key) and wanted.get(line["id"], key) != key


def _line(content: Any) -> Line:
    if not isinstance(content, dict) or not isinstance(content.get("id"), str):
        raise ValueError("an object with an id is expected")
    text = content.get("text", "")
    if not (text is None or (isinstance(text, str) and text.strip())):
        raise ValueError("text is missing or empty")
    return content


def _text(line: Line) -> str:
    return json.dumps(line, ensure_ascii=False) + "\n"
