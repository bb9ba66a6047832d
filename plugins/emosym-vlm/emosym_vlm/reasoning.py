"""A reason that is written and an answer after it: how improbable a given one is, and what the model itself writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from emosym.contracts import Conclusion
from emosym_vlm.prefix import Continuation
from emosym_vlm.prompt import Batch
from emosym_vlm.spelling import Speller
from emosym_vlm.writing import decode

_TAIL = 16
"""Tokens at the end of a text among which a cue is looked for."""


def with_turns(batch: Batch, turns: Sequence[Sequence[Sequence[int]]], filler: int) -> tuple[Batch, Tensor]:
    """The batch with the ids of each turn's parts in its slots; and the part [B,S] that a slot belongs to, -1 for none."""
    joined = [[one for part in turn for one in part] for turn in turns]
    longest = batch.columns.shape[1]
    ids = torch.tensor([row + [filler] * (longest - len(row)) for row in joined])
    parts = torch.tensor(
        [
            [number for number, part in enumerate(turn) for _ in part] + [-1] * (longest - len(row))
            for turn, row in zip(turns, joined, strict=True)
        ]
    ).to(batch.ids.device)
    filled, mask = batch.ids.clone(), batch.mask.clone()
    filled[batch.rows, batch.columns] = ids.to(filled.device)
    mask[batch.rows, batch.columns] = (parts >= 0).to(mask.dtype)
    return replace(batch, ids=filled, mask=mask), parts


def improbability(model: Any, batch: Batch, states: Tensor, parts: Tensor, count: int) -> Tensor:
    """Mean negative log-likelihood of a token [B,P] in each of P = ``count`` parts; ``states`` [B,N,D] are of the whole
    batch, ``parts`` as of :func:`with_turns`."""
    spoken = parts >= 0
    before = states[batch.rows, batch.columns - 1][spoken]  # the state at a token says the next one
    wanted = batch.ids[batch.rows, batch.columns][spoken]
    losses = F.cross_entropy(_logits(model, before), wanted, reduction="none")
    slots = (batch.rows * count + parts)[spoken]
    sums = losses.new_zeros(len(parts) * count).index_add(0, slots, losses)
    counts = slots.bincount(minlength=len(parts) * count)
    means: Tensor = (sums / counts.clamp(min=1)).unflatten(0, (-1, count))
    return means


def conclude(
    after: Continuation,
    last: Tensor,
    speller: Speller,
    cue: str,
    answers: Sequence[str],
    most: int,
    *,
    shared: bool,
) -> Conclusion:
    """Write after the prompt, whose last states are ``last`` [B,D], and look at what the model would answer.

    ``shared`` says whether the answers may share keys and values.
    """
    ends, spelled = speller.ends.to(after.mask.device), speller.answers(cue, answers)
    written, last, cued = _write_until(after, last, speller.tokenizer, ends, cue, most)
    texts = decode(written, ends, speller.tokenizer) if written.shape[1] else [""] * len(last)
    if not bool(cued.all()):
        forced = torch.tensor(speller.cue(cue), device=ends.device)
        states = after.read_ids(forced.expand(len(last), -1), ~cued[:, None].expand(-1, len(forced)))
        last = torch.where(cued[:, None], last, states[:, -1])
    chunks = [spelled] if shared else [[one] for one in spelled]
    scores = torch.cat([_of_answers(after.branch(len(chunk)), last, chunk) for chunk in chunks], 1)
    return Conclusion([text.partition(cue)[0].strip() for text in texts], scores)


def _write_until(
    after: Continuation, last: Tensor, tokenizer: PreTrainedTokenizerBase, ends: Tensor, cue: str, most: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Greedy ids [B,S] up to the cue, an end or ``most``; the state [B,D] at each text's last token; and whose text
    holds the cue [B]. A row that is done waits without being read."""
    writing = torch.ones(len(last), dtype=torch.bool, device=ends.device)
    cued, written = torch.zeros_like(writing), torch.zeros(len(last), 0, dtype=torch.long, device=ends.device)
    while written.shape[1] < most and bool(writing.any()):
        chosen = after.model.get_output_embeddings()(last).argmax(-1).to(ends.device)
        chosen = torch.where(writing, chosen, ends[0] if len(ends) else after.filler)
        written = torch.cat([written, chosen[:, None]], 1)
        writing = writing & ~torch.isin(chosen, ends)
        if not bool(writing.any()):
            break
        states = after.read_ids(chosen[:, None], writing[:, None])[:, -1]
        last = torch.where(writing[:, None], states, last)
        tails = tokenizer.batch_decode(written[:, -_TAIL:])
        found = torch.tensor([cue in tail for tail in tails], device=ends.device) & writing
        cued, writing = cued | found, writing & ~found
    return written, last, cued


def _of_answers(after: Continuation, last: Tensor, answers: Sequence[Sequence[int]]) -> Tensor:
    """Log-probabilities [B,C] of the answers after ``last`` [B,D]; ``after`` reads C rows a sample."""
    longest, device = max(map(len, answers)), after.mask.device
    ids = torch.tensor([[*one, *[after.filler] * (longest - len(one))] for one in answers], device=device)
    spoken = torch.tensor([[place < len(one) for place in range(longest)] for one in answers], device=device)
    scores = _logits(after.model, last).log_softmax(-1)[:, ids[:, 0]]
    if longest == 1:
        return scores
    count = len(last)
    states = after.read_ids(ids[:, :-1].repeat(count, 1), spoken[:, 1:].repeat(count, 1))
    following = _logits(after.model, states).log_softmax(-1)
    each = following.gather(-1, ids[:, 1:].repeat(count, 1)[..., None])[..., 0]
    rest = each.masked_fill(~spoken[:, 1:].repeat(count, 1), 0.0).sum(-1)
    both: Tensor = scores + rest.unflatten(0, (count, len(answers)))
    return both


def _logits(model: Any, states: Tensor) -> Tensor:
    """Logits [...,V] in float32, as the stock model has them."""
    head = model.get_output_embeddings()
    logits: Tensor = head(states.to(head.weight.device)).float().to(states.device)
    cap = getattr(model.config.get_text_config(decoder=True), "final_logit_softcapping", None)
    return cap * (logits / cap).tanh() if cap else logits
