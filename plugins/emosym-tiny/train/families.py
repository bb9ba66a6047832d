"""The three small vision-language families: how each is built, fed and started from its elder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AttentionInterface,
    CLIPVisionConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedModel,
    ProcessorMixin,
    Qwen2Config,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)
from transformers.models.idefics3.configuration_idefics3 import Idefics3VisionConfig

from train import languages
from train.languages import END, MERGE, PATCH, SIZE, STOP, VOCABULARY
from train.renders import scaled

GRID = SIZE // PATCH
TEXT = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}
VISION = {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 384}
ROPE = {"rope_type": "default", "rope_theta": 10_000.0}


@dataclass(frozen=True)
class Family:
    """One model class: built for a processor and fed by ``pixels`` from uint8 pictures."""

    processor: Callable[[], ProcessorMixin]
    build: Callable[[ProcessorMixin], PreTrainedModel]
    pixels: Callable[[Tensor], dict[str, Tensor]]
    language: str = "language_model"
    vision: str = "vision_tower"
    """Names of the two halves in ``model.model``."""


def _text(processor: ProcessorMixin) -> dict[str, Any]:
    stop, end = processor.tokenizer.convert_tokens_to_ids([STOP, END])
    ids = {"bos_token_id": None, "eos_token_id": stop, "pad_token_id": end}
    return {**TEXT, **ids, "vocab_size": len(processor.tokenizer)}


def one_size_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention over images of one size as one batch, where the stock code loops over them: [1,H,B*L,D] in.

    The name it is registered under contains "flash", which makes the model hand over all images at once.
    """
    images = len(options["cu_seq_lens_q"]) - 1
    heads, total, width = query.shape[1:]

    def split(states: Tensor) -> Tensor:
        batched = states.view(heads, images, total // images, width).transpose(0, 1)
        return batched.reshape(images * heads, total // images, width)

    scores = split(query) * options["scaling"] @ split(key).transpose(1, 2)
    weights = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
    out = (weights @ split(value)).view(images, heads, total // images, width)
    return out.transpose(1, 2).reshape(1, total, heads, width), None


AttentionInterface.register("flash_one_size", one_size_attention)


def fast_attention(model: PreTrainedModel) -> None:
    """Plain products for training: at these lengths they take half the time of the CPU's fused attention."""
    for config in (model.config.text_config, model.config.vision_config):
        config._attn_implementation = "flash_one_size" if config.model_type == "qwen2_vl_vision" else "eager"


def _qwen(processor: ProcessorMixin) -> PreTrainedModel:
    ids = processor.tokenizer.convert_tokens_to_ids
    config = Qwen2VLConfig(
        text_config={**_text(processor), "rope_parameters": {**ROPE, "mrope_section": [4, 6, 6]}},
        vision_config={
            "depth": VISION["num_hidden_layers"],
            "embed_dim": VISION["hidden_size"],
            "num_heads": VISION["num_attention_heads"],
            "hidden_size": TEXT["hidden_size"],
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    return Qwen2VLForConditionalGeneration(config)


def _qwen_pixels(pictures: Tensor) -> dict[str, Tensor]:
    count, side = len(pictures), GRID // MERGE
    patches = scaled(pictures).view(count, 3, side, MERGE, PATCH, side, MERGE, PATCH)
    patches = patches.permute(0, 2, 5, 3, 6, 1, 4, 7).unsqueeze(6).expand(-1, -1, -1, -1, -1, -1, 2, -1, -1)
    return {
        "pixel_values": patches.reshape(count * GRID * GRID, -1),
        "image_grid_thw": torch.tensor([[1, GRID, GRID]]).expand(count, -1),
    }


def _llava(processor: ProcessorMixin) -> PreTrainedModel:
    config = LlavaConfig(
        text_config=Qwen2Config(**_text(processor), rope_parameters=ROPE, tie_word_embeddings=True),
        vision_config=CLIPVisionConfig(**VISION, image_size=SIZE, patch_size=PATCH, projection_dim=64),
        image_token_index=processor.image_token_id,
        image_seq_length=GRID * GRID,
        # With three layers the last but one would leave a third of the tower unused.
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )
    return LlavaForConditionalGeneration(config)


def _idefics(processor: ProcessorMixin) -> PreTrainedModel:
    config = Idefics3Config(
        # Biases in attention so that the language layers of qwen-vl fit.
        text_config=LlamaConfig(**_text(processor), rope_parameters=ROPE, attention_bias=True),
        vision_config=Idefics3VisionConfig(
            **VISION, image_size=SIZE, patch_size=PATCH, hidden_act="quick_gelu"
        ),
        image_token_id=processor.image_token_id,
        scale_factor=MERGE,
        tie_word_embeddings=True,
    )
    return Idefics3ForConditionalGeneration(config)


@torch.no_grad()
def _copy_language(source: nn.Module, target: nn.Module) -> None:
    """Language layers and the embeddings of the shared vocabulary; biases the source lacks become zero."""
    target.embed_tokens.weight[:VOCABULARY] = source.embed_tokens.weight[:VOCABULARY]
    target.norm.load_state_dict(source.norm.state_dict())
    for old, new in zip(source.layers, target.layers, strict=True):
        missing = new.load_state_dict(old.state_dict(), strict=False)
        assert not missing.unexpected_keys
        assert set(missing.missing_keys) <= {"self_attn.o_proj.bias"}
        if new.self_attn.o_proj.bias is not None:
            nn.init.zeros_(new.self_attn.o_proj.bias)


@torch.no_grad()
def _copy_vision(source: nn.Module, target: nn.Module) -> None:
    """Patch filters (the two identical frames added up) and blocks; positions differ and are learnt anew."""
    target.embeddings.patch_embedding.weight.copy_(source.patch_embed.proj.weight.sum(2))
    for old, new in zip(source.blocks, target.encoder.layers, strict=True):
        new.layer_norm1.load_state_dict(old.norm1.state_dict())
        new.layer_norm2.load_state_dict(old.norm2.state_dict())
        new.mlp.load_state_dict(old.mlp.state_dict())
        new.self_attn.out_proj.load_state_dict(old.attn.proj.state_dict())
        for name, weight, bias in zip(
            "qkv", old.attn.qkv.weight.chunk(3), old.attn.qkv.bias.chunk(3), strict=True
        ):
            getattr(new.self_attn, f"{name}_proj").load_state_dict({"weight": weight, "bias": bias})


def warm_start(elder: PreTrainedModel, model: PreTrainedModel, family: Family) -> None:
    """Start ``model`` as the trained qwen-vl, as far as the two have the same layers."""
    _copy_language(elder.model.language_model, getattr(model.model, family.language))
    _copy_vision(elder.model.visual, getattr(model.model, family.vision))


FAMILIES = {
    "qwen-vl": Family(languages.qwen_processor, _qwen, _qwen_pixels, vision="visual"),
    "llava": Family(languages.llava_processor, _llava, lambda p: {"pixel_values": scaled(p)}),
    "smolvlm": Family(
        languages.idefics_processor,
        _idefics,
        lambda p: {"pixel_values": scaled(p)[:, None]},
        "text_model",
        "vision_model",
    ),
}
