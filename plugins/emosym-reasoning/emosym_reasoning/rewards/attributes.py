"""Does the context of a try find the scene and objects of its own image?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import Context, RewardVerifier, Rollouts, Sample
from emosym_reasoning.config import AttributesRewardConfig

REMEMBERED = 8192
"""Texts whose features are kept; a data set's scenes and objects repeat."""


class AttributesReward(RewardVerifier[AttributesRewardConfig]):
    """How near a try's context features [W] are to its own image's text, beside the batch's other texts.

    The candidates are the batch's different texts, so an image with the same text as another is not its
    negative. ``rank``: share of other candidates that are further away (1 nearest, 0 furthest);
    ``probability``: softmax of the cosines at ``temperature``. It does not apply to a sample without scene and object,
    which adds no candidate; a batch with one candidate scores 1. Source: retrieval as in CLIP
    (Radford et al. 2021).
    """

    needs: ClassVar[tuple[str, ...]] = ("attributes", "knowledge", "text_encoder")
    attribute_keys: ClassVar[tuple[str, ...]] = ("scene", "object")

    def __init__(self, config: AttributesRewardConfig, context: Context) -> None:
        super().__init__(config, context)
        self._features: dict[str, Tensor] = {}

    @torch.no_grad()
    def score(self, rollouts: Rollouts) -> Tensor:
        if rollouts.context_features is None:
            raise EmosymError(
                "reward.no-projection",
                f"reward {self.context.component} reads context features, and the compressor projects none",
                hint="use compressor contrastive with projection: context and knowledge, or leave it out",
            )
        texts = [describe(sample, self.config.template) for sample in rollouts.samples]
        candidates = sorted({text for text in texts if text is not None})
        features = rollouts.context_features.float()
        if not candidates:
            return features.new_zeros(features.shape[:2])
        place = {text: index for index, text in enumerate(candidates)}
        own = torch.tensor(
            [place[text] if text is not None else -1 for text in texts], device=features.device
        )
        cosines = F.normalize(features, dim=-1) @ self._encode(candidates).to(features.device).T
        return self._of_cosines(cosines, own.clamp_min(0)) * (own >= 0)[:, None]

    def _of_cosines(self, cosines: Tensor, own: Tensor) -> Tensor:
        """[B,G] from cosines [B,G,U] and the own candidate [B]."""
        index = own[:, None, None].expand(-1, cosines.shape[1], 1)
        if self.config.mode == "probability":
            return (cosines / self.config.temperature).softmax(-1).gather(-1, index).squeeze(-1)
        others = cosines.shape[-1] - 1
        if not others:
            return cosines.new_ones(cosines.shape[:2])
        nearer = (cosines > cosines.gather(-1, index)).sum(-1)
        return 1 - nearer / others

    def _encode(self, texts: Sequence[str]) -> Tensor:
        new = [text for text in texts if text not in self._features]
        if len(self._features) + len(new) > REMEMBERED:
            self._features.clear()
            new = list(texts)
        if new:
            encoder = self.resources.text_encoder
            assert encoder is not None, "the run is refused where its spec has no text encoder"
            rows = encoder.encode(new).float().cpu()
            self._features.update(zip(new, F.normalize(rows, dim=-1), strict=True))
        return torch.stack([self._features[text] for text in texts])


def describe(sample: Sample, template: str) -> str | None:
    """The sample's scene and objects by ``template``, or the one that is known; None without both."""
    things = sample.attributes.get("object") or ()
    thing = things if isinstance(things, str) else " and ".join(things)
    scene = str(sample.attributes.get("scene") or "")
    missing = ("{object}" in template and not thing, "{scene}" in template and not scene)
    if not any(missing):
        return template.format(object=thing, scene=scene)
    return f"a photo of {thing or scene}" if thing or scene else None
