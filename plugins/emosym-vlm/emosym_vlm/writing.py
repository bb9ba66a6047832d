"""Greedy text after a prefix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from emosym_vlm.prefix import Continuation


def write_text(after: Continuation, last: Tensor, tokenizer: PreTrainedTokenizerBase, most: int) -> list[str]:
    """Texts [B] of at most ``most`` tokens each, from the states ``last`` [B,D] of the tokens before them."""
    head, ends = after.model.get_output_embeddings(), end_tokens(after.model, tokenizer, after.mask.device)
    written: list[Tensor] = []
    done = torch.zeros(len(last), dtype=torch.bool, device=ends.device)
    while len(written) < most:
        chosen = head(last).argmax(-1).to(ends.device).masked_fill(done, after.filler)
        done = done | torch.isin(chosen, ends)
        written.append(chosen)
        if bool(done.all()) or len(written) == most:
            break
        last = after.read_ids(chosen[:, None])[:, -1]
    return decode(torch.stack(written, 1), ends, tokenizer) if written else [""] * len(last)


def end_tokens(model: Any, tokenizer: PreTrainedTokenizerBase, device: torch.device) -> Tensor:
    """Ids [n] after which a text is over."""
    declared = model.generation_config.eos_token_id if model.generation_config else None
    ends = declared if isinstance(declared, list) else [declared]
    ids = {int(one) for one in [*ends, tokenizer.eos_token_id] if one is not None}
    return torch.tensor(sorted(ids), dtype=torch.long, device=device)


def decode(written: Tensor, ends: Tensor, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Texts [B] of ``written`` [B,S], each up to its first end."""
    texts = []
    for row in written:
        stops = torch.isin(row, ends).nonzero()
        kept = row[: int(stops[0])] if len(stops) else row
        texts.append(str(tokenizer.decode(kept, skip_special_tokens=True)).strip())
    return texts
