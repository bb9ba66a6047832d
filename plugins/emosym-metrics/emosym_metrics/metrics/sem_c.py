"""Metric ``sem-c``: how clearly pictures show something."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from emosym_registry import EmosymError
from emosym_registry.errors import some
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms
from torchvision.models import get_model

from emosym.contracts import Context, Evidence, Figure, Metric
from emosym_metrics.classifier import load_classifier
from emosym_metrics.config import SemanticClarityConfig
from emosym_metrics.files import bring, fill, read_tensors
from emosym_metrics.metrics.intervals import bootstrapped
from emosym_metrics.metrics.pictures import batched, sets

Sure = Callable[[Sequence[Image.Image]], Tensor]
"""The largest probability [B,1] that a classifier gives to any class of pictures."""
PUBLISHED = {
    "scene": (
        "a classifier of scenes",
        "resnet50_places365.pth.tar",
        "by MIT with Places365 (CSAILVision/places365)",
    ),
    "object": ("a classifier of objects", "resnet50-0676ba61.pth", "by torchvision"),
}
"""What EmoGen's figures are of: the parameter, what it is, its file, who publishes it."""
RESNETS: dict[tuple[bool, tuple[int, ...]], str] = {
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
}
"""torchvision's name of a ResNet, by whether its blocks have a third convolution, and how many each layer has."""


class SemanticClarity(Metric[SemanticClarityConfig]):
    """``sem_c`` (Sem-C of EmoGen, CVPR 2024) and, where there are real images, ``sem_c_real``, with ``_low`` and
    ``_high``: how sure of a scene or of an object a classifier is, whichever is surer, in the mean over images.

    Published figures are of a ResNet-50 of Places365 and torchvision's first ResNet-50 of ImageNet; figures of other
    classifiers do not compare with them.
    """

    needs: ClassVar[tuple[str, ...]] = ("diffusion",)
    group = "generation"
    figures: ClassVar[Mapping[str, Figure]] = {
        "sem_c": Figure("Sem-C", higher_is_better=True, beside="sem_c_real"),
        "sem_c_real": Figure("Sem-C of real images"),
    }

    def __init__(self, config: SemanticClarityConfig, context: Context) -> None:
        super().__init__(config, context)
        missing = [name for name in PUBLISHED if getattr(config, name) is None]
        clarity = Clarity.of(config.scene, config.object, context)
        if clarity is None:
            raise _nothing_given(missing)
        self.clarity = clarity

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        rng = np.random.default_rng(evidence.seed)
        figures: dict[str, float] = {}
        for name, clarity in self._seen(evidence).items():
            figures |= bootstrapped(name, clarity, self.config.resamples, rng)
        return figures

    def per_image(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        return {"sem_c": self._seen(evidence)["sem_c"]}

    def _seen(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        """Of every picture, for each figure."""
        return evidence.once(
            (self, "clarity"),
            lambda: {
                name: batched(self.clarity, pictures, self.config.batch_size)
                for name, pictures, _ in sets("sem_c", evidence)
            },
        )


class Clarity:
    """How sure classifiers are of a scene or of an object in pictures, whichever is surer."""

    def __init__(self, sure: Sequence[Sure]) -> None:
        self._sure = sure

    @classmethod
    def of(cls, scene: str | None, thing: str | None, context: Context) -> Clarity | None:
        """By classifiers as :class:`SemanticClarityConfig` names them; None where one is not given."""
        if scene is None or thing is None:
            return None
        return cls(
            [_classifier(named, group, context) for named, group in ((scene, "scene"), (thing, "object"))]
        )

    @torch.no_grad()
    def __call__(self, images: Sequence[Image.Image]) -> Tensor:
        """[B], of RGB pictures."""
        return torch.cat([sure(images) for sure in self._sure], dim=1).amax(1)


def _nothing_given(missing: Sequence[str]) -> EmosymError:
    what, files, sources = (" and ".join(PUBLISHED[name][part] for name in missing) for part in range(3))
    return bring("sem-c", what, files, sources, " and ".join(missing))


def _classifier(named: str, group: str, context: Context) -> Sure:
    """A file of a torchvision ResNet, or what transformers loads."""
    who = f"metric sem-c: {group}"
    if Path(named).expanduser().is_file() or Path(named).suffix in (".pth", ".tar", ".pt", ".safetensors"):
        return _resnet(named, who, context)
    return _of_transformers(named, group, who, context)


def _resnet(file: str, who: str, context: Context) -> Sure:
    """A ResNet in torchvision's names, with the preparation that all of them were trained with."""
    tensors = read_tensors(file, who)
    network: nn.Module = get_model(_architecture(tensors, who, file), num_classes=len(tensors["fc.weight"]))
    fill(network, tensors, who, file)
    network.eval().requires_grad_(False).to(context.device or "cpu")
    prepare = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )

    def sure(images: Sequence[Image.Image]) -> Tensor:
        pixels = torch.stack([prepare(image) for image in images]).to(context.device or "cpu")
        largest: Tensor = network(pixels).softmax(-1).amax(1, keepdim=True)
        return largest

    return sure


def _architecture(tensors: Mapping[str, Tensor], who: str, file: str) -> str:
    blocks = {tuple(name.split(".")[:2]) for name in tensors if name.startswith("layer")}
    counts = tuple(sum(layer == f"layer{number}" for layer, _ in blocks) for number in (1, 2, 3, 4))
    name = RESNETS.get(("layer1.0.conv3.weight" in tensors, counts))
    if name is None or "fc.weight" not in tensors:
        raise EmosymError(
            "model.weights-mismatch",
            f"{who}: {file!r} is no ResNet of torchvision; it has {some(sorted(tensors)) or 'no tensors'}",
            hint="is it the right file?",
        )
    return name


def _of_transformers(named: str, group: str, who: str, context: Context) -> Sure:
    loaded = load_classifier(named, who, context)
    network = loaded.model.to(context.device or "cpu")
    columns = loaded.groups.get(group, list(range(len(loaded.names))))

    def sure(images: Sequence[Image.Image]) -> Tensor:
        pixels = loaded.processor(images=list(images), return_tensors="pt").to(context.device or "cpu")
        chosen: Tensor = network(**pixels).logits.float()[:, columns]
        return chosen.softmax(-1).amax(1, keepdim=True)

    return sure
