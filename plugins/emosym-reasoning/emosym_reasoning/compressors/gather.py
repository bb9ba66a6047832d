"""Features of all processes, for a contrastive loss over the global batch."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def processes() -> int:
    """How many processes train together; 1 outside torch.distributed."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gather(rows: Tensor) -> Tensor:
    """Rows [B_r,...] of every process r, one after the other: [ΣB_r,...]; B_r may differ.

    Only the own part carries gradients, scaled by the number of processes: where every process computes the
    same global loss, the mean of gradients that DDP takes is then the gradient of that loss.
    """
    world = processes()
    if world == 1:
        return rows
    counts = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(world)]
    dist.all_gather(counts, torch.tensor([rows.shape[0]], device=rows.device))
    sizes = [int(count) for count in counts]
    padded = rows.new_zeros((max(sizes), *rows.shape[1:]))
    padded[: rows.shape[0]] = rows.detach()
    parts = [torch.empty_like(padded) for _ in range(world)]
    dist.all_gather(parts, padded)
    trimmed = [part[:size] for part, size in zip(parts, sizes, strict=True)]
    trimmed[dist.get_rank()] = rows + (world - 1) * (rows - rows.detach()) if rows.requires_grad else rows
    return torch.cat(trimmed)
