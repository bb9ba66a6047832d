"""Reward ``consistency``: the model itself on a changed copy."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from typing import ClassVar

import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from emosym.contracts import RewardVerifier, Rollouts, Sample
from emosym_reasoning.config import ConsistencyRewardConfig
from emosym_reasoning.rewards.base import at_actions


class ConsistencyReward(RewardVerifier[ConsistencyRewardConfig]):
    """Probability of the action when the model reads a changed copy of the image.

    The copy is mirrored, cropped and lit differently, the same way each time (by the sample's id and the
    run's seed). Not verifiable: it is the policy's own opinion; weigh it against an annotation.
    """

    verifiable: ClassVar[bool] = False

    @torch.no_grad()
    def score(self, rollouts: Rollouts) -> Tensor:
        copies = [self.changed(sample) for sample in rollouts.samples]
        return at_actions(self.resources.read(copies), rollouts)

    def changed(self, sample: Sample) -> Sample:
        """The sample with changed copies of its images, under an id of its own."""
        digest = hashlib.sha256(f"{self.context.seed}:{sample.id}".encode()).digest()
        chance = random.Random(int.from_bytes(digest[:8], "big"))  # noqa: S311 - no secret
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
