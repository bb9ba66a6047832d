"""InfoNCE between context states and the text that explains the image; the stage compress weighs it against the cross
entropy (½ and ½ in the paper)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emosym.contracts import Context, LossTerms, States
from emosym_reasoning.compressors.gather import gather
from emosym_reasoning.compressors.tokens import TokensOnly
from emosym_reasoning.config import ContrastiveConfig
from emosym_reasoning.layers import linear

IDENTICAL = 1 - 1e-6
"""Cosine above which two texts are the same text: float32 features of one text differ by less."""


def info_nce(
    queries: Tensor, keys: Tensor, temperature: float, *, symmetric: bool, not_negatives: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """InfoNCE of unit vectors ``queries`` and ``keys`` [N,W], row i with row i, and its retrieval accuracy.

    ``not_negatives`` bool [N,N] marks pairs left out of the denominators (its diagonal is ignored). Both
    results are scalars: the mean loss (of both directions where ``symmetric``) and the share of queries
    nearest to their own key.
    """
    logits = queries @ keys.T / temperature
    if not_negatives is not None:
        own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(not_negatives & ~own, float("-inf"))
    target = torch.arange(len(logits), device=logits.device)
    loss = F.cross_entropy(logits, target)
    if symmetric:
        loss = (loss + F.cross_entropy(logits.T, target)) / 2
    return loss, (logits.argmax(1) == target).float().mean()


class Contrastive(TokensOnly[ContrastiveConfig]):
    """Aligns the mean context state with features of the image's reasoning text.

    The batch is the global one where torch.distributed runs; samples without text are left out. Where the run
    has no knowledge (``context.text_width`` 0) there is no projection, so that every trainable tensor has a
    gradient. Source: the paper; InfoNCE as van den Oord et al. 2018.
    """

    def __init__(self, config: ContrastiveConfig, context: Context) -> None:
        super().__init__(config, context)
        self.projection: nn.Linear | None = None
        if context.text_width:
            generator = torch.Generator().manual_seed(context.seed + 1)
            ends = (context.hidden_size, context.text_width)
            self.projection = linear(*(ends if config.projection == "context" else ends[::-1]), generator)

    def project(self, states: States) -> Tensor | None:
        """Unit features [...,W] of context [...,K,D]; None where the text is projected."""
        if self.projection is None or self.config.projection == "text":
            return None
        return F.normalize(self.projection(states.context.mean(-2)).float(), dim=-1)

    def knowledge_parameters(self) -> dict[str, nn.Parameter]:
        if self.projection is None:
            return {}
        return {f"projection.{name}": parameter for name, parameter in self.projection.named_parameters()}

    def loss(
        self, states: States, knowledge: Tensor | None, present: Tensor | None, labels: Tensor
    ) -> LossTerms:
        """InfoNCE; values ``infonce``, ``alignment`` (mean cosine to the own text), ``retrieval`` (accuracy),
        and ``knowledge_present`` (share of the batch with text)."""
        if knowledge is None or self.projection is None:
            return super().loss(states, knowledge, present, labels)
        if present is None:
            present = torch.ones(len(states), dtype=torch.bool, device=knowledge.device)
        present = present.to(states.emotion.device)
        knowledge = knowledge.to(states.emotion.device)
        # Half precision calls similar texts identical, and its cosines are coarse beside the temperature.
        with torch.autocast(states.emotion.device.type, enabled=False):
            queries, keys = self._features(
                states.context.float().mean(1)[present], knowledge.float()[present]
            )
            same_text = F.normalize(gather(knowledge.float()[present]), dim=-1)
            queries, keys = gather(queries), gather(keys)
            values = {"knowledge_present": float(present.float().mean())}
            if not len(queries):
                return LossTerms(self._untouched(), values)
            masked = same_text @ same_text.T >= IDENTICAL if self.config.mask_identical else None
            loss, retrieval = info_nce(
                queries, keys, self.config.temperature, symmetric=self.config.symmetric, not_negatives=masked
            )
            alignment = (queries * keys).sum(-1).mean()
        figures = torch.stack([loss, alignment, retrieval]).tolist()
        return LossTerms(
            loss, {**values, **dict(zip(("infonce", "alignment", "retrieval"), figures, strict=True))}
        )

    def _features(self, context: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        assert self.projection is not None
        if self.config.projection == "context":
            context = self.projection(context)
        else:
            text = self.projection(text)
        return F.normalize(context, dim=-1), F.normalize(text, dim=-1)

    def _untouched(self) -> Tensor:
        """Zero, connected to the projection: DDP waits for every parameter's gradient."""
        assert self.projection is not None
        return (self.projection.weight.sum() + self.projection.bias.sum()) * 0.0
