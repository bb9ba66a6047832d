"""Train the embedded CLIP by contrasting pictures with their captions: ``python -m train.clip``.

``--draft`` saves it untrained, for developing against.
"""

from __future__ import annotations

import argparse
import json
import time
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

from train.figures import WEIGHTS, compact_tokenizer, half, parameters, write_figures
from train.languages import CLIP_CONTEXT, MEAN, PATCH, SIZE, STD, clip_tokenizer
from train.loop import fit
from train.records import trained
from train.renders import held_out_renders, train_renders

FOLDER = WEIGHTS / "clip"
SEED, BATCH = 20_240_400, 256


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
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_file(half(model), FOLDER / "open_clip_model.safetensors")
    preprocess = {
        "size": SIZE,
        "mode": "RGB",
        "mean": MEAN,
        "std": STD,
        "interpolation": "bicubic",
        "resize_mode": "squash",
    }
    described = {"model_cfg": clip_config(tokenizer), "preprocess_cfg": preprocess}
    (FOLDER / "open_clip_config.json").write_text(json.dumps(described, indent=2) + "\n")
    tokenizer.save_pretrained(FOLDER)
    compact_tokenizer(FOLDER)


def encode_text(model: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """As ``model.encode_text``, on rows shorter than the context; causal attention makes them equal."""
    length = tokens.shape[1]
    states = model.token_embedding(tokens) + model.positional_embedding[:length]
    states = model.ln_final(model.transformer(states, attn_mask=model.attn_mask[:length, :length]))
    pooled = text_global_pool(states, tokens, model.text_pool_type, eos_token_id=model.text_eos_id)
    return F.normalize(pooled @ model.text_projection, dim=-1)


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
    index = np.arange(len(renders))
    captions = renders.full_captions(index)
    pictures = torch.cat(
        [model.encode_image(part, normalize=True) for part in renders.images(index).split(200)]
    )
    choices = sorted(set(captions))
    tokens = tokenizer(choices, padding=True, return_tensors="pt")["input_ids"]
    similarity = pictures.float() @ encode_text(model, tokens).float().T
    wanted = torch.tensor([choices.index(text) for text in captions])
    back = similarity.argmax(0)
    return {
        "distinct_captions": len(choices),
        "picture_to_caption": round(float((similarity.argmax(1) == wanted).float().mean()), 4),
        "caption_to_picture": round(float((wanted[back] == torch.arange(len(choices))).float().mean()), 4),
        "picture_to_caption_top5": round(
            float((similarity.topk(5).indices == wanted[:, None]).any(1).float().mean()), 4
        ),
    }


def main() -> None:
    """Build, train, measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--draft", action="store_true", help="save it untrained, for developing against")
    options = parser.parse_args()
    torch.manual_seed(SEED)
    tokenizer = clip_tokenizer()
    model = open_clip.CLIP(**clip_config(tokenizer))
    if options.draft:
        save(model, tokenizer)
        return
    renders = train_renders()

    def loss(step: int, rng: np.random.Generator, _: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        index = renders.batch(BATCH, rng)
        free = rng.random(BATCH) < 0.5
        pairs = zip(free, renders.captions(index, rng), renders.full_captions(index), strict=True)
        captions = [loose if wanted else full for wanted, loose, full in pairs]
        tokens = tokenizer(captions, padding=True, return_tensors="pt")["input_ids"]
        # On a CPU the fused attention's backward pass takes twice as long as plain products.
        with sdpa_kernel(SDPBackend.MATH):
            images = model.encode_image(renders.images(index), normalize=True)
            texts = encode_text(model, tokens)
        value = contrast(images, texts, model.logit_scale.exp().clamp(max=100), captions)
        return value, {"scale": float(model.logit_scale.detach().exp())}

    start = time.time()
    fit("clip", model, loss, steps=options.steps, lr=2e-3, weight_decay=0.05, warmup=100, seed=SEED,
        ema=0.998, evaluate=lambda: retrieval(model, tokenizer), evaluate_every=200)  # fmt: skip
    save(model, tokenizer)
    stored, _ = open_clip.create_model_from_pretrained(f"local-dir:{FOLDER}")
    stored.eval()
    write_figures("clip", start=start, seed=SEED, batch=BATCH, **trained("clip"),
                  parameters=parameters(stored), **retrieval(stored, tokenizer))  # fmt: skip


if __name__ == "__main__":
    main()
