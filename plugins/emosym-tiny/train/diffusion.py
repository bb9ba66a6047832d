"""Stable Diffusion and SDXL at 64x64, from scratch; SDXL starts from the first, both need the autoencoder.

Their figures are read by the pixel judge.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from emosym_tiny.world.distribution import Attributes
from emosym_tiny.world.vocabulary import OBJECTS, SCENES
from torch import Tensor, nn
from transformers import ResNetForImageClassification

from train import pipelines, vae
from train.figures import WEIGHTS, parameters, write_figures
from train.loop import Losses, Recipe, Step, fit
from train.prompts import WIDTH, tokenize, training_prompts
from train.renders import Renders, held_out_renders, train_renders

RECIPES = {
    name: Recipe(name, seed, steps, batch=48, lr=lr, warmup=100, ema=0.9995, evaluate_every=2_000)
    for name, seed, steps, lr in (("sd", 20_240_310, 20_000, 1.2e-3), ("sdxl", 20_240_320, 2_000, 5e-4))
}
SAMPLE_SEED, SAMPLES = 20_240_330, 280


class Objective:
    """v-prediction on random captions with its min-SNR weights, (min(SNR, 5) + 1) / (SNR + 1)."""

    def __init__(self, parts: nn.ModuleDict, latents: Tensor, renders: Renders, batch: int) -> None:
        self.parts, self.latents, self.renders, self.batch = parts, latents, renders, batch
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

    def __call__(self, step: Step) -> Losses:
        index = self.renders.batch(self.batch, step.rng)
        ids = tokenize(training_prompts(self.renders, index, step.rng))
        clean = self.latents[torch.from_numpy(index)].float()
        mixed, steps, target, weights = self.noisy(clean, step.generator)
        mixed = mixed.contiguous(memory_format=torch.channels_last)
        guess = self.parts["unet"](mixed, steps, **pipelines.condition(self.parts, ids)).sample.float()
        errors = (guess - target).square().mean((1, 2, 3))
        return {"loss": (weights * errors).mean(), "mse": errors.mean()}


@torch.no_grad()
def read(pictures: Tensor, attributes: Sequence[Attributes]) -> dict[str, float]:
    """Share of pictures [N,3,64,64] in which the pixel judge sees the scene and the object asked for."""
    judge = ResNetForImageClassification.from_pretrained(WEIGHTS / "judge-resnet", dtype=torch.float32).eval()
    logits = torch.cat([judge(part * 2 - 1).logits for part in pictures.split(100)])
    correct = {}
    for kind, names in (("scene", SCENES), ("object", OBJECTS)):
        seen = logits[:, [judge.config.label2id[f"{kind}:{name}"] for name in names]].argmax(1)
        correct[kind] = (seen == torch.tensor([getattr(item, kind) for item in attributes])).float()
    correct["both"] = correct["scene"] * correct["object"]
    return {kind: values.mean().item() for kind, values in correct.items()}


def measure(pipe: pipelines.Pipeline, count: int) -> dict[str, float]:
    """Reading accuracies of samples from complete captions of held-out pictures, and their light."""
    held_out = held_out_renders()[:count]
    pictures = pipelines.sample(pipe, held_out.full_captions(), SAMPLE_SEED)
    real = (held_out.images() + 1) / 2
    light = torch.stack([pictures.mean((1, 2, 3)), real.mean((1, 2, 3))])
    return read(pictures, held_out.attributes) | {"light_correlation": torch.corrcoef(light)[0, 1].item()}


@torch.no_grad()
def warm_start(parts: nn.ModuleDict, renders: Renders) -> None:
    """Start SDXL as the trained Stable Diffusion; second encoder and added embedding say nothing yet."""
    source = StableDiffusionPipeline.from_pretrained(WEIGHTS / "sd", torch_dtype=torch.float32)
    first, donor = parts["text_encoder"], source.text_encoder
    first.load_state_dict(donor.state_dict(), strict=False)
    last = first.encoder.layers[-1]
    for layer in (last.self_attn.out_proj, last.mlp.fc2):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    # Stable Diffusion's attention saw normalised states; a linear fit carries it to those before the norm.
    ids = tokenize(renders[:500].full_captions())
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


def train(recipe: Recipe) -> None:
    """Train one of the two, saving a usable pipeline at each evaluation, and measure that pipeline."""
    renders, folder = train_renders(), WEIGHTS / recipe.name
    shared = AutoencoderKL.from_pretrained(vae.FOLDER, torch_dtype=torch.float32).eval()
    parts = pipelines.modules(recipe.seed, xl=recipe.name == "sdxl")
    if recipe.name == "sdxl":
        warm_start(parts, renders)

    def evaluate() -> dict[str, float]:
        pipelines.save(parts, shared, folder)
        return measure(pipelines.pipeline(parts, shared), 70)

    fit(recipe, parts, Objective(parts, vae.cached_latents(shared, renders), renders, recipe.batch), evaluate)
    pipelines.save(parts, shared, folder)
    stored = type(pipelines.pipeline(parts, shared)).from_pretrained(folder, torch_dtype=torch.float32)
    write_figures(
        recipe,
        parameters={name: parameters(part) for name, part in parts.items()},
        guidance_scale=pipelines.GUIDANCE,
        sampling_steps=pipelines.SAMPLING_STEPS,
        samples=SAMPLES,
        sample_seed=SAMPLE_SEED,
        read_from_samples={kind: round(value, 4) for kind, value in measure(stored, SAMPLES).items()},
    )
