"""Refusals of a call: what does not fit the model, a prefix of other weights, an image beyond the budget."""

from __future__ import annotations

from collections.abc import Sequence

from emosym_registry import EmosymError
from torch import Tensor
from transformers import PreTrainedModel

from emosym.contracts import Prefix, Sample
from emosym_vlm.prompt import Prompt


def check_tokens(tokens: Tensor, rows: int, width: int) -> None:
    """``tokens`` must be [rows,T,width] with T ≥ 1, else ``backbone.bad-tokens``."""
    if tokens.ndim != 3 or tokens.shape[0] != rows or tokens.shape[2] != width or tokens.shape[1] == 0:
        raise EmosymError(
            "backbone.bad-tokens",
            f"tokens must be [{rows},T,{width}] with T ≥ 1, got {list(tokens.shape)}",
            hint="one row a sample, or G rows in a row for each sample of a prefix",
            ours=True,
        )


def check_fresh(prefix: Prefix, fingerprint: str) -> None:
    """``backbone.stale-prefix`` where the weights are no longer those of ``prefix``."""
    if prefix.fingerprint != fingerprint:
        raise EmosymError(
            "backbone.stale-prefix",
            "this prefix was made with other weights (an optimiser step or a load came in between)",
            hint="encode the samples again",
            ours=True,
        )


def check_readable(model: PreTrainedModel, shares: bool) -> None:
    """``backbone.no-shared-prefix`` or ``backbone.checkpointing`` where ``model`` cannot go on from a prefix."""
    if not shares:
        raise EmosymError(
            "backbone.no-shared-prefix",
            f"{type(model).__name__} does not keep all keys and values, its prefixes cannot be shared",
            hint="use forward (shares_prefixes says so)",
            ours=True,
        )
    if model.training and model.is_activation_checkpointing:
        raise EmosymError(
            "backbone.checkpointing",
            "a prefix cannot be read in training mode with gradient checkpointing, which drops keys and values",
            hint="call eval(), use forward, or turn gradient_checkpointing off",
            ours=True,
        )


def check_samples(samples: Sequence[Sample]) -> None:
    """``backbone.empty-batch`` where there are none."""
    if not samples:
        raise EmosymError(
            "backbone.empty-batch", "there are no samples to read", hint="pass at least one", ours=True
        )


def check_lengths(
    samples: Sequence[Sample], prompts: Sequence[Prompt], count: int, limit: int | None, image_token: int
) -> None:
    """``backbone.prompt-too-long`` for a prompt that with ``count`` tokens exceeds ``limit``: nothing is cut."""
    for sample, prompt in zip(samples, prompts, strict=True):
        if limit is not None and len(prompt.ids) + count > limit:
            images = int((prompt.ids == image_token).sum())
            raise EmosymError(
                "backbone.prompt-too-long",
                f"sample {sample.id}: {len(prompt.ids) + count} tokens ({images} of them image tokens), the model takes {limit}",
                hint="lower backbone.params.max_pixels, use fewer images a sample, or a shorter question",
            )
