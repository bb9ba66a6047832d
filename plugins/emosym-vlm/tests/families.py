"""Small random models of real families, each with a tokenizer, a chat template and a processor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers.models.idefics3.configuration_idefics3 import Idefics3VisionConfig
from transformers.models.smolvlm.configuration_smolvlm import SmolVLMVisionConfig

STOP, START, PAD = "<|im_end|>", "<|im_start|>", "<|endoftext|>"
WORDS = [
    "user",
    "assistant",
    "system",
    "what",
    "is",
    "the",
    "emotion",
    "of",
    "image",
    "?",
    "answer",
    "in",
    "one",
    "word",
    ".",
    "describe",
    "picture",
    "a",
    "dog",
    "forest",
]
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
}
VISION = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
QWEN_VISION = {"depth": 2, "num_heads": 2, "patch_size": 8, "spatial_merge_size": 2, "initializer_range": 0.3}
ROPE = {"rope_type": "default", "rope_theta": 10_000.0}
HALF = {"image_mean": (0.5, 0.5, 0.5), "image_std": (0.5, 0.5, 0.5)}
SQUARE = {"height": 32, "width": 32}


def _tokenizer(*extra: str, **named: str) -> hf.PreTrainedTokenizerFast:
    words = [PAD, START, STOP, "<unk>", *extra, *WORDS, *(word.capitalize() for word in WORDS)]
    base = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(dict.fromkeys(words))}, unk_token="<unk>")
    )
    base.pre_tokenizer = pre_tokenizers.Whitespace()
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=base,
        eos_token=STOP,
        pad_token=PAD,
        unk_token="<unk>",
        extra_special_tokens=[START, *extra],
        model_input_names=["input_ids", "attention_mask"],
        **named,
    )


def _template(image: str) -> str:
    return (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}"
        + image
        + "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def _text(tokenizer: hf.PreTrainedTokenizerFast, **more: Any) -> dict[str, Any]:
    stop, pad = tokenizer.convert_tokens_to_ids([STOP, PAD])
    return {
        **TEXT,
        "vocab_size": len(tokenizer),
        "bos_token_id": None,
        "eos_token_id": stop,
        "pad_token_id": pad,
        **more,
    }


def _qwen(family: str) -> tuple[hf.PreTrainedModel, hf.ProcessorMixin]:
    tokenizer = _tokenizer("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    ids = tokenizer.convert_tokens_to_ids
    tower = {"hidden_size": 32, "intermediate_size": 48, "out_hidden_size": 32}
    windows = {"window_size": 32, "fullatt_block_indexes": [1]}
    deep = {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    config_class, vision, text = {
        "qwen2_vl": (hf.Qwen2VLConfig, {"embed_dim": 32, "hidden_size": 32}, {}),
        "qwen2_5_vl": (hf.Qwen2_5_VLConfig, {**tower, **windows}, {}),
        "qwen3_vl": (hf.Qwen3VLConfig, {**tower, **deep}, {"head_dim": 8}),
    }[family]
    sections = {"qwen3_vl": [2, 1, 1]}.get(family, [1, 1, 2])
    config = config_class(
        text_config=_text(tokenizer, **text, rope_parameters={**ROPE, "mrope_section": sections}),
        vision_config={**QWEN_VISION, **vision},
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
    )
    size = {"shortest_edge": 16 * 16, "longest_edge": 96 * 96}
    shape = {"patch_size": 8, "merge_size": 2, "temporal_patch_size": 2, "size": size}
    processor_class, video_class = (
        (hf.Qwen3VLProcessor, hf.Qwen3VLVideoProcessor)
        if family == "qwen3_vl"
        else ({"qwen2_vl": hf.Qwen2VLProcessor}.get(family, hf.Qwen2_5_VLProcessor), hf.Qwen2VLVideoProcessor)
    )
    processor = processor_class(
        hf.Qwen2VLImageProcessor(**shape, **HALF),
        tokenizer,
        video_class(**shape, **HALF),
        chat_template=_template("<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return hf.AutoModelForImageTextToText.from_config(config), processor


def _llava(family: str) -> tuple[hf.PreTrainedModel, hf.ProcessorMixin]:
    tokenizer = _tokenizer("<image>", "<video>")
    common = {
        "text_config": hf.Qwen2Config(**_text(tokenizer), rope_parameters=ROPE),
        "image_token_index": tokenizer.convert_tokens_to_ids("<image>"),
    }
    clip = hf.CLIPVisionConfig(**VISION, image_size=32, patch_size=8)
    pinpoints = [[32, 64], [64, 32], [64, 64]]
    options = {"patch_size": 8, "chat_template": _template("<image>")}
    if family == "llava":
        config = hf.LlavaConfig(**common, vision_config=clip, vision_feature_layer=-1, image_seq_length=16)
        image = hf.CLIPImageProcessor(size=SQUARE, do_center_crop=False, **HALF)
        options |= {"num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"}
        return hf.LlavaForConditionalGeneration(config), hf.LlavaProcessor(image, tokenizer, **options)
    if family == "llava_next":
        config = hf.LlavaNextConfig(
            **common, vision_config=clip, vision_feature_layer=-1, image_grid_pinpoints=pinpoints
        )
        image = hf.LlavaNextImageProcessor(
            size={"shortest_edge": 32}, crop_size=SQUARE, image_grid_pinpoints=pinpoints, **HALF
        )
        options |= {"num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"}
        return hf.LlavaNextForConditionalGeneration(config), hf.LlavaNextProcessor(
            image, tokenizer, **options
        )
    siglip = hf.SiglipVisionConfig(**VISION, image_size=32, patch_size=8, vision_use_head=False)
    config = hf.LlavaOnevisionConfig(
        **common,
        vision_config=siglip,
        image_grid_pinpoints=pinpoints,
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
    )
    image = hf.LlavaOnevisionImageProcessor(size=SQUARE, image_grid_pinpoints=pinpoints, **HALF)
    video = hf.LlavaOnevisionVideoProcessor(size=SQUARE, **HALF)
    processor = hf.LlavaOnevisionProcessor(
        image,
        tokenizer,
        video,
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=_template("<image>"),
    )
    return hf.LlavaOnevisionForConditionalGeneration(config), processor


def _idefics3(_: str) -> tuple[hf.PreTrainedModel, hf.ProcessorMixin]:
    tokenizer = _tokenizer("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>")
    config = hf.Idefics3Config(
        text_config=hf.LlamaConfig(**_text(tokenizer), rope_parameters=ROPE),
        vision_config=Idefics3VisionConfig(**VISION, image_size=32, patch_size=8),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        tie_word_embeddings=False,
    )
    edge = {"longest_edge": 32}
    image = hf.Idefics3ImageProcessor(size=edge, max_image_size=edge, do_image_splitting=False, **HALF)
    processor = hf.Idefics3Processor(image, tokenizer, image_seq_len=4, chat_template=_template("<image>"))
    return hf.Idefics3ForConditionalGeneration(config), processor


def _smolvlm(_: str) -> tuple[hf.PreTrainedModel, hf.ProcessorMixin]:
    """Unlike Idefics3 above with tiles, as the published models have them."""
    tiles = [f"<row_{row}_col_{column}>" for row in (1, 2, 3) for column in (1, 2, 3)]
    tokenizer = _tokenizer("<fake_token_around_image>", "<image>", "<global-img>", *tiles)
    config = hf.SmolVLMConfig(
        text_config=hf.LlamaConfig(**_text(tokenizer), rope_parameters=ROPE),
        vision_config=SmolVLMVisionConfig(**VISION, image_size=32, patch_size=8),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    sizes = {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 32}}
    processor = hf.SmolVLMProcessor(
        hf.SmolVLMImageProcessor(**sizes, do_image_splitting=True, **HALF),
        tokenizer,
        hf.SmolVLMVideoProcessor(**sizes, **HALF),
        image_seq_len=4,
        chat_template=_template("<image>"),
    )
    return hf.SmolVLMForConditionalGeneration(config), processor


def _internvl(_: str) -> tuple[hf.PreTrainedModel, hf.ProcessorMixin]:
    names = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = _tokenizer(*names.values(), **names)
    config = hf.InternVLConfig(
        text_config=hf.Qwen2Config(**_text(tokenizer), rope_parameters=ROPE),
        vision_config=hf.InternVLVisionConfig(**VISION, image_size=32, patch_size=8),
        image_token_id=tokenizer.convert_tokens_to_ids(names["context_image_token"]),
        image_seq_length=4,
    )
    processor = hf.InternVLProcessor(
        hf.GotOcr2ImageProcessor(size=SQUARE, crop_to_patches=True, max_patches=3, **HALF),
        tokenizer,
        hf.InternVLVideoProcessor(size=SQUARE, **HALF),
        image_seq_length=4,
        chat_template=_template(names["context_image_token"]),
    )
    return hf.InternVLForConditionalGeneration(config), processor


def _gemma3(_: str) -> tuple[hf.PreTrainedModel, hf.ProcessorMixin]:
    names = {
        "image_token": "<image_soft_token>",
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
    }
    tokenizer = _tokenizer(*names.values(), **names)
    ids = tokenizer.convert_tokens_to_ids
    config = hf.Gemma3Config(
        text_config=_text(
            tokenizer, head_dim=8, sliding_window=8, layer_types=["sliding_attention", "full_attention"]
        ),
        vision_config=hf.SiglipVisionConfig(**VISION, image_size=32, patch_size=8, vision_use_head=False),
        mm_tokens_per_image=4,
        image_token_index=ids(names["image_token"]),
        boi_token_index=ids(names["boi_token"]),
        eoi_token_index=ids(names["eoi_token"]),
    )
    image = hf.Gemma3ImageProcessor(size=SQUARE, **HALF)
    processor = hf.Gemma3Processor(
        image, tokenizer, image_seq_length=4, chat_template=_template("<start_of_image>")
    )
    return hf.Gemma3ForConditionalGeneration(config), processor


def _paligemma(_: str) -> tuple[hf.PreTrainedModel, hf.ProcessorMixin]:
    """A prefix-LM: its prompt is read in both directions, so no backbone of ours may take it."""
    tokenizer = _tokenizer("<image>", "<bos>", bos_token="<bos>")
    image = hf.SiglipImageProcessor(size=SQUARE, **HALF)
    image.image_seq_length = 16
    processor = hf.PaliGemmaProcessor(image, tokenizer, chat_template=_template("<image>"))
    config = hf.PaliGemmaConfig(
        text_config=hf.GemmaConfig(**_text(tokenizer), head_dim=8),
        vision_config=hf.SiglipVisionConfig(**VISION, image_size=32, patch_size=8, vision_use_head=False),
        image_token_index=processor.image_token_id,
        projection_dim=32,
        hidden_size=32,
    )
    return hf.PaliGemmaForConditionalGeneration(config), processor


BUILDERS: dict[str, Callable[[str], tuple[hf.PreTrainedModel, hf.ProcessorMixin]]] = {
    **dict.fromkeys(("qwen2_vl", "qwen2_5_vl", "qwen3_vl"), _qwen),
    **dict.fromkeys(("llava", "llava_next", "llava_onevision"), _llava),
    "idefics3": _idefics3,
    "smolvlm": _smolvlm,
    "internvl": _internvl,
    "gemma3": _gemma3,
    "paligemma": _paligemma,
}
FAMILIES = tuple(family for family in BUILDERS if family != "paligemma")
SHARING = tuple(family for family in FAMILIES if family != "gemma3")
