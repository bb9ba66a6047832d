"""Ids of a tokenizer that reading and writing need, and text from written ids."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


def choose_filler(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> int:
    """An id that stands where vectors will be; it must not be one that models look for."""
    special = {
        value for name, value in config.to_dict().items() if name.endswith(("_token_id", "_token_index"))
    }
    special -= {tokenizer.pad_token_id, tokenizer.eos_token_id}
    candidates = (tokenizer.pad_token_id, tokenizer.eos_token_id, *range(len(tokenizer)))
    return next(int(one) for one in candidates if one is not None and one not in special)


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, device: torch.device) -> Tensor:
    """Ids [n] after which a text is over."""
    declared = model.generation_config.eos_token_id if model.generation_config else None
    ends = declared if isinstance(declared, list) else [declared]
    known = {int(one) for one in [*ends, tokenizer.eos_token_id] if one is not None}
    return torch.tensor(sorted(known), dtype=torch.long, device=device)


def decode(written: Tensor, ends: Tensor, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Texts [B] of ``written`` [B,S], each up to its first end."""
    texts = []
    for row in written:
        stops = torch.isin(row, ends).nonzero()
        kept = row[: int(stops[0])] if len(stops) else row
        texts.append(tokenizer.decode(kept, skip_special_tokens=True).strip())
    return texts
