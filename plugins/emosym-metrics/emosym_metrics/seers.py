"""What looks at pictures for metrics that compare them: InceptionV3, an open_clip model, or the judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from emosym_registry import EmosymError
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchmetrics.image.fid import NoTrainInceptionV3

from emosym.contracts import Context, Evidence
from emosym_metrics.clip import ImageTower
from emosym_metrics.config import DiversityConfig, FeatureConfig
from emosym_metrics.files import bring, read_tensors
from emosym_metrics.metrics.pictures import batched, judge_of, require_generated

SIDE = 299


class Seer(Protocol):
    """Anything that has features [B,F] of pictures."""

    def features(self, images: Sequence[Image.Image]) -> Tensor: ...


class Inception:
    """The InceptionV3 of 2015 that FID is defined by, from torch-fidelity's file; features [B,2048].

    Pictures are brought to 299 × 299 first, with antialiasing, as EmoGen's code does.
    """

    def __init__(self, weights: str, who: str, context: Context) -> None:
        tensors = read_tensors(weights, who)  # torch-fidelity would open any pickle
        if tensors.get("fc.weight", torch.empty(0)).shape != (1008, 2048):
            raise EmosymError(
                "model.weights-mismatch",
                f"{who}: {weights!r} is not the InceptionV3 of FID, whose last layer is [1008,2048]",
                hint="take weights-inception-2015-12-05-6726825d.pth of torch-fidelity; torchvision's "
                "InceptionV3 gives other figures",
            )
        with torch.random.fork_rng(devices=[]):
            self._network = NoTrainInceptionV3("inception-v3-compat", ["2048"], weights)
        self._device = context.device or torch.device("cpu")
        self._network.to(self._device)

    @torch.no_grad()
    def features(self, images: Sequence[Image.Image]) -> Tensor:
        """[B,2048], as the network gives them."""
        sized = [image.resize((SIDE, SIDE), Image.Resampling.BILINEAR) for image in images]
        pixels = torch.from_numpy(np.stack([np.asarray(image) for image in sized])).permute(0, 3, 1, 2)
        seen: Tensor = self._network(pixels.to(self._device))
        return seen


def own_seer(config: FeatureConfig, context: Context) -> Seer | None:
    """What the parameters name; None stands for the evaluation judge. Errors: ``metric.no-weights``."""
    who = f"metric {context.component}"
    if config.features == "judge":
        return None
    if config.features == "clip":
        assert config.model is not None
        return ImageTower(config.model, config.pretrained, context, config.batch_size)
    if config.weights is None:
        raise bring(
            context.component or "the metric",
            "the weights of InceptionV3",
            "weights-inception-2015-12-05-6726825d.pth",
            "with torch-fidelity (toshas/torch-fidelity on GitHub, release v0.2.0)",
            "weights",
        )
    return Inception(config.weights, who, context)


def clip_seer(config: DiversityConfig, context: Context) -> Seer | None:
    """The open_clip model ``clip``; None stands for the evaluation judge."""
    if config.clip is None:
        return None
    return ImageTower(config.clip, config.pretrained, context, config.batch_size)


def seer_or_judge(seer: Seer | None, evidence: Evidence, context: Context) -> Seer:
    """``seer``, or the judge where it is None. Errors: ``metric.no-judge``."""
    return judge_of(evidence, context) if seer is None else seer


def named_after(figure: str, config: FeatureConfig) -> str:
    """The figure's name with what sees behind it, unless that is what everybody's is of."""
    return figure if config.features == "inception" else f"{figure}_{config.features}"


def both_sides(
    who: str, seer: Seer | None, evidence: Evidence, context: Context, config: FeatureConfig
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features [N,F] of the real and [M,F] of the generated pictures, looked at once for all metrics that have the same
    thing look. Errors: ``metric.no-images``, ``metric.no-real``, ``metric.no-judge``."""
    require_generated(evidence)
    if not evidence.real:
        raise EmosymError(
            "metric.no-real",
            f"{who} compares with real pictures, and there are none",
            hint="name them with --real",
        )
    looking = seer_or_judge(seer, evidence, context)
    key = ("emosym-metrics features", config.features, config.weights, config.model, config.pretrained)

    def seen(side: str, pictures: Sequence[Image.Image]) -> NDArray[np.float64]:
        return evidence.once((*key, side), lambda: batched(looking.features, pictures, config.batch_size))

    return seen("real", evidence.real_images), seen("generated", evidence.generated_images)
