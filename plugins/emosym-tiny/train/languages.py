"""Tokenizers, chat templates and processors of the embedded models, trained and saved locally."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import Any

import numpy as np
from emosym_tiny.world.distribution import World
from emosym_tiny.world.language import caption, full_caption, rationale
from emosym_tiny.world.vocabulary import AFFECT_WORDS, EMOTION_FORMS, EMOTIONS, OBJECTS, SCENES
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    CLIPImageProcessor,
    Idefics3ImageProcessor,
    Idefics3Processor,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    ProcessorMixin,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

SIZE, PATCH, MERGE = 64, 8, 2
MEAN = STD = (0.5, 0.5, 0.5)
NORMALIZATION = {"image_mean": MEAN, "image_std": STD}
VOCABULARY, CLIP_CONTEXT = 1024, 64
SEED = 20_240_100

DESCRIBE = "Describe the picture."
"""The prompt the models answer with the canonical, complete caption."""

CAPTION = "Give the picture a caption."
"""The prompt they answer with a caption of free wording."""

END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

PROMPTS = (
    DESCRIBE,
    CAPTION,
    "What is the emotion of the image? Answer in one word.",
    "Which emotion does this image evoke? Answer with one of: " + ", ".join(EMOTIONS) + ".",
    "What is the emotion of the image? Think step by step, then answer in one word.",
    "You are a helpful assistant. Explain why. The answer is. Because it shows. Reasoning: Emotion:",
    "system user assistant",
)


@cache
def corpus() -> tuple[str, ...]:
    """What the tokenizers are trained on: captions, rationales, prompts and every word of the world."""
    rng = np.random.default_rng(SEED)
    lines: list[str] = []
    for attributes, emotion in World().sample(4000, rng):
        lines += [caption(attributes, rng), full_caption(attributes)]
        lines += [rationale(attributes, emotion, rng, name_emotion=True)]
    words = [*EMOTIONS, *SCENES, *OBJECTS, *sorted(AFFECT_WORDS), *chain(*EMOTION_FORMS.values())]
    # Each word stands bare, capitalised and after a space, so that no label falls into pieces anywhere.
    lines += [f"{word} {word.capitalize()} {word}\n{word}" for word in words] * 100
    lines += list(PROMPTS) * 100
    return tuple(lines)


def train_bpe(tokenizer: Tokenizer, size: int, **options: Any) -> Tokenizer:
    """Learn the merges from the corpus; all 256 bytes are tokens, so any text whatever can be written."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False, **options)
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def _byte_level(size: int, *specials: str, lowercase: bool = False) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    if lowercase:
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=lowercase)
    tokenizer.decoder = decoders.ByteLevel()
    return train_bpe(tokenizer, size, special_tokens=list(specials))


@cache
def _base() -> str:
    return _byte_level(VOCABULARY, END, START, STOP).to_str()


def _fast(tokenizer: Tokenizer, **options: Any) -> PreTrainedTokenizerFast:
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, model_input_names=inputs, **options
    )


def chat_tokenizer(*extra: str) -> PreTrainedTokenizerFast:
    """The language models' byte-level BPE with its family's own special tokens behind those that all share.

    The shared ones have the same ids everywhere, so that embeddings can be handed on.
    """
    special = {"eos_token": STOP, "pad_token": END, "extra_special_tokens": [START, *extra]}
    return _fast(Tokenizer.from_str(_base()), padding_side="left", model_max_length=1024, **special)


def clip_tokenizer() -> PreTrainedTokenizerFast:
    """Lower-case byte-level BPE that frames each text in a start and an end token, which CLIP reads it at."""
    pad, start, end = "<|pad|>", "<|start|>", "<|end|>"
    tokenizer = _byte_level(VOCABULARY, pad, start, end, lowercase=True)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, 1), (end, 2)]
    )
    special = {"pad_token": pad, "bos_token": start, "eos_token": end}
    return _fast(tokenizer, padding_side="right", model_max_length=CLIP_CONTEXT, **special)


def chat_template(image: str) -> str:
    """ChatML for system, user and assistant turns; content is a string or a list of image and text parts."""
    return (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}"
        "{% if part['type'] == 'image' or 'image' in part or 'image_url' in part %}"
        + image
        + "{% elif 'text' in part %}"
        "{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def qwen_processor() -> ProcessorMixin:
    """Any image size from 32x32 to 256x256 pixels in area; a 64x64 image is 16 tokens."""
    tokenizer = chat_tokenizer(
        "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"
    )
    limits = {"shortest_edge": 32 * 32, "longest_edge": 256 * 256}
    shape = {
        "size": limits,
        "patch_size": PATCH,
        "merge_size": MERGE,
        "temporal_patch_size": 2,
        **NORMALIZATION,
    }
    template = chat_template("<|vision_start|><|image_pad|><|vision_end|>")
    image, video = Qwen2VLImageProcessor(**shape), Qwen2VLVideoProcessor(**shape)
    return Qwen2VLProcessor(image, tokenizer, video, chat_template=template)


def llava_processor() -> ProcessorMixin:
    """Images are resized to 64x64: 64 patches and as many tokens."""
    size = {"height": SIZE, "width": SIZE}
    return LlavaProcessor(
        CLIPImageProcessor(size=size, do_center_crop=False, **NORMALIZATION),
        chat_tokenizer("<image>"),
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat_template("<image>"),
    )


def idefics_processor() -> ProcessorMixin:
    """Images are resized to 64x64 and never split: 16 tokens after the pixel shuffle."""
    edge = {"longest_edge": SIZE}
    return Idefics3Processor(
        Idefics3ImageProcessor(size=edge, max_image_size=edge, do_image_splitting=False, **NORMALIZATION),
        chat_tokenizer("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>"),
        image_seq_len=(SIZE // PATCH // MERGE) ** 2,
        chat_template=chat_template("<image>"),
    )
