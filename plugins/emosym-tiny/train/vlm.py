"""The small vision-language models, pretrained by captioning; llava and smolvlm start from qwen-vl.

The loss is on the assistant's tokens alone; no emotion label and no affect word is ever seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from emosym_tiny.world.distribution import Attributes
from emosym_tiny.world.phrases import COLOR_PHRASES, LIGHT_WORDS
from torch import Tensor
from transformers import AutoModelForImageTextToText, PreTrainedModel, ProcessorMixin
from transformers.utils import logging

from train.families import FAMILIES, Family, fast_attention, warm_start
from train.figures import WEIGHTS, compact_tokenizer, half, parameters, write_figures
from train.languages import CAPTION, DESCRIBE, STOP
from train.loop import Losses, Recipe, Step, fit
from train.renders import held_out_renders, train_renders

RECIPES = {
    name: Recipe(name, seed, steps, batch=48, lr=2e-3, ema=0.998)
    for name, seed, steps in (
        ("qwen-vl", 20_240_310, 1600),
        ("llava", 20_240_320, 700),
        ("smolvlm", 20_240_330, 700),
    )
}
LONGEST = 64


def prompt_inputs(processor: ProcessorMixin, pictures: np.ndarray, prompt: str) -> dict[str, Tensor]:
    """What the processor makes of one question per picture, uint8 [B,64,64,3]."""
    content = [{"type": "image"}, {"type": "text", "text": prompt}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    images = [[picture] for picture in pictures]
    return dict(processor(text=[text] * len(images), images=images, return_tensors="pt", padding=True))


class Captioner:
    """Batches and loss of captioning, in the exact layout of the family's processor but without its cost."""

    def __init__(self, model: PreTrainedModel, processor: ProcessorMixin, family: Family) -> None:
        self.model, self.family, self.tokenizer = model, family, processor.tokenizer
        self.stop = self.tokenizer.convert_tokens_to_ids(STOP)
        self.prefixes: dict[str, Tensor] = {}
        self.positions: dict[str, Tensor] = {}
        for prompt in (DESCRIBE, CAPTION):
            inputs = prompt_inputs(processor, train_renders().pixels[:2], prompt)
            ours = family.pixels(torch.from_numpy(train_renders().pixels[:2]))
            for name, value in ours.items():
                assert torch.allclose(inputs[name].float(), value.float(), atol=1e-5), name
            self.prefixes[prompt] = inputs["input_ids"][0]
            if "mm_token_type_ids" in inputs and hasattr(model.model, "get_rope_index"):
                self.positions[prompt] = self._rope_positions(inputs)

    def _rope_positions(self, inputs: dict[str, Tensor]) -> Tensor:
        """The stock model's three-axis positions [3,1,L] of a prompt with the longest answer behind it."""
        ids, types = inputs["input_ids"][:1], inputs["mm_token_type_ids"][:1]
        answer = torch.zeros(1, LONGEST, dtype=torch.long)
        positions, _ = self.model.model.get_rope_index(
            torch.cat([ids, answer], 1),
            torch.cat([types, answer], 1),
            image_grid_thw=inputs["image_grid_thw"][:1],
        )
        return positions

    def answers(self, texts: list[str]) -> Tensor:
        """Token ids with the closing token, padded with -100 on the right: [B,L]."""
        rows = [[*ids, self.stop] for ids in self.tokenizer(texts, add_special_tokens=False)["input_ids"]]
        length = max(map(len, rows))
        assert length <= LONGEST
        return torch.tensor([row + [-100] * (length - len(row)) for row in rows])

    def logits(self, pictures: Tensor, prompt: str, answers: Tensor) -> Tensor:
        """Predictions of each answer token [B,L,V]; padding is on the right, which causal attention skips."""
        prefix = self.prefixes[prompt]
        ids = torch.cat([prefix.expand(len(answers), -1), answers[:, :-1].clamp(min=0)], 1)
        extra: dict[str, Any] = self.family.pixels(pictures)
        if prompt in self.positions:
            extra["position_ids"] = self.positions[prompt][:, :, : ids.shape[1]].expand(-1, len(ids), -1)
        hidden = self.model.model(input_ids=ids, use_cache=False, **extra).last_hidden_state
        return self.model.lm_head(hidden[:, len(prefix) - 1 :])

    def losses(self, step: Step, batch: int) -> Losses:
        """Canonical captions on even steps, free ones on odd steps."""
        renders = train_renders()
        index = renders.batch(batch, step.rng)
        if step.number % 2:
            name, prompt, texts = "free", CAPTION, renders.captions(index, step.rng)
        else:
            name, prompt, texts = "full", DESCRIBE, renders.full_captions(index)
        answers = self.answers(texts)
        logits = self.logits(torch.from_numpy(renders.pixels[index]), prompt, answers)
        value = F.cross_entropy(logits.float().flatten(0, 1), answers.flatten(), ignore_index=-100)
        return {"loss": value, name: value}


@torch.no_grad()
def describe(model: PreTrainedModel, processor: ProcessorMixin, pictures: np.ndarray) -> list[str]:
    """Greedy answers to the canonical prompt through the stock processor and generate()."""
    texts: list[str] = []
    for part in np.array_split(pictures, max(1, len(pictures) // 100)):
        inputs = prompt_inputs(processor, part, DESCRIBE)
        out = model.generate(**inputs, max_new_tokens=LONGEST, do_sample=False)
        texts += processor.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return texts


def read_captions(model: PreTrainedModel, processor: ProcessorMixin, count: int) -> dict[str, float]:
    """Share of held-out pictures whose greedy caption names the right things."""
    renders = held_out_renders()[:count]
    texts, wanted = describe(model, processor, renders.pixels), renders.full_captions()
    print(*zip(texts[:3], wanted, strict=False), sep="\n", flush=True)

    def named(said: Callable[[Attributes], str]) -> float:
        hits = [said(item) in text for text, item in zip(texts, renders.attributes, strict=True)]
        return round(float(np.mean(hits)), 4)

    return {
        "object_word": named(lambda item: item.object_name),
        "scene_word": named(lambda item: item.scene_name),
        "light_words": named(lambda item: LIGHT_WORDS[item.brightness_level]),
        "color_words": named(lambda item: COLOR_PHRASES[item.color_level]),
        "whole_caption": round(float(np.mean([t == w for t, w in zip(texts, wanted, strict=True)])), 4),
    }


def train(recipe: Recipe) -> None:
    """Build, warm-start, train, measure and save: fp16 weights that load as float32."""
    logging.set_verbosity_error()
    family, folder = FAMILIES[recipe.name], WEIGHTS / recipe.name
    processor = family.processor()
    model = family.build(processor)
    model.generation_config.do_sample = False
    if recipe.name != "qwen-vl":
        warm_start(AutoModelForImageTextToText.from_pretrained(WEIGHTS / "qwen-vl"), model, family)
    captioner = Captioner(model, processor, family)
    fast_attention(model)
    fit(
        recipe,
        model,
        lambda step: captioner.losses(step, recipe.batch),
        lambda: read_captions(model, processor, 200),
    )
    model.save_pretrained(folder, state_dict=half(model))
    processor.save_pretrained(folder)
    compact_tokenizer(folder)
    stored = AutoModelForImageTextToText.from_pretrained(folder).eval()
    measured = read_captions(stored, processor, 1000)
    write_figures(recipe, parameters=parameters(stored), held_out_pictures=1000, **measured)
