"""The embedded CLIP, trained by contrasting pictures with their captions."""

from __future__ import annotations

from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from open_clip.transformer import text_global_pool
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedTokenizerFast

from train.figures import WEIGHTS, compact_tokenizer, half, parameters, share, write_figures, write_json
from train.languages import CLIP_CONTEXT, MEAN, PATCH, SIZE, STD, clip_tokenizer
from train.loop import Losses, Recipe, Step, fit
from train.renders import held_out_renders, train_renders

FOLDER = WEIGHTS / "clip"
RECIPES = {
    "clip": Recipe(
        "clip",
        20_240_400,
        steps=500,
        batch=256,
        lr=2e-3,
        weight_decay=0.05,
        warmup=100,
        ema=0.998,
        evaluate_every=200,
    )
}


def clip_config(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """open_clip's own model_cfg; texts are read up to their end token."""
    return {
        "embed_dim": 64,
        "vision_cfg": {"image_size": SIZE, "patch_size": PATCH, "layers": 3, "width": 96, "head_width": 32},
        "text_cfg": {
            # Any name makes open_clip take the tokenizer files of the folder itself.
            "hf_tokenizer_name": "local",
            "tokenizer_kwargs": {},
            "context_length": CLIP_CONTEXT,
            "vocab_size": len(tokenizer),
            "width": 96,
            "heads": 3,
            "layers": 2,
            "pool_type": "eos",
            "pad_id": tokenizer.pad_token_id,
            "eos_id": tokenizer.eos_token_id,
        },
    }


def save(model: open_clip.CLIP, tokenizer: PreTrainedTokenizerFast) -> None:
    """Everything ``open_clip.create_model_from_pretrained("local-dir:…")`` and ``get_tokenizer`` read."""
    preprocess = {"size": SIZE, "mode": "RGB", "mean": MEAN, "std": STD}
    preprocess |= {"interpolation": "bicubic", "resize_mode": "squash"}
    described = {"model_cfg": clip_config(tokenizer), "preprocess_cfg": preprocess}
    write_json(FOLDER / "open_clip_config.json", described)
    save_file(half(model), FOLDER / "open_clip_model.safetensors")
    tokenizer.save_pretrained(FOLDER)
    compact_tokenizer(FOLDER)


def load() -> open_clip.CLIP:
    """The saved model, as a user loads it."""
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{FOLDER}")
    return model.eval()


def encode_text(model: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """As ``model.encode_text``, on rows shorter than the context; causal attention makes them equal."""
    length = tokens.shape[1]
    states = model.token_embedding(tokens) + model.positional_embedding[:length]
    states = model.ln_final(model.transformer(states, attn_mask=model.attn_mask[:length, :length]))
    pooled = text_global_pool(states, tokens, model.text_pool_type, eos_token_id=model.text_eos_id)
    return F.normalize(pooled @ model.text_projection, dim=-1)


@torch.no_grad()
def encode_images(model: open_clip.CLIP, pictures: Tensor) -> Tensor:
    """Unit-length features of many pictures [N,3,64,64]."""
    return torch.cat([model.encode_image(part, normalize=True) for part in pictures.split(200)])


def contrast(images: Tensor, texts: Tensor, scale: Tensor, captions: list[str]) -> Tensor:
    """Symmetric InfoNCE in which equal captions of different pictures are no negatives of each other."""
    names = np.array(captions)
    twins = torch.from_numpy(names[:, None] == names[None])
    twins.fill_diagonal_(False)
    logits = (scale * images @ texts.T).float().masked_fill(twins, float("-inf"))
    target = torch.arange(len(logits))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


@torch.no_grad()
def retrieval(model: open_clip.CLIP, tokenizer: PreTrainedTokenizerFast) -> dict[str, float]:
    """Top-1 among 1000 held-out pictures and their canonical captions; an equal caption counts as found."""
    renders = held_out_renders()
    captions = renders.full_captions()
    choices = sorted(set(captions))
    tokens = tokenizer(choices, padding=True, return_tensors="pt")["input_ids"]
    similarity = encode_images(model, renders.images()).float() @ encode_text(model, tokens).float().T
    wanted = torch.tensor([choices.index(text) for text in captions])
    return {
        "distinct_captions": len(choices),
        "picture_to_caption": share(similarity.argmax(1) == wanted),
        "caption_to_picture": share(wanted[similarity.argmax(0)] == torch.arange(len(choices))),
        "picture_to_caption_top5": share((similarity.topk(5).indices == wanted[:, None]).any(1)),
    }


def train(recipe: Recipe) -> None:
    """Build, train, measure and save."""
    tokenizer, renders = clip_tokenizer(), train_renders()
    model = open_clip.CLIP(**clip_config(tokenizer))

    def losses(step: Step) -> Losses:
        index = renders.batch(recipe.batch, step.rng)
        free = step.rng.random(recipe.batch) < 0.5
        pairs = zip(free, renders.captions(index, step.rng), renders.full_captions(index), strict=True)
        captions = [loose if wanted else full for wanted, loose, full in pairs]
        tokens = tokenizer(captions, padding=True, return_tensors="pt")["input_ids"]
        # On a CPU the fused attention's backward pass takes twice as long as plain products.
        with sdpa_kernel(SDPBackend.MATH):
            images = model.encode_image(renders.images(index), normalize=True)
            texts = encode_text(model, tokens)
        scale = model.logit_scale.exp()
        return {"loss": contrast(images, texts, scale.clamp(max=100), captions), "scale": scale}

    fit(recipe, model, losses, lambda: retrieval(model, tokenizer))
    save(model, tokenizer)
    stored = load()
    write_figures(recipe, parameters=parameters(stored), **retrieval(stored, tokenizer))
