"""Rewards that a second look gives: an independent judge, or the model itself on a changed copy."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from typing import ClassVar

import torch
from emosym_registry import EmosymError
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from emosym.contracts import Context, Needs, Rollouts, Sample
from emosym_reasoning.config import ConsistencyRewardConfig, JudgeRewardConfig
from emosym_reasoning.rewards.base import Reward, at_actions


class JudgeReward(Reward):
    """Probability that the independent judge gives the action on the image (mean over a sample's images).

    The judge sees each sample once: its answer depends on the image alone.
    """

    config: JudgeRewardConfig
    needs: ClassVar[Needs] = Needs(judge=True)

    def __init__(self, config: JudgeRewardConfig, context: Context) -> None:
        super().__init__(config, context)
        self._known: dict[str, Tensor] = {}

    def _score(self, rollouts: Rollouts) -> Tensor:
        unseen = {sample.id: sample for sample in rollouts.samples if sample.id not in self._known}
        if unseen:
            self._ask(list(unseen.values()))
        return at_actions(torch.stack([self._known[sample.id] for sample in rollouts.samples]), rollouts)

    def _ask(self, samples: list[Sample]) -> None:
        images = [sample.open() for sample in samples]
        probabilities = (
            self.resource("judge")
            .probabilities([image for several in images for image in several])
            .float()
            .cpu()
        )
        wanted = len(self.context.labels)
        if probabilities.shape[-1] != wanted:
            raise EmosymError(
                "judge.labels-do-not-fit",
                f"the judge of reward {self.name} knows {probabilities.shape[-1]} emotions, the spec has {wanted}",
                hint="choose a judge that was trained for the spec's labels",
            )
        for sample, rows in zip(
            samples, probabilities.split([len(several) for several in images]), strict=True
        ):
            self._known[sample.id] = rows.mean(0)


class ConsistencyReward(Reward):
    """Probability of the action when the model reads a changed copy of the image.

    The copy is mirrored, cropped and lit differently, the same way each time (by the sample's id and the run's seed).
    Not verifiable: it is the policy's own opinion, if of another picture; weigh it against an annotation.
    """

    config: ConsistencyRewardConfig
    needs: ClassVar[Needs] = Needs(augmentation=True)
    verifiable: ClassVar[bool] = False

    def _score(self, rollouts: Rollouts) -> Tensor:
        copies = [self.changed(sample) for sample in rollouts.samples]
        return at_actions(self.resource("read")(copies), rollouts)

    def changed(self, sample: Sample) -> Sample:
        """The sample with changed copies of its images, under an id of its own."""
        digest = hashlib.sha256(f"{self.context.seed}:{sample.id}".encode()).digest()
        chance = random.Random(int.from_bytes(digest[:8], "big"))
        images = tuple(self._change(image, chance) for image in sample.open())
        return replace(sample, id=f"{sample.id}~changed", images=images)

    def _change(self, image: Image.Image, chance: random.Random) -> Image.Image:
        if self.config.flip:
            image = ImageOps.mirror(image)
        left, top, right, bottom = (chance.uniform(0, self.config.crop) for _ in range(4))
        width, height = image.size
        box = (left * width, top * height, width - right * width, height - bottom * height)
        image = image.resize(image.size, Image.Resampling.BICUBIC, box=box)
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Color):
            image = enhance(image).enhance(1 + chance.uniform(-self.config.light, self.config.light))
        return image
