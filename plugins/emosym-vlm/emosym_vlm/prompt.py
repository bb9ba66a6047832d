"""One sample's prompt, prompts laid side by side as the batch a model takes, and a memo of prompts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import ImageSource, Sample


@dataclass(frozen=True)
class Prompt:
    """A sample's prompt without any padding.

    ``ids`` [L]; ``positions`` [A,L] on A axes (1, or 3 for multimodal rotary positions) and ``next_position``
    [A] where the next token goes; ``types`` further marks [L] by name that the model's forward takes;
    ``features`` the image features [n,D] in the order of the image tokens, one tensor a stream (Qwen3-VL
    feeds deeper layers too).
    """

    ids: Tensor
    positions: Tensor
    next_position: Tensor
    types: Mapping[str, Tensor]
    features: tuple[Tensor, ...] = ()

    @property
    def bytes(self) -> int:
        """Memory of the features, by far the largest part."""
        return sum(part.numel() * part.element_size() for part in self.features) + self.ids.numel() * 8

    def on_cpu(self) -> Prompt:
        """Features detached and copied, so that they share no memory with the batch they came from."""
        return replace(self, features=tuple(part.detach().to("cpu", copy=True) for part in self.features))


@dataclass(frozen=True)
class Batch:
    """B prompts and T slots behind each: ``ids``, ``mask`` [B,N]; ``positions`` [B,N], or [A,B,N] on A axes.

    ``rows`` [B,1] and ``columns`` [B,T] are the slots; ``last`` [B] the column of each prompt's last token;
    ``lengths`` [B]; ``next_positions`` [B] or [B,A]; ``features`` as in :class:`Prompt`, all samples in a
    row.
    """

    ids: Tensor
    mask: Tensor
    positions: Tensor
    rows: Tensor
    columns: Tensor
    last: Tensor
    lengths: Tensor
    next_positions: Tensor
    types: Mapping[str, Tensor]
    features: tuple[Tensor, ...]


def lay_out(prompts: Sequence[Prompt], count: int, filler: int, side: str, device: torch.device) -> Batch:
    """Pad on ``side`` and append ``count`` slots to each prompt, right behind its own last token."""
    lengths = torch.tensor([len(prompt.ids) for prompt in prompts])
    total, axes = int(lengths.max()) + count, len(prompts[0].positions)
    ids = torch.full((len(prompts), total), filler)
    mask = torch.zeros(len(prompts), total, dtype=torch.long)
    positions = torch.zeros(axes, len(prompts), total, dtype=torch.long)
    types = {name: torch.zeros_like(ids) for name in prompts[0].types}
    starts = total - count - lengths if side == "left" else torch.zeros_like(lengths)
    steps = torch.arange(count)
    for row, (prompt, start) in enumerate(zip(prompts, starts.tolist(), strict=True)):
        end = start + len(prompt.ids)
        ids[row, start:end] = prompt.ids
        mask[row, start : end + count] = 1
        positions[:, row, start:end] = prompt.positions
        positions[:, row, end : end + count] = prompt.next_position[:, None] + steps
        for name, marks in prompt.types.items():
            types[name][row, start:end] = marks
    ends = starts + lengths
    following = torch.stack([prompt.next_position for prompt in prompts])
    streams = zip(*(prompt.features for prompt in prompts if prompt.features), strict=True)
    return Batch(
        ids=ids.to(device),
        mask=mask.to(device),
        positions=as_model_takes(positions).to(device),
        rows=torch.arange(len(prompts), device=device)[:, None],
        columns=(ends[:, None] + steps).to(device),
        last=(ends - 1).to(device),
        lengths=lengths.to(device),
        next_positions=(following[:, 0] if axes == 1 else following).to(device),
        types={name: marks.to(device) for name, marks in types.items()},
        features=tuple(torch.cat([part.to(device) for part in stream]) for stream in streams),
    )


def as_model_takes(positions: Tensor) -> Tensor:
    """[A,B,N] as it is on several axes, [B,N] on one."""
    return positions[0] if len(positions) == 1 else positions


def following_positions(next_positions: Tensor, count: int) -> Tensor:
    """Positions of ``count`` text tokens after a prefix: from [B] or [B,A] to [B,count] or [A,B,count]."""
    steps = torch.arange(count, device=next_positions.device)
    if next_positions.ndim == 1:
        return next_positions[:, None] + steps
    return next_positions.T[:, :, None] + steps


def check_tokens(tokens: Tensor, rows: int, width: int) -> None:
    """``tokens`` must be [rows,T,width] with T ≥ 1, else ``backbone.bad-tokens``."""
    if tokens.ndim != 3 or tokens.shape[0] != rows or tokens.shape[2] != width or tokens.shape[1] == 0:
        raise EmosymError(
            "backbone.bad-tokens",
            f"tokens must be [{rows},T,{width}] with T ≥ 1, got {list(tokens.shape)}",
            hint="one row a sample, or G rows in a row for each sample of a prefix",
            ours=True,
        )


def check_turns(turns: Sequence[Sequence[str]], rows: int) -> None:
    """``rows`` turns of equally many parts with some text in each turn, else ``backbone.bad-turns``."""
    if len(turns) != rows or len({len(parts) for parts in turns}) != 1 or not all(map(any, turns)):
        raise EmosymError(
            "backbone.bad-turns",
            f"expected {rows} turns of equally many parts, each with some text, got {[len(parts) for parts in turns]}",
            hint="leave samples out of which nothing is to be said",
            ours=True,
        )


def check_samples(samples: Sequence[Sample]) -> None:
    """``backbone.empty-batch`` where there are none."""
    if not samples:
        raise EmosymError(
            "backbone.empty-batch", "there are no samples to read", hint="pass at least one", ours=True
        )


def check_lengths(
    samples: Sequence[Sample],
    prompts: Sequence[Prompt],
    counts: Sequence[int],
    limit: int | None,
    image_token: int,
) -> None:
    """``backbone.prompt-too-long`` for one that with its count of tokens exceeds ``limit``: nothing is cut."""
    for sample, prompt, count in zip(samples, prompts, counts, strict=True):
        if limit is not None and len(prompt.ids) + count > limit:
            images = int((prompt.ids == image_token).sum())
            raise EmosymError(
                "backbone.prompt-too-long",
                f"sample {sample.id}: {len(prompt.ids) + count} tokens ({images} of them image tokens), "
                f"the model takes {limit}",
                hint="lower backbone.params.max_pixels, use fewer images a sample, or a shorter question",
            )


def image_key(source: ImageSource) -> Hashable:
    """Equal keys mean equal pictures: contents, or for a file its path, size and time of change."""
    if isinstance(source, bytes):
        return blake2b(source, digest_size=16).digest()
    if isinstance(source, Path):
        try:
            status = source.stat()
        except OSError:
            # Opening it will say what is wrong.
            return object()
        return str(source), status.st_size, status.st_mtime_ns
    picture = source.convert("RGB")
    return picture.size, blake2b(picture.tobytes(), digest_size=16).digest()


def sample_key(sample: Sample, question: str) -> Hashable:
    """What a prompt depends on: the question and the pictures, not the sample's id."""
    return question, *(image_key(source) for source in sample.images)


