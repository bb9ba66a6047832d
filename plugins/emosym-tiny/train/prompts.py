"""The prompt side of the diffusion models: a CLIP tokenizer, token ids of captions, text encoders."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from train.languages import VOCABULARY, train_bpe
from train.renders import Renders

LENGTH = 32
WIDTH, SECOND_WIDTH = 96, 64
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


def _merges() -> list[tuple[str, str]]:
    # An untrained CLIPTokenizer lends its splitting, so that training sees what use will see.
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=WORD_END, continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = CLIPTokenizer().backend_tokenizer.pre_tokenizer
    train_bpe(tokenizer, VOCABULARY - 2, end_of_word_suffix=WORD_END)
    return [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]


@cache
def prompt_tokenizer() -> CLIPTokenizer:
    """Lower-case BPE of at most 1024 tokens; the end token is the last id and pads, as in Stable Diffusion.

    Every byte is there alone and at a word's end, so that any text can be written, then the merges learnt.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *(letter + WORD_END for letter in alphabet)]
    kept = []
    for left, right in _merges():
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


def _large_embeddings(embeddings: nn.Module) -> None:
    """Token embeddings large enough to matter from the first step."""
    nn.init.normal_(embeddings.token_embedding.weight, std=0.3)
    nn.init.normal_(embeddings.position_embedding.weight, std=0.1)


def first_encoder(layers: int) -> CLIPTextModel:
    """Stable Diffusion's text encoder."""
    encoder = CLIPTextModel(text_config(WIDTH, layers))
    _large_embeddings(encoder.embeddings)
    return encoder


def second_encoder() -> CLIPTextModelWithProjection:
    """SDXL's further encoder, which also gives the pooled embedding."""
    encoder = CLIPTextModelWithProjection(text_config(SECOND_WIDTH, layers=2))
    _large_embeddings(encoder.text_model.embeddings)
    return encoder
