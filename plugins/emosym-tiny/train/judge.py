"""The two judges: a small ResNet that reads pixels, and a head on CLIP features that shares nothing with it.

``python -m train.judge resnet`` and ``python -m train.judge clip``; ``--draft`` saves them untrained.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import cache

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from emosym_tiny.world.distribution import Attributes, World
from emosym_tiny.world.vocabulary import EMOTIONS, OBJECTS, SCENES
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import ResNetConfig, ResNetForImageClassification, ViTImageProcessor

from train.figures import WEIGHTS, half, parameters, write_figures
from train.labelled import labelled_renders
from train.languages import MEAN, SIZE, STD
from train.loop import fit
from train.records import trained
from train.renders import train_renders

RESNET_SEED, CLIP_SEED, TEST_SEED = 20_240_210, 20_240_220, 20_240_230
LABELLED, TEST = 12_000, 4_000
LABELS = [*EMOTIONS, *(f"scene:{name}" for name in SCENES), *(f"object:{name}" for name in OBJECTS)]
GROUPS = {"emotion": len(EMOTIONS), "scene": len(SCENES), "object": len(OBJECTS)}


def _shift(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Move each batch by up to three pixels, so that no position is learnt by heart."""
    dy, dx = (int(v) for v in rng.integers(-3, 4, 2))
    padded = F.pad(pictures, (3, 3, 3, 3), mode="replicate")
    return padded[:, :, 3 + dy : 3 + dy + SIZE, 3 + dx : 3 + dx + SIZE]


def _accuracies(logits: Tensor, targets: Tensor) -> dict[str, float]:
    groups = logits.split(list(GROUPS.values()), dim=1)
    return {
        f"{name}_accuracy": round(float((group.argmax(1) == targets[:, i]).float().mean()), 4)
        for i, (name, group) in enumerate(zip(GROUPS, groups, strict=True))
    }


@cache
def _world_figures() -> dict[str, float]:
    """The best possible accuracy in expectation and on the labels of the test pictures."""
    world = World()
    test = labelled_renders(TEST, TEST_SEED)
    best = np.array([world.posterior(attributes).argmax() for attributes in test.renders.attributes])
    return {
        "bayes_accuracy": round(world.bayes_accuracy, 4),
        "bayes_accuracy_on_test": round(float((best == test.emotions).mean()), 4),
    }


def train_resnet(steps: int, draft: bool) -> None:
    """Emotions from sampled labels, scenes and objects from those and from the pretraining pictures."""
    folder = WEIGHTS / "judge-resnet"
    torch.manual_seed(RESNET_SEED)
    config = ResNetConfig(
        embedding_size=24,
        hidden_sizes=[24, 48, 96],
        depths=[2, 2, 2],
        layer_type="basic",
        id2label=dict(enumerate(LABELS)),
        label2id={name: i for i, name in enumerate(LABELS)},
    )
    model = ResNetForImageClassification(config)
    if not draft:
        labelled, plain = labelled_renders(LABELLED, RESNET_SEED), train_renders()
        targets, plain_targets = labelled.targets(), attribute_targets(plain.attributes)

        def loss(step: int, rng: np.random.Generator, _: torch.Generator) -> tuple[Tensor, dict[str, float]]:
            index, others = labelled.renders.batch(64, rng), plain.batch(64, rng)
            pictures = torch.cat([labelled.renders.images(index), plain.images(others)])
            target = torch.cat([targets[index], plain_targets[others]])
            logits = model(_shift(pictures, rng)).logits.float()
            emotion, scene, thing = logits.split(list(GROUPS.values()), dim=1)
            losses = {
                "emotion": F.cross_entropy(emotion[:64], target[:64, 0]),
                "scene": F.cross_entropy(scene, target[:, 1]),
                "object": F.cross_entropy(thing, target[:, 2]),
            }
            return sum(losses.values(), torch.zeros(())), {k: float(v.detach()) for k, v in losses.items()}

        def evaluate() -> dict[str, float]:
            return _accuracies(_logits(model), labelled_renders(TEST, TEST_SEED).targets())

        start = time.time()
        fit("judge-resnet", model, loss, steps=steps, lr=3e-3, weight_decay=0.02, seed=RESNET_SEED,
            evaluate=evaluate, evaluate_every=500)  # fmt: skip
        model.load_state_dict({k: v.half().float() if v.is_floating_point() else v
                               for k, v in model.state_dict().items()})  # fmt: skip
        write_figures("judge-resnet", parameters=parameters(model), seed=RESNET_SEED, start=start,
                      labelled_pictures=LABELLED, **trained("judge-resnet"),
                      **_world_figures(), **evaluate())  # fmt: skip
    model.save_pretrained(folder, state_dict=half(model))
    ViTImageProcessor(size={"height": SIZE, "width": SIZE}, image_mean=MEAN, image_std=STD).save_pretrained(
        folder
    )


