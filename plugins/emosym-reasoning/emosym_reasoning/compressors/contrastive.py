"""InfoNCE between context states and the text that explains the image; the stage compress weighs it against the cross
entropy (½ and ½ in the paper)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import TypeVar

from emosym.contracts import CompressBatch, Context, LossTerms, States
from emosym_reasoning.compressors.gather import gather
from emosym_reasoning.compressors.tokens import TokensOnly, share_of, untouched
from emosym_reasoning.config import ContrastiveConfig
from emosym_reasoning.layers import linear

ContrastiveConfigT = TypeVar("ContrastiveConfigT", bound=ContrastiveConfig, default=ContrastiveConfig)
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


class Contrastive(TokensOnly[ContrastiveConfigT]):
    """Aligns the mean context state with features of the image's reasoning text.

    The batch is the global one where torch.distributed runs; samples without text are left out. Where the run
    has no knowledge (``context.text_width`` 0) there is no projection, so that every trainable tensor has a
    gradient. Source: the paper; InfoNCE as van den Oord et al. 2018.
    """

    def __init__(self, config: ContrastiveConfigT, context: Context) -> None:
        super().__init__(config, context)
        self.projection: nn.Linear | None = None
        if context.text_width and self.contrasts:
            generator = torch.Generator().manual_seed(context.seed + 1)
            ends = (context.hidden_size, context.text_width)
            self.projection = linear(*(ends if config.projection == "context" else ends[::-1]), generator)

    @property
    def contrasts(self) -> bool:
        """Whether InfoNCE has any weight; there is no projection otherwise."""
        return True

    def project(self, states: States) -> Tensor | None:
        """Unit features [...,W] of context [...,K,D]; None where the text is projected."""
        if self.projection is None or self.config.projection == "text":
            return None
        return F.normalize(self.projection(states.context.mean(-2)).float(), dim=-1)

    def knowledge_parameters(self) -> dict[str, nn.Parameter]:
        if self.projection is None:
            return {}
        return {f"projection.{name}": parameter for name, parameter in self.projection.named_parameters()}

    def loss(self, batch: CompressBatch) -> LossTerms:
        """InfoNCE; values ``infonce``, ``alignment`` (mean cosine to the own text), ``retrieval`` (accuracy),
        and ``knowledge_present`` (share of the batch with text)."""
        if batch.knowledge is None or self.projection is None:
            return super().loss(batch)
        present = batch.present
        # Half precision calls similar texts identical, and its cosines are coarse beside the temperature.
        with torch.autocast(present.device.type, enabled=False):
            text = batch.knowledge.float()[present]
            queries, keys = self._features(
                self.projection, batch.states.context.float().mean(1)[present], text
            )
            same_text = F.normalize(gather(text), dim=-1)
            queries, keys = gather(queries), gather(keys)
            if not len(queries):
                return LossTerms(untouched(self.knowledge_parameters(), batch.logits), share_of(present))
            masked = same_text @ same_text.T >= IDENTICAL if self.config.mask_identical else None
            loss, retrieval = info_nce(
                queries, keys, self.config.temperature, symmetric=self.config.symmetric, not_negatives=masked
            )
            alignment = (queries * keys).sum(-1).mean()
        figures = torch.stack([loss, alignment, retrieval]).tolist()
        return LossTerms(
            loss,
            {**share_of(present), **dict(zip(("infonce", "alignment", "retrieval"), figures, strict=True))},
        )

    def _features(self, projection: nn.Linear, context: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        if self.config.projection == "context":
            context = projection(context)
        else:
            text = projection(text)
        return F.normalize(context, dim=-1), F.normalize(text, dim=-1)
