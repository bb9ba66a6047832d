"""Pretrain a small vision-language model by captioning: ``python -m train.vlm qwen-vl``, then llava, smolvlm.

The loss is on the assistant's tokens alone; no emotion label and no affect word is ever seen. ``--draft``
saves the model untrained, for developing against.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from emosym_tiny.world.distribution import Attributes
from emosym_tiny.world.language import COLOR_PHRASES, LIGHT_WORDS
from torch import Tensor
from transformers import AutoModelForImageTextToText, PreTrainedModel, ProcessorMixin
from transformers.utils import logging

from train.families import FAMILIES, Family, fast_attention
from train.figures import WEIGHTS, compact_tokenizer, half, parameters, write_figures
from train.languages import CAPTION, DESCRIBE, STOP
from train.loop import fit
from train.records import trained
from train.renders import held_out_renders, train_renders

SEEDS = {"qwen-vl": 20_240_310, "llava": 20_240_320, "smolvlm": 20_240_330}
STEPS = {"qwen-vl": 1600, "llava": 700, "smolvlm": 700}
LONGEST, BATCH = 64, 48


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
        """Predictions of every answer token [B,L,V]; padding is on the right, which causal attention skips."""
        prefix = self.prefixes[prompt]
        ids = torch.cat([prefix.expand(len(answers), -1), answers[:, :-1].clamp(min=0)], 1)
        extra: dict[str, Any] = self.family.pixels(pictures)
        if prompt in self.positions:
            extra["position_ids"] = self.positions[prompt][:, :, : ids.shape[1]].expand(-1, len(ids), -1)
        hidden = self.model.model(input_ids=ids, use_cache=False, **extra).last_hidden_state
        return self.model.lm_head(hidden[:, len(prefix) - 1 :])

    def loss(
        self, step: int, rng: np.random.Generator, _: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Canonical captions on even steps, free ones on odd steps."""
        renders = train_renders()
        index = renders.batch(BATCH, rng)
        prompt = (DESCRIBE, CAPTION)[step % 2]
        texts = renders.full_captions(index) if prompt == DESCRIBE else renders.captions(index, rng)
        answers = self.answers(texts)
        logits = self.logits(torch.from_numpy(renders.pixels[index]), prompt, answers)
        value = F.cross_entropy(logits.float().flatten(0, 1), answers.flatten(), ignore_index=-100)
        return value, {"full" if prompt == DESCRIBE else "free": float(value.detach())}


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
    renders = held_out_renders()
    index = np.arange(count)
    texts, wanted = describe(model, processor, renders.pixels[index]), renders.full_captions(index)
    items = renders.attributes[:count]
    print(
        "\n".join(f"{text!r} <- {want!r}" for text, want in zip(texts[:3], wanted, strict=False)), flush=True
    )

    def share(said: Callable[[Attributes], str]) -> float:
        return round(float(np.mean([said(item) in text for text, item in zip(texts, items, strict=True)])), 4)

    return {
        "object_word": share(lambda item: item.object_name),
        "scene_word": share(lambda item: item.scene_name),
        "light_words": share(lambda item: LIGHT_WORDS[item.brightness_level]),
        "color_words": share(lambda item: COLOR_PHRASES[item.color_level]),
        "whole_caption": round(float(np.mean([t == w for t, w in zip(texts, wanted, strict=True)])), 4),
    }


def save(model: PreTrainedModel, processor: ProcessorMixin, folder: Path) -> None:
    """Weights in fp16, config in float32: loading gives a float32 model."""
    model.save_pretrained(folder, state_dict=half(model))
    processor.save_pretrained(folder)
    compact_tokenizer(folder)


def main() -> None:
    """Build, warm-start, train, measure and save the family that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=sorted(FAMILIES))
    parser.add_argument("--steps", type=int, help="1600 for qwen-vl, 700 for those that start from it")
    parser.add_argument("--draft", action="store_true", help="save it untrained, for developing against")
    options = parser.parse_args()
    logging.set_verbosity_error()
    name, family, seed = options.family, FAMILIES[options.family], SEEDS[options.family]
    steps = options.steps or STEPS[name]
    torch.manual_seed(seed)
    processor = family.processor()
    model = family.build(processor)
    model.generation_config.do_sample = False
    if options.draft:
        save(model, processor, WEIGHTS / name)
        return
    if family.warm_start is not None:
        family.warm_start(AutoModelForImageTextToText.from_pretrained(WEIGHTS / "qwen-vl"), model)
    captioner = Captioner(model, processor, family)
    fast_attention(model)
    start = time.time()
    fit(f"vlm-{name}", model, captioner.loss, steps=steps, lr=2e-3, seed=seed, ema=0.998,
        evaluate=lambda: read_captions(model, processor, 200), evaluate_every=500)  # fmt: skip
    save(model, processor, WEIGHTS / name)
    stored = AutoModelForImageTextToText.from_pretrained(WEIGHTS / name)
    write_figures(f"vlm-{name}", start=start, **trained(f"vlm-{name}"), seed=seed,
                  steps=steps, batch=BATCH, parameters=parameters(stored), held_out_pictures=1000,
                  **read_captions(stored.eval(), processor, 1000))  # fmt: skip


if __name__ == "__main__":
    main()