@torch.no_grad()
def _logits(model: nn.Module) -> Tensor:
    renders = labelled_renders(TEST, TEST_SEED).renders
    batches = np.array_split(np.arange(len(renders)), 20)
    return torch.cat([model(renders.images(batch)).logits.float() for batch in batches])


def attribute_targets(attributes: list[Attributes]) -> Tensor:
    """[N,3] with -100 where the emotion is not known."""
    return torch.tensor([[-100, item.scene, item.object] for item in attributes])


@torch.no_grad()
def clip_features(pixels: Tensor, model: nn.Module) -> Tensor:
    """Unit-length image features of the embedded CLIP."""
    return torch.cat([model.encode_image(part, normalize=True) for part in pixels.split(200)])


def train_clip_head(steps: int, draft: bool) -> None:
    """A two-layer head on frozen features, from labelled pictures the other judge has not seen."""
    folder = WEIGHTS / "judge-clip"
    torch.manual_seed(CLIP_SEED)
    clip, _ = open_clip.create_model_from_pretrained(f"local-dir:{WEIGHTS / 'clip'}")
    clip.eval()
    width = clip.visual.output_dim
    layers = nn.Sequential(nn.Linear(width, 96), nn.ReLU(), nn.Linear(96, len(EMOTIONS)))
    if not draft:
        start = time.time()
        data, test = labelled_renders(LABELLED, CLIP_SEED), labelled_renders(TEST, TEST_SEED)
        features = clip_features(data.renders.images(np.arange(LABELLED)), clip)
        test_features = clip_features(test.renders.images(np.arange(TEST)), clip)
        targets, test_targets = data.targets()[:, 0], test.targets()[:, 0]

        def loss(step: int, rng: np.random.Generator, _: torch.Generator) -> tuple[Tensor, dict[str, float]]:
            index = torch.from_numpy(rng.choice(LABELLED, 256, replace=False))
            return F.cross_entropy(layers(features[index]).float(), targets[index]), {}

        @torch.no_grad()
        def evaluate() -> dict[str, float]:
            return {
                "emotion_accuracy": round(
                    float((layers(test_features).argmax(1) == test_targets).float().mean()), 4
                )
            }

        fit("judge-clip", layers, loss, steps=steps, lr=5e-3, weight_decay=0.05, seed=CLIP_SEED,
            evaluate=evaluate, evaluate_every=500)  # fmt: skip
        layers.load_state_dict({k: v.half().float() for k, v in layers.state_dict().items()})
        write_figures("judge-clip", parameters=parameters(layers), seed=CLIP_SEED, start=start,
                      labelled_pictures=LABELLED, **trained("judge-clip"),
                      **_world_figures(), **evaluate())  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    save_file({f"layers.{k}": v for k, v in half(layers).items()}, folder / "head.safetensors")
    described = {
        "labels": list(EMOTIONS),
        "layers": ["layers.0", "relu", "layers.2"],
        "clip": "../clip",
        "normalize": True,
    }
    (folder / "head.json").write_text(json.dumps(described, indent=2) + "\n")


def main() -> None:
    """Train the judge that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("judge", choices=["resnet", "clip"])
    parser.add_argument("--steps", type=int, help="2500 for resnet, 1500 for clip")
    parser.add_argument("--draft", action="store_true", help="save it untrained, for developing against")
    options = parser.parse_args()
    if options.judge == "resnet":
        train_resnet(options.steps or 2500, options.draft)
    else:
        train_clip_head(options.steps or 1500, options.draft)


if __name__ == "__main__":
    main()
