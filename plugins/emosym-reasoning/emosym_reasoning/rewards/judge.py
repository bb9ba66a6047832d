"""Reward ``judge``: what an independent classifier says."""

from __future__ import annotations

from typing import ClassVar

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import Context, RewardVerifier, Rollouts, Sample
from emosym_reasoning.config import JudgeRewardConfig
from emosym_reasoning.rewards.base import at_actions


class JudgeReward(RewardVerifier[JudgeRewardConfig]):
    """Probability that the independent judge gives the action on the image (mean over a sample's images).

    The judge sees each sample once: its answer depends on the image alone.
    """

    needs: ClassVar[tuple[str, ...]] = ("judge",)

    def __init__(self, config: JudgeRewardConfig, context: Context) -> None:
        super().__init__(config, context)
        self._known: dict[str, Tensor] = {}

    @torch.no_grad()
    def score(self, rollouts: Rollouts) -> Tensor:
        unseen = {sample.id: sample for sample in rollouts.samples if sample.id not in self._known}
        if unseen:
            self._ask(list(unseen.values()))
        return at_actions(torch.stack([self._known[sample.id] for sample in rollouts.samples]), rollouts)

    def _ask(self, samples: list[Sample]) -> None:
        judge = self.resources.judge
        assert judge is not None, "the run is refused where its spec has no judge"
        images = [sample.open() for sample in samples]
        probabilities = judge.probabilities([image for several in images for image in several]).float().cpu()
        known, wanted = probabilities.shape[-1], len(self.context.labels)
        if known != wanted:
            raise EmosymError(
                "judge.labels-do-not-fit",
                f"the judge of reward {self.context.component} knows {known} emotions, the spec has {wanted}",
                hint="choose a judge that was trained for the spec's labels",
            )
        rows = probabilities.split([len(several) for several in images])
        self._known |= {sample.id: each.mean(0) for sample, each in zip(samples, rows, strict=True)}
