"""Stable Diffusion and SDXL at 64x64, from scratch.

``python -m train.diffusion sd``, then ``python -m train.diffusion sdxl``, which starts from the first; both need
``python -m train.vae`` and, for their figures, ``python -m train.judge resnet``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, StableDiffusionXLPipeline
from emosym_tiny.world.vocabulary import OBJECTS, SCENES
from torch import Tensor, nn
from transformers import ResNetForImageClassification

from train import pipelines, vae
from train.figures import WEIGHTS, parameters
from train.loop import fit
from train.prompts import WIDTH, tokenize, training_prompts
from train.records import record, trained
from train.renders import Renders, held_out_renders, train_renders

SEEDS = {"sd": 20_240_310, "sdxl": 20_240_320}
STEPS = {"sd": 3_400, "sdxl": 800}
RATES = {"sd": 1.2e-3, "sdxl": 5e-4}
BATCH = 48
EVERY = 400
SAMPLE_SEED, SAMPLES = 20_240_330, 280


def cached_latents(model: AutoencoderKL) -> Tensor:
    """Latents of the training pictures, encoded once."""
    if not vae.LATENTS.exists():
        torch.save(vae.latents(model, train_renders()), vae.LATENTS)
    return torch.load(vae.LATENTS, weights_only=True)


class Objective:
    """v-prediction on random captions; weights (min(SNR, 5) + 1) / (SNR + 1) as v-prediction wants min-SNR."""

    def __init__(self, parts: nn.ModuleDict, latents: Tensor, renders: Renders) -> None:
        self.parts, self.latents, self.renders = parts, latents, renders
        self.alphas = pipelines.scheduler().alphas_cumprod.float()

    def noisy(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Noisy latents, timesteps, targets and weights, the timesteps spread evenly over the batch."""
        size = len(clean)
        spread = (torch.arange(size) + torch.rand(size, generator=generator)) / size
        steps = (spread * len(self.alphas)).long()
        noise = torch.randn(clean.shape, generator=generator)
        alpha = self.alphas[steps][:, None, None, None]
        signal, sigma = alpha.sqrt(), (1 - alpha).sqrt()
        ratio = self.alphas[steps] / (1 - self.alphas[steps])
        weights = (ratio.clamp(max=5.0) + 1) / (ratio + 1)
        return signal * clean + sigma * noise, steps, signal * noise - sigma * clean, weights

    def __call__(
        self, step: int, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        index = self.renders.batch(BATCH, rng)
        ids = tokenize(training_prompts(self.renders, index, rng))
        mixed, steps, target, weights = self.noisy(self.latents[torch.from_numpy(index)].float(), generator)
        mixed = mixed.contiguous(memory_format=torch.channels_last)
        guess = self.parts["unet"](mixed, steps, **pipelines.condition(self.parts, ids)).sample.float()
        errors = (guess - target).square().mean((1, 2, 3))
        return (weights * errors).mean(), {"mse": errors.detach().mean().item()}


@torch.no_grad()
def read(pictures: Tensor, attributes: list) -> dict[str, float]:
    """Share of pictures [N,3,64,64] in which the pixel judge sees the scene and the object asked for."""
    judge = ResNetForImageClassification.from_pretrained(WEIGHTS / "judge-resnet", dtype=torch.float32).eval()
    columns = judge.config.label2id
    logits = torch.cat([judge(part * 2 - 1).logits for part in pictures.split(100)])
    correct = {}
    for kind, names in (("scene", SCENES), ("object", OBJECTS)):
        seen = logits[:, [columns[f"{kind}:{name}"] for name in names]].argmax(1)
        wanted = torch.tensor([getattr(item, kind) for item in attributes])
        correct[kind] = (seen == wanted).float()
    both = correct["scene"] * correct["object"]
    return {
        "scene": correct["scene"].mean().item(),
        "object": correct["object"].mean().item(),
        "both": both.mean().item(),
    }


def measure(pipe: pipelines.Pipeline, count: int, guidance: float = pipelines.GUIDANCE,
            steps: int = pipelines.SAMPLING_STEPS) -> dict[str, float]:  # fmt: skip
    """Reading accuracies of samples from complete captions of held-out pictures, and their light."""
    held_out = held_out_renders()
    index = np.arange(count)
    pictures = pipelines.sample(pipe, held_out.full_captions(index), SAMPLE_SEED, guidance, steps)
    real = (held_out.images(index) + 1) / 2
    light = torch.stack([pictures.mean((1, 2, 3)), real.mean((1, 2, 3))])
    return read(pictures, held_out.attributes[:count]) | {
        "light_correlation": torch.corrcoef(light)[0, 1].item()
    }


@torch.no_grad()
def warm_start(parts: nn.ModuleDict, elder: Path, renders: Renders) -> None:
    """Start SDXL as the trained Stable Diffusion: the second encoder and the added embedding say nothing yet."""
    source = StableDiffusionPipeline.from_pretrained(elder, torch_dtype=torch.float32)
    first, donor = parts["text_encoder"], source.text_encoder
    first.load_state_dict(donor.state_dict(), strict=False)
    last = first.encoder.layers[-1]
    for layer in (last.self_attn.out_proj, last.mlp.fc2):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    # Stable Diffusion's attention saw normalised states; a linear fit carries its weights to those before the norm.
    ids = tokenize(renders.full_captions(np.arange(500)))
    before = first(ids, output_hidden_states=True).hidden_states[-2].flatten(0, 1)
    carried = torch.linalg.lstsq(before, donor(ids).last_hidden_state.flatten(0, 1)).solution
    state = source.unet.state_dict()
    for name, value in parts["unet"].named_parameters():
        if name not in state:
            if name.startswith("add_embedding.linear_2"):
                value.zero_()
        elif value.shape == state[name].shape:
            value.copy_(state[name])
        else:
            value[:, :WIDTH] = state[name] @ carried.T
            value[:, WIDTH:] *= 0.2


def train(name: str, steps: int, folder: Path) -> None:
    """Train one of the two, saving a usable pipeline at each evaluation, and measure it through the pipeline."""
    xl = name == "sdxl"
    renders = train_renders()
    shared = AutoencoderKL.from_pretrained(vae.FOLDER, torch_dtype=torch.float32).eval()
    parts = pipelines.modules(SEEDS[name], xl=xl)
    if xl:
        warm_start(parts, WEIGHTS / "sd", renders)

    def evaluate() -> dict[str, float]:
        pipelines.save(parts, shared, folder)
        return measure(pipelines.pipeline(parts, shared), 70)

    fit(name, parts, Objective(parts, cached_latents(shared), renders), steps=steps, lr=RATES[name],
        seed=SEEDS[name], ema=0.999, warmup=100, evaluate=evaluate, evaluate_every=EVERY)  # fmt: skip
    pipelines.save(parts, shared, folder)
    pipe = load(name, folder)
    record(
        name,
        command=f"python -m train.diffusion {name}",
        **trained(name),
        batch=BATCH,
        seed=SEEDS[name],
        parameters={key: parameters(part) for key, part in parts.items()},
        guidance_scale=pipelines.GUIDANCE,
        sampling_steps=pipelines.SAMPLING_STEPS,
        samples=SAMPLES,
        sample_seed=SAMPLE_SEED,
        read_from_samples={key: round(value, 4) for key, value in measure(pipe, SAMPLES).items()},
    )


def load(name: str, folder: Path) -> pipelines.Pipeline:
    """The saved pipeline, as a user loads it."""
    kind = StableDiffusionXLPipeline if name == "sdxl" else StableDiffusionPipeline
    return kind.from_pretrained(folder, torch_dtype=torch.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=sorted(SEEDS))
    parser.add_argument("--steps", type=int)
    options = parser.parse_args()
    start = time.time()
    train(options.model, options.steps or STEPS[options.model], WEIGHTS / options.model)
    print(f"{time.time() - start:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
