"""One sample's prompt, and prompts laid side by side as the batch a model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Prompt:
    """A sample's prompt without any padding.

    ``ids`` [L]; ``positions`` [A,L] on A axes (1, or 3 for multimodal rotary positions) and ``next_position`` [A]
    where the next token goes; ``types`` further marks [L] by name that the model's forward takes; ``features`` the
    image features [n,D] in the order of the image tokens, one tensor a stream (Qwen3-VL feeds deeper layers too).
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
    """B prompts, each followed by T slots: ``ids`` and ``mask`` [B,N]; ``positions`` [B,N], or [A,B,N] on several axes.

    ``rows`` [B,1] and ``columns`` [B,T] are the slots; ``last`` [B] the column of each prompt's last token; ``lengths``
    [B]; ``next_positions`` [B] or [B,A]; ``features`` as in :class:`Prompt`, all samples in a row.
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
