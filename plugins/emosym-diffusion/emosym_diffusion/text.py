"""One frozen text encoder whose prompts take vectors in place of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

import torch
from emosym_registry import EmosymError
from torch import Tensor, nn

from emosym.toolkit import embedded
from emosym_diffusion.prompts import PromptTokenizer, check_placeholders

_LEGACY_END = 2
"""CLIP configs written before transformers 4.31 say 2; the encoder then pools at the highest id of the
prompt."""


class TextTower(nn.Module):
    """A CLIP text encoder with its tokenizer."""

    def __init__(self, encoder: Any, tokenizer: Any, name: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.name = name
        self.prompts = PromptTokenizer(
            tokenizer, encoder.config.max_position_embeddings, f"text encoder {name!r}"
        )
        rows = self._embedding.num_embeddings
        if len(tokenizer) > rows:
            raise EmosymError(
                "diffusion.bad-tokenizer",
                f"text encoder {name!r} embeds {rows} tokens and its tokenizer has {len(tokenizer)}",
                hint="use the tokenizer that the model was trained with",
            )

    @property
    def _embedding(self) -> nn.Embedding:
        return cast(nn.Embedding, self.encoder.get_input_embeddings())

    @property
    def token_width(self) -> int:
        """Width of a token's embedding."""
        return int(self._embedding.embedding_dim)

    @property
    def hidden_width(self) -> int:
        """Width of the hidden states."""
        return int(self.encoder.config.hidden_size)

    @cached_property
    def token_norm(self) -> float:
        """Mean Euclidean norm of the vocabulary's embeddings."""
        return float(self._embedding.weight.detach().float().norm(dim=1).mean())

    def require_pooling(self) -> None:
        """Refuse a tokenizer whose end token is not where the encoder pools: it would pool another token
        silently."""
        end, expected = self.prompts.end_id, int(self.encoder.config.eos_token_id)
        legacy = expected == _LEGACY_END and end == self._embedding.num_embeddings - 1
        if end != expected and not legacy:
            raise EmosymError(
                "diffusion.bad-end-token",
                f"text encoder {self.name!r} pools at token {expected}, its tokenizer ends prompts with {end}",
                hint=f"set eos_token_id of the encoder's config.json to {end}",
            )

    def forward(self, prompts: Sequence[str], vectors: Tensor | None) -> Any:
        """The encoder's output, with all hidden states, for B prompts with ``vectors`` [B,n,w] at their
        placeholders, None for plain prompts.

        Differentiable in ``vectors``; plain prompts build no graph.
        """
        check_placeholders(prompts, wanted=vectors is not None)
        self._check_vectors(vectors, len(prompts))
        tokens = self.prompts(prompts, None if vectors is None else vectors.shape[1])
        device = self._embedding.weight.device
        # Stable Diffusion's encoders were trained to see their padding; the few that were not say so.
        masked = getattr(self.encoder.config, "use_attention_mask", False)
        inputs = {
            "input_ids": tokens.ids.to(device),
            "attention_mask": tokens.mask.to(device) if masked else None,
            "output_hidden_states": True,
        }
        if vectors is None or tokens.slots is None:
            with torch.no_grad():
                return self.encoder(**inputs)
        rows = torch.arange(len(prompts), device=device)[:, None]
        with embedded(self._embedding, (rows, tokens.slots.to(device)), vectors):
            return self.encoder(**inputs)

    def _check_vectors(self, vectors: Tensor | None, prompts: int) -> None:
        if vectors is None:
            return
        shape = tuple(vectors.shape)
        if len(shape) != 3 or shape[0] != prompts or shape[1] < 1 or shape[2] != self.token_width:
            raise EmosymError(
                "diffusion.bad-vectors",
                f"text encoder {self.name!r} needs vectors [{prompts},n,{self.token_width}] "
                f"for {prompts} prompts, got {list(shape)}",
                hint="one row a prompt, n >= 1, and the widths that the head names in token_widths",
                ours=True,
            )
