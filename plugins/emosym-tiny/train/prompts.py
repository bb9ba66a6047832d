"""The prompt side of the diffusion models: a CLIP tokenizer, token ids of captions, text encoders."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from train.languages import corpus
from train.renders import Renders

VOCABULARY, LENGTH = 1024, 32
WIDTH, SECOND_WIDTH = 96, 64
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


def _merges() -> tuple[list[str], list[tuple[str, str]]]:
    """Every byte alone and at a word's end, so that any text can be written, then the merges learnt."""
    # An untrained CLIPTokenizer lends its normalizer and splitting, so that training sees what use will see.
    plain = CLIPTokenizer()
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=WORD_END, continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = plain.backend_tokenizer.pre_tokenizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 2,
        initial_alphabet=alphabet,
        end_of_word_suffix=WORD_END,
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    learnt = json.loads(tokenizer.to_str())["model"]["merges"]
    return alphabet, [(left, right) for left, right in learnt]


@cache
def prompt_tokenizer() -> CLIPTokenizer:
    """Lower-case BPE of at most 1024 tokens; the end token is the last id and pads, as in Stable Diffusion."""
    alphabet, merges = _merges()
    tokens = [*alphabet, *(letter + WORD_END for letter in alphabet)]
    kept = []
    for left, right in merges:
        if len(tokens) == VOCABULARY - 2:
            break
        kept.append((left, right))
        if left + right not in tokens:
            tokens.append(left + right)
    vocabulary = {token: index for index, token in enumerate([*tokens, BEGIN, END])}
    return CLIPTokenizer(vocab=vocabulary, merges=kept, model_max_length=LENGTH)


def tokenize(texts: list[str]) -> Tensor:
    """Ids [B,32], padded and cut exactly as the pipelines do."""
    return prompt_tokenizer()(
        texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    ).input_ids


def training_prompts(renders: Renders, index: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Half complete captions, the rest of free wording, and one in ten empty for guidance."""
    free, full, draw = renders.captions(index, rng), renders.full_captions(index), rng.random(len(index))
    return ["" if d < 0.1 else a if d < 0.5 else b for d, a, b in zip(draw, free, full, strict=True)]


def text_config(width: int, layers: int) -> CLIPTextConfig:
    """A small CLIP text encoder; `end` is never 2, which would mean the pooling of old checkpoints."""
    tokenizer = prompt_tokenizer()
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        projection_dim=width,
        hidden_act="quick_gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def first_encoder(layers: int = 2) -> CLIPTextModel:
    """Stable Diffusion's text encoder, with token embeddings large enough to matter from the first step."""
    encoder = CLIPTextModel(text_config(WIDTH, layers))
    torch.nn.init.normal_(encoder.embeddings.token_embedding.weight, std=0.3)
    torch.nn.init.normal_(encoder.embeddings.position_embedding.weight, std=0.1)
    return encoder


def second_encoder() -> CLIPTextModelWithProjection:
    """SDXL's further encoder, which also gives the pooled embedding."""
    encoder = CLIPTextModelWithProjection(text_config(SECOND_WIDTH, 2))
    torch.nn.init.normal_(encoder.text_model.embeddings.token_embedding.weight, std=0.3)
    torch.nn.init.normal_(encoder.text_model.embeddings.position_embedding.weight, std=0.1)
    return encoder
