"""Metric ``lpips``: how different two pictures of one emotion look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchmetrics.functional.image.lpips import _NoTrainLpips

from emosym.contracts import Context, Evidence, Figure, Metric
from emosym.toolkit import to_pixels
from emosym_metrics.classifier import load_classifier
from emosym_metrics.config import LpipsConfig
from emosym_metrics.files import bring, fill, read_tensors
from emosym_metrics.metrics.pairs import drawn_pairs, pair_mean
from emosym_metrics.metrics.pictures import paired_sets

FILES = {
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}
"""torchvision's files of ImageNet weights."""


class Apart(Protocol):
    """Distances [B] of the pictures of two batches [B,3,H,W] in [-1,1]."""

    def __call__(self, one: Tensor, other: Tensor) -> Tensor: ...


class PerceptualDistance(Metric[LpipsConfig]):
    """``lpips`` and, where there are real images, ``lpips_real``, with ``_low`` and ``_high``: the mean LPIPS
    (Zhang et al. 2018, version 0.1) of two images of one emotion, averaged over the emotions; more is more
    different. Named ``lpips_vgg``, ``lpips_squeeze`` or ``lpips_model`` where another network than AlexNet sees.

    Pairs never cross emotions, are fixed by the seed and the pictures, and are shown as [-1,1], which the public
    code of EmoGen does not hold to.
    """

    needs: ClassVar[tuple[str, ...]] = ("diffusion",)
    group = "generation"
    figures: ClassVar[Mapping[str, Figure]] = {
        "lpips": Figure("LPIPS within emotions", higher_is_better=True, beside="lpips_real"),
        "lpips_real": Figure("LPIPS of real images"),
    }

    def __init__(self, config: LpipsConfig, context: Context) -> None:
        super().__init__(config, context)
        self._device = context.device or torch.device("cpu")
        kind = "model" if config.model is not None else config.net
        self._name = "lpips" if kind == "alex" else f"lpips_{kind}"
        self._apart: Apart = (
            _uncalibrated(config, context) if kind == "model" else _calibrated(config, context)
        )
        title = {"alex": "LPIPS", "model": "LPIPS (uncalibrated)"}.get(kind, f"LPIPS ({kind})")
        self.figures = {  # type: ignore[misc] # of these parameters
            self._name: Figure(
                f"{title} within emotions", higher_is_better=True, beside=f"{self._name}_real"
            ),
            f"{self._name}_real": Figure(f"{title} of real images"),
        }

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        figures: dict[str, float] = {}
        for name, pictures, labels in paired_sets(self._name, evidence):
            pairs = drawn_pairs(pictures, labels, self.config.pairs, evidence.seed)
            size = self.config.batch_size
            parts = [
                self.distances(
                    *([pictures[place] for place in side] for side in pairs[start : start + size].T)
                )
                for start in range(0, len(pairs), size)
            ]
            figures |= pair_mean(
                name, np.concatenate(parts), pairs, labels, self.config.resamples, evidence.seed
            )
        return figures

    @torch.no_grad()
    def distances(self, one: Sequence[Image.Image], other: Sequence[Image.Image]) -> Any:
        """[B] float64, of pairs of RGB pictures."""
        side = (self.config.size, self.config.size)
        batches = [to_pixels(pictures, side).to(self._device) for pictures in (one, other)]
        return self._apart(*batches).double().cpu().numpy()


def _calibrated(config: LpipsConfig, context: Context) -> Apart:
    """torchmetrics' LPIPS, which holds the calibration; the network's weights are the user's file, as its public
    class would download them."""
    if config.weights is None:
        raise bring(
            "lpips",
            f"the ImageNet weights of its network {config.net}",
            FILES[config.net],
            "by torchvision",
            "weights",
        )
    with torch.random.fork_rng(devices=[]):
        network = _NoTrainLpips(net=config.net, pnet_rand=True)
    tensors = read_tensors(config.weights, "metric lpips")
    own = {name.partition(".")[2]: name for name in network.net.state_dict()}
    convolutions = {
        own[name.removeprefix("features.")]: value
        for name, value in tensors.items()
        if name.startswith("features.") and name.removeprefix("features.") in own
    }
    fill(network.net, convolutions, "metric lpips", config.weights)
    network.to(context.device or "cpu")
    return lambda one, other: network(one, other).flatten()


def _uncalibrated(config: LpipsConfig, context: Context) -> Apart:
    """LPIPS before its calibration: the squared distance of unit-length features, summed over channels, averaged over
    places, summed over the layers of an image classifier."""
    assert config.model is not None
    loaded = load_classifier(config.model, "metric lpips", context)
    network = loaded.model.to(context.device or "cpu")
    mean, deviation = (
        torch.tensor(getattr(loaded.processor, name)).view(3, 1, 1).to(context.device or "cpu")
        for name in ("image_mean", "image_std")
    )

    def layers(pixels: Tensor) -> tuple[Tensor, ...]:
        shown = ((pixels + 1) / 2 - mean) / deviation
        states: tuple[Tensor, ...] = network(shown, output_hidden_states=True).hidden_states
        return states

    def apart(one: Tensor, other: Tensor) -> Tensor:
        pairs = zip(layers(one), layers(other), strict=True)
        return torch.stack([_layer_distance(*pair) for pair in pairs]).sum(0)

    return apart


def _layer_distance(one: Tensor, other: Tensor) -> Tensor:
    """[B], of feature maps [B,F,H,W]."""
    return (F.normalize(one, dim=1) - F.normalize(other, dim=1)).square().sum(1).mean((1, 2))
