"""Reward ``knowledge``: what the image's text argues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import Context, RewardResources, RewardVerifier, Rollouts, Sample
from emosym_reasoning.config import KnowledgeRewardConfig
from emosym_reasoning.rewards.base import at_actions
from emosym_reasoning.rewards.teacher import Teacher, fit

AT_ONCE, ENOUGH = 256, 20_000
"""Texts that are encoded together, and about how many teach at most."""


class KnowledgeReward(RewardVerifier[KnowledgeRewardConfig]):
    """Probability that the image's reasoning text argues for the action, labelled or not.

    A linear teacher over the text encoder's features reads the text. It learns from the labelled training images alone,
    once, before the first score, so it has seen no more labels than the learner; each text is read once. It does not
    apply to an image without a text. Source: generalized distillation (Lopez-Paz et al. 2016), its teacher as a judge.
    """

    needs: ClassVar[tuple[str, ...]] = ("knowledge", "text_encoder")

    def __init__(self, config: KnowledgeRewardConfig, context: Context) -> None:
        super().__init__(config, context)
        self._teacher: Teacher | None = None
        self._argued: dict[str, Tensor | None] = {}

    def bind(self, resources: RewardResources) -> None:
        super().bind(resources)
        self._teacher, self._argued = None, {}
        if all(sample.label is None for sample in resources.training):
            raise EmosymError(
                "data.no-labels",
                f"reward {self.context.component or 'knowledge'} learns from labelled training images, and there is none",
                hint="use data with some labels, or leave it out of the spec",
            )

    def applies(self, samples: Sequence[Sample]) -> Tensor:
        return torch.tensor([row is not None for row in self._rows(samples)], dtype=torch.bool)

    @torch.no_grad()
    def score(self, rollouts: Rollouts) -> Tensor:
        silent = torch.zeros(len(self.context.labels))
        rows = [silent if row is None else row for row in self._rows(rollouts.samples)]
        return at_actions(torch.stack(rows), rollouts)

    def _rows(self, samples: Sequence[Sample]) -> list[Tensor | None]:
        """What each sample's text argues, probabilities [C]; None without one."""
        new = [sample for sample in samples if sample.id not in self._argued]
        if new:
            texts = self._texts(new)
            if self._teacher is None:
                self._teacher = self._taught()
            for start in range(0, len(texts), AT_ONCE):
                part = texts[start : start + AT_ONCE]
                read = self._teacher(self._features([text for _, text in part]))
                self._argued |= {sample.id: row for (sample, _), row in zip(part, read, strict=True)}
            self._argued |= {sample.id: None for sample in new if sample.id not in self._argued}
        return [self._argued[sample.id] for sample in samples]

    def _taught(self) -> Teacher:
        labelled = self._texts([sample for sample in self.resources.training if sample.label is not None])
        if not labelled:
            raise EmosymError(
                "data.no-knowledge",
                f"reward {self.context.component or 'knowledge'} learns from labelled images with a text, and no training image has both",
                hint="give labelled images texts, or leave it out of the spec",
            )
        labelled = labelled[:: -(-len(labelled) // ENOUGH)]
        parts = [labelled[start : start + AT_ONCE] for start in range(0, len(labelled), AT_ONCE)]
        features = torch.cat([self._features([text for _, text in part]) for part in parts])
        labels = torch.tensor([sample.label for sample, _ in labelled])
        return fit(features, labels, len(self.context.labels), self.config.decay)

    def _texts(self, samples: Sequence[Sample]) -> list[tuple[Sample, str]]:
        source = self.resources.knowledge
        assert source is not None, "the run is refused where its spec has no knowledge"
        texts = source.texts(samples)
        return [(sample, text) for sample, text in zip(samples, texts, strict=True) if text]

    def _features(self, texts: Sequence[str]) -> Tensor:
        encoder = self.resources.text_encoder
        assert encoder is not None, "the run is refused where its spec has no text encoder"
        return encoder.encode(texts).float().cpu()