class PromptMemo:
    """Least recently used prompts, at most ``limit`` bytes, valid for one state of the vision weights."""

    def __init__(self, limit: int) -> None:
        self.limit, self._stamp = limit, ""
        self._prompts: OrderedDict[Hashable, Prompt] = OrderedDict()
        self.clear()

    def __len__(self) -> int:
        return len(self._prompts)

    def bind(self, stamp: str) -> None:
        """Forget everything when the weights are no longer those it was made with."""
        if stamp != self._stamp:
            self.clear()
            self._stamp = stamp

    def clear(self) -> None:
        """Forget everything, the counts of hits and misses too."""
        self._prompts.clear()
        self.size = self.hits = self.misses = 0

    def recall(
        self,
        samples: Sequence[Sample],
        questions: Sequence[str],
        read: Callable[[Sequence[Sample], Sequence[str]], list[Prompt]],
    ) -> list[Prompt]:
        """The prompts of ``samples`` with a question each, of which ``read`` makes those that are not kept."""
        keys = [sample_key(sample, question) for sample, question in zip(samples, questions, strict=True)]
        kept = {i: prompt for i, key in enumerate(keys) if (prompt := self.get(key)) is not None}
        missing = [i for i in range(len(samples)) if i not in kept]
        if missing:
            read_now = read([samples[i] for i in missing], [questions[i] for i in missing])
            for i, prompt in zip(missing, read_now, strict=True):
                self.put(keys[i], prompt)
                kept[i] = prompt
        return [kept[i] for i in range(len(samples))]

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
