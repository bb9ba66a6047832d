"""Model folders of published sizes with random weights, a small tokenizer and a real processor: no download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers as hf
from emosym_diffusion.footprint import SIZES as DIFFUSION_SIZES
from emosym_vlm.footprint import SIZES as BACKBONE_SIZES
from tokenizers import Tokenizer, models, pre_tokenizers

MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<unk>")
QWEN_MARKS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
WORDS = (
    "user",
    "assistant",
    "What",
    "is",
    "the",
    "emotion",
    "of",
    "image",
    "?",
    "Answer",
    "in",
    "one",
    "word",
    ".",
)


def save_backbone(size: str, folder: Path) -> Path:
    """``qwen2-vl-2b`` and the others of :mod:`emosym_vlm.sizes`, in bf16, as ``from_pretrained`` reads them."""
    declared = hf.AutoConfig.from_pretrained(BACKBONE_SIZES / size)
    llava = declared.model_type == "llava"
    tokenizer = _words("<image>") if llava else _words(*QWEN_MARKS)
    ids = tokenizer.convert_tokens_to_ids
    if llava:
        declared.image_token_id = ids("<image>")
    else:
        for name, mark in zip(("vision_start", "vision_end", "image", "video"), QWEN_MARKS, strict=True):
            setattr(declared, f"{name}_token_id", ids(mark))
    text = declared.get_text_config(decoder=True)
    text.bos_token_id, text.eos_token_id, text.pad_token_id = None, ids("<|im_end|>"), ids("<|endoftext|>")
    hf.AutoModelForImageTextToText.from_config(declared, dtype=torch.bfloat16).save_pretrained(folder)
    _processor(size, tokenizer, llava).save_pretrained(folder)
    return folder


def save_head(size: str, folder: Path) -> Path:
    """``sd15`` or ``sdxl-base``, in bf16, in diffusers' layout."""
    source = DIFFUSION_SIZES / size
    second = (source / "text_encoder_2").is_dir()
    tokenizer = _letters()
    parts: dict[str, Any] = {
        "unet": _built(diffusers.UNet2DConditionModel, source / "unet"),
        "vae": _built(diffusers.AutoencoderKL, source / "vae"),
        "scheduler": diffusers.DDIMScheduler.from_pretrained(source / "scheduler"),
        "tokenizer": tokenizer,
        "text_encoder": _encoder(hf.CLIPTextModel, source / "text_encoder", tokenizer),
    }
    pipeline: Any
    if second:
        encoder = _encoder(hf.CLIPTextModelWithProjection, source / "text_encoder_2", tokenizer)
        parts |= {"tokenizer_2": tokenizer, "text_encoder_2": encoder}
        pipeline = diffusers.StableDiffusionXLPipeline(**parts, add_watermarker=False)
    else:
        without = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        pipeline = diffusers.StableDiffusionPipeline(**parts, **without)
    pipeline.save_pretrained(folder)
    return folder


def _built(cls: Any, source: Path) -> Any:
    return torch.nn.Module.to(cls.from_config(cls.load_config(source)), torch.bfloat16)


def _encoder(cls: Any, source: Path, tokenizer: Any) -> Any:
    config = hf.CLIPTextConfig.from_pretrained(source)
    config.bos_token_id, config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    config.pad_token_id = tokenizer.pad_token_id
    return cls(config).to(torch.bfloat16)


def _processor(size: str, tokenizer: Any, llava: bool) -> Any:
    source = BACKBONE_SIZES / size
    image = hf.AutoImageProcessor.from_pretrained(source)
    if llava:
        return hf.LlavaProcessor(
            image, tokenizer, patch_size=14, vision_feature_select_strategy="default",
            num_additional_image_tokens=1, chat_template=_template("<image>"),
        )  # fmt: skip
    cls = hf.Qwen2_5_VLProcessor if "2.5" in size else hf.Qwen2VLProcessor
    mark = "<|vision_start|><|image_pad|><|vision_end|>"
    return cls(image, tokenizer, hf.Qwen2VLVideoProcessor(), chat_template=_template(mark))


def _template(image: str) -> str:
    return (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}"
        + image
        + "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def _words(*extra: str) -> hf.PreTrainedTokenizerFast:
    vocabulary = {word: i for i, word in enumerate((*MARKS, *extra, *WORDS))}
    base = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    base.pre_tokenizer = pre_tokenizers.Whitespace()
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=base, eos_token="<|im_end|>", pad_token="<|endoftext|>", unk_token="<unk>",
        extra_special_tokens=["<|im_start|>", *extra], model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip


def _letters() -> hf.CLIPTokenizer:
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return hf.CLIPTokenizer(vocab=vocabulary, merges=[], pad_token="<|endoftext|>", model_max_length=77)
