"""What knowledge that makes its texts shares: what each was made from, where it is kept, and what of it is said."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from typing_extensions import TypeVar

from emosym.contracts import Context, ImageSource, Sample, open_image
from emosym_data.config import MadeConfig
from emosym_data.kept import Line, TextFile
from emosym_data.knowledge import TextKnowledge

MadeConfigT = TypeVar("MadeConfigT", bound=MadeConfig, default=MadeConfig)
Keep = Callable[..., None]
"""``keep(sample, text, **facts)``: keep one text, None where the picture got none, from any thread."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+")


class MadeKnowledge(TextKnowledge[MadeConfigT]):
    """Makes a text for each picture that has none in its file yet. Pictures of the memory bank get none."""

    def __init__(self, config: MadeConfigT, context: Context) -> None:
        super().__init__(config, context)
        self._texts: dict[tuple[str, str], str | None] = {}
        """By id and key, those too that could not be made: within a run an answer stays what it was."""

    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """All that a text depends on beside the picture: whatever changes here makes every text anew."""

    @abstractmethod
    def make(self, samples: Sequence[Sample], keep: Keep) -> None:
        """Make the texts of different pictures and ``keep`` each as soon as it is there. A picture that is left out, because
        something went wrong, is tried again by the next run."""

    @property
    def file(self) -> Path:
        return self.config.file.expanduser() if self.config.file is not None else self.resources.file

    @property
    def kept(self) -> TextFile:
        """The texts that the file holds."""
        return TextFile(self.file)

    def own(self, samples: Sequence[Sample]) -> list[str | None]:
        keys = self._keys(samples)
        if any(item not in self._texts for item in keys.items()):
            self._fill(samples, keys)
        return [
            self._said(self._texts[sample.id, keys[sample.id]]) if sample.id in keys else None
            for sample in samples
        ]

    def plan(self, samples: Sequence[Sample]) -> str:
        keys = self._keys(samples)
        found = self.kept.find(keys)
        missing = {key for id, key in keys.items() if id not in found and (id, key) not in self._texts}
        return self.sentence(len(missing), len(keys)) if missing else ""

    @abstractmethod
    def sentence(self, missing: int, total: int) -> str:
        """What it takes to make ``missing`` texts of ``total``."""

    def facts(self) -> Mapping[str, Any]:
        lines = self.kept.all_lines()
        totals = {
            name: sum(line.get(name) or 0 for line in lines) for name in ("tokens_in", "tokens_out", "cost")
        }
        return {"file": str(self.file), **{name: total for name, total in totals.items() if total}}

    def _keys(self, samples: Sequence[Sample]) -> dict[str, str]:
        """By id, what a text is made from: the content of the pictures and the settings. The bank's pictures have none."""
        settings = json.dumps(self.settings(), sort_keys=True, ensure_ascii=False)
        start = hashlib.sha256(settings.encode())
        keys = {}
        for sample in (one for one in samples if not one.generated):
            digest = start.copy()
            for source in sample.images:
                digest.update(content_of(source).encode())
            keys[sample.id] = digest.hexdigest()[:32]
        return keys

    def _fill(self, samples: Sequence[Sample], keys: Mapping[str, str]) -> None:
        """Take the texts of ``keys`` from the file, and make those that are missing."""
        total, show, turn = len(keys), self.resources.show, threading.Lock()
        file = self.kept
        with file.owned(lambda: show(0, total, "waiting for another process that makes texts for this file")):
            found = file.settle(keys)
            self._texts |= {(id, keys[id]): line["text"] for id, line in found.items()}
            missing: dict[str, list[Sample]] = {}
            for sample in samples:
                if (sample.id, keys.get(sample.id, "")) not in self._texts and sample.id in keys:
                    missing.setdefault(keys[sample.id], []).append(sample)

            done = total - sum(map(len, missing.values()))

            def keep(sample: Sample, text: str | None, **facts: Any) -> None:
                nonlocal done
                key, said = keys[sample.id], (text or "").strip() or None
                lines: list[Line] = [{"id": one.id, "text": said, "key": key} for one in missing[key]]
                with turn:
                    file.add([{**lines[0], **facts}, *lines[1:]])
                    self._texts |= {(line["id"], key): said for line in lines}
                    done += len(lines)
                    show(done, total, self.detail())

            if missing:
                self.make([same[0] for same in missing.values()], keep)
                for key, same in missing.items():
                    for sample in same:
                        self._texts.setdefault((sample.id, key), None)

    def detail(self) -> str:
        """What else is worth showing while texts are made."""
        return ""

    def _said(self, text: str | None) -> str | None:
        """A text without the sentences that name an emotion of the run, where these are to go."""
        if text is None or self.config.label_words == "keep":
            return text
        return without_labels(text, self.context.labels.names)


def without_labels(text: str, names: Sequence[str]) -> str | None:
    """The sentences of ``text`` that hold none of ``names`` as a word; None where all of them do."""
    word = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b", re.IGNORECASE)
    return " ".join(part for part in _SENTENCE.split(text) if not word.search(part)) or None


def whole_sentences(text: str) -> str:
    """A text that was cut off, up to the end of its last sentence; all of it where it has no end."""
    end = max(text.rfind(mark) for mark in ".!?")
    return text[: end + 1] if end > 0 else text


def content_of(source: ImageSource) -> str:
    """sha256 of a picture: of its file or bytes as they are, or of its pixels where it is open already."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    if isinstance(source, Path):
        try:
            known = source.stat()
            return _of_file(str(source), known.st_size, known.st_mtime_ns)
        except OSError:
            source = open_image(source)  # whose error says what is wrong with the file
    return hashlib.sha256(f"{source.mode} {source.size}\n".encode() + source.tobytes()).hexdigest()


@cache
def _of_file(path: str, size: int, changed: int) -> str:
    """A file that has not changed since is not read again."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
