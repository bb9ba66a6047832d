"""The two judges: a small ResNet on pixels, and a head on CLIP features that shares nothing with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from emosym_tiny.world.distribution import World
from emosym_tiny.world.vocabulary import EMOTIONS, OBJECTS, SCENES
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import ResNetConfig, ResNetForImageClassification, ViTImageProcessor

from train import clip
from train.figures import WEIGHTS, half, parameters, share, write_figures, write_json
from train.languages import MEAN, SIZE, STD
from train.loop import Losses, Recipe, Step, fit
from train.renders import Renders, labelled_renders, train_renders

RECIPES = {
    "judge-resnet": Recipe("judge-resnet", 20_240_210, steps=2500, batch=64, lr=3e-3, weight_decay=0.02),
    "judge-clip": Recipe("judge-clip", 20_240_220, steps=1500, batch=256, lr=5e-3, weight_decay=0.05),
}
LABELLED, TEST, TEST_SEED = 12_000, 4_000, 20_240_230
LABELS = [*EMOTIONS, *(f"scene:{name}" for name in SCENES), *(f"object:{name}" for name in OBJECTS)]
GROUPS = {"emotion": len(EMOTIONS), "scene": len(SCENES), "object": len(OBJECTS)}


def _shift(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Move each batch by up to three pixels, so that no position is learnt by heart."""
    dy, dx = (int(v) for v in rng.integers(-3, 4, 2))
    padded = F.pad(pictures, (3, 3, 3, 3), mode="replicate")
    return padded[:, :, 3 + dy : 3 + dy + SIZE, 3 + dx : 3 + dx + SIZE]


def _groups(logits: Tensor) -> dict[str, Tensor]:
    return dict(zip(GROUPS, logits.split(list(GROUPS.values()), dim=1), strict=True))


@cache
def _test() -> Renders:
    return labelled_renders(TEST, TEST_SEED)


def _finish(recipe: Recipe, model: nn.Module, evaluate: Callable[[], dict[str, float]]) -> None:
    """Round the weights to what is saved and write figures beside the best possible accuracy."""
    model.half().float()
    world = World()
    best = np.array([world.posterior(attributes).argmax() for attributes in _test().attributes])
    write_figures(
        recipe,
        parameters=parameters(model),
        labelled_pictures=LABELLED,
        bayes_accuracy=round(world.bayes_accuracy, 4),
        bayes_accuracy_on_test=round(float((best == _test().emotions).mean()), 4),
        **evaluate(),
    )


def train_resnet(recipe: Recipe) -> None:
    """Emotions from sampled labels, scenes and objects from those and from the pretraining pictures."""
    names = {name: index for index, name in enumerate(LABELS)}
    shape = {"embedding_size": 24, "hidden_sizes": [24, 48, 96], "depths": [2, 2, 2], "layer_type": "basic"}
    config = ResNetConfig(**shape, id2label=dict(enumerate(LABELS)), label2id=names)
    model = ResNetForImageClassification(config)
    labelled, plain = labelled_renders(LABELLED, recipe.seed), train_renders()
    targets, plain_targets = labelled.targets(), plain.targets()

    def losses(step: Step) -> Losses:
        index, others = (renders.batch(recipe.batch, step.rng) for renders in (labelled, plain))
        pictures = torch.cat([labelled.images(index), plain.images(others)])
        target = torch.cat([targets[index], plain_targets[others]])
        logits = _groups(model(_shift(pictures, step.rng)).logits.float())
        known = {"emotion": recipe.batch}
        parts = {
            name: F.cross_entropy(logits[name][: known.get(name)], target[: known.get(name), i])
            for i, name in enumerate(GROUPS)
        }
        return {"loss": sum(parts.values(), torch.zeros(())), **parts}

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        parts = np.array_split(np.arange(TEST), 20)
        logits = _groups(torch.cat([model(_test().images(part)).logits.float() for part in parts]))
        wanted = _test().targets()
        return {
            f"{name}_accuracy": share(logits[name].argmax(1) == wanted[:, i]) for i, name in enumerate(GROUPS)
        }

    fit(recipe, model, losses, evaluate)
    _finish(recipe, model, evaluate)
    folder = WEIGHTS / recipe.name
    model.save_pretrained(folder, state_dict=half(model))
    processor = ViTImageProcessor(size={"height": SIZE, "width": SIZE}, image_mean=MEAN, image_std=STD)
    processor.save_pretrained(folder)


def train_clip_head(recipe: Recipe) -> None:
    """A two-layer head on frozen features, from labelled pictures the other judge has not seen."""
    model = clip.load()
    layers = nn.Sequential(nn.Linear(model.visual.output_dim, 96), nn.ReLU(), nn.Linear(96, len(EMOTIONS)))
    data = labelled_renders(LABELLED, recipe.seed)
    features, test_features = (clip.encode_images(model, renders.images()) for renders in (data, _test()))
    targets, test_targets = data.targets()[:, 0], _test().targets()[:, 0]

    def losses(step: Step) -> Losses:
        index = torch.from_numpy(data.batch(recipe.batch, step.rng))
        return {"loss": F.cross_entropy(layers(features[index]).float(), targets[index])}

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        return {"emotion_accuracy": share(layers(test_features).argmax(1) == test_targets)}

    fit(recipe, layers, losses, evaluate)
    _finish(recipe, layers, evaluate)
    folder = WEIGHTS / recipe.name
    described = {
        "labels": EMOTIONS,
        "layers": ["layers.0", "relu", "layers.2"],
        "clip": "../clip",
        "normalize": True,
    }
    write_json(folder / "head.json", described)
    save_file({f"layers.{name}": value for name, value in half(layers).items()}, folder / "head.safetensors")


def train(recipe: Recipe) -> None:
    """Train the judge that is named."""
    {"judge-resnet": train_resnet, "judge-clip": train_clip_head}[recipe.name](recipe)
