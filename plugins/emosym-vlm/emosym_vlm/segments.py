"""Vision attention over packed images as few batched calls, by transformers' own attention interface."""

from __future__ import annotations

import inspect
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface

NAME = "emosym_flash_segments"
"""``flash`` in a name makes transformers hand over all images at once, with the borders between them."""


def segment_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: Tensor,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention within each segment of a packed sequence.

    ``query``, ``key``, ``value`` [1,H,N,d]; ``cu_seq_lens_q`` [S+1] are the borders of S segments. Segments
    of one length are computed as one batch, where the stock code calls attention once a segment; the result
    [1,N,H,d] is the same up to rounding.
    """
    lengths = (cu_seq_lens_q[1:] - cu_seq_lens_q[:-1]).tolist()
    packed = [states[0].transpose(0, 1) for states in (query, key, value)]
    if len(set(lengths)) == 1:
        return _batched(packed, lengths[0], scaling, dropout)[None], None
    each = torch.tensor(lengths, device=query.device)
    length_of = each.repeat_interleave(each)
    out = torch.empty_like(packed[2])
    for length in sorted(set(lengths)):
        where = (length_of == length).nonzero()[:, 0]
        part = _batched([states[where] for states in packed], length, scaling, dropout)
        out = out.index_copy(0, where, part)
    return out[None], None


def _batched(packed: list[Tensor], length: int, scaling: float | None, dropout: float) -> Tensor:
    """[S·length,H,d] three times to [S·length,H,d]."""
    query, key, value = (states.unflatten(0, (-1, length)).transpose(1, 2) for states in packed)
    out = F.scaled_dot_product_attention(query, key, value, scale=scaling, dropout_p=dropout)
    return out.transpose(1, 2).flatten(0, 1)


AttentionInterface.register(NAME, segment_attention)


def use_segments(vision: nn.Module) -> None:
    """Let a tower that packs its images (``cu_seqlens``) attend by :func:`segment_attention`."""
    packing = [
        module for module in vision.modules() if "cu_seqlens" in inspect.signature(module.forward).parameters
    ]
    configs: list[Any] = [module.config for module in packing if hasattr(module, "config")]
    if configs and hasattr(vision, "config"):
        configs.append(vision.config)
    for config in configs:
        config._attn_implementation = NAME
