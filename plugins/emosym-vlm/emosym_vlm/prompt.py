"""One sample's prompt, and prompts laid side by side as the batch a model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import Sample


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
