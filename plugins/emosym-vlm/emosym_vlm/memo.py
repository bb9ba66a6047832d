"""Prompts of images already seen, kept in memory within a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from hashlib import blake2b
from pathlib import Path

from emosym.contracts import ImageSource, Sample
from emosym_vlm.prompt import Prompt


def image_key(source: ImageSource) -> Hashable:
    """Equal keys mean equal pictures: contents, or for a file its path, size and time of change."""
    if isinstance(source, bytes):
        return blake2b(source, digest_size=16).digest()
    if isinstance(source, Path):
        try:
            about = source.stat()
        except OSError:
            # Opening it will say what is wrong.
            return object()
        return str(source), about.st_size, about.st_mtime_ns
    picture = source.convert("RGB")
    return picture.size, blake2b(picture.tobytes(), digest_size=16).digest()


def sample_key(sample: Sample, question: str) -> Hashable:
    """What a prompt depends on: the question and the pictures, not the sample's id."""
    return question, *(image_key(source) for source in sample.images)


class PromptMemo:
    """Least recently used prompts, at most ``limit`` bytes, valid for one state of the vision weights."""

    def __init__(self, limit: int) -> None:
        self.limit, self.size, self.hits, self.misses = limit, 0, 0, 0
        self._prompts: OrderedDict[Hashable, Prompt] = OrderedDict()
        self._stamp = ""

    def __len__(self) -> int:
        return len(self._prompts)

    def bind(self, stamp: str) -> None:
        """Forget everything when the weights are no longer those it was made with."""
        if stamp != self._stamp:
            self._prompts.clear()
            self.size, self._stamp = 0, stamp

    def recall(
        self, samples: Sequence[Sample], question: str, read: Callable[[Sequence[Sample], str], list[Prompt]]
    ) -> list[Prompt]:
        """The prompts of ``samples``, of which ``read`` makes those that are not kept."""
        keys = [sample_key(sample, question) for sample in samples]
        found = {i: self.get(key) for i, key in enumerate(keys)}
        missing = [i for i, prompt in found.items() if prompt is None]
        if missing:
            for i, prompt in zip(missing, read([samples[i] for i in missing], question), strict=True):
                self.put(keys[i], prompt)
                found[i] = prompt
        return [prompt for prompt in found.values() if prompt is not None]

    def get(self, key: Hashable) -> Prompt | None:
        """The prompt of ``key``, or None."""
        prompt = self._prompts.get(key)
        if prompt is None:
            self.misses += 1
            return None
        self.hits += 1
        self._prompts.move_to_end(key)
        return prompt

    def put(self, key: Hashable, prompt: Prompt) -> None:
        """Keep a copy of ``prompt`` on the CPU; one larger than the bound is not kept."""
        kept = prompt.on_cpu()
        if key in self._prompts or kept.bytes > self.limit:
            return
        self._prompts[key] = kept
        self.size += kept.bytes
        while self.size > self.limit:
            self.size -= self._prompts.popitem(last=False)[1].bytes
