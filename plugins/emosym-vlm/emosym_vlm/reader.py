"""From samples to prompts: chat template, processor, positions and image features."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from copy import deepcopy
from threading import Lock
from typing import Any, NamedTuple, cast

import torch
from emosym_registry import EmosymError
from emosym_registry.errors import some
from PIL import Image
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from emosym.contracts import Sample
from emosym_vlm.images import area_limit, sizes_made, warn_scaled, whole
from emosym_vlm.prompt import Prompt

_KEPT = 4096
"""Positions, and texts of prompts, that are kept."""


MOST_AHEAD = 2
"""Batches that are kept processed ahead; one of them may never be asked for."""


_PREPARING = Lock()


class Ahead(NamedTuple):
    """What was processed of samples ahead. It holds them, so that none of their ids becomes another's."""

    samples: Sequence[Sample]
    question: str
    inputs: Mapping[str, Any]


class PromptReader:
    """Makes prompts for one model. It has no weights of its own and no state but memos of pure functions."""

    def __init__(self, model: Any, processor: Any, filler: int, *, sequential: bool = False) -> None:
        self.model, self.processor, self.filler, self.sequential = model, processor, filler, sequential
        self._feature_inputs = set(inspect.signature(model.base_model.get_image_features).parameters)
        self._forward_inputs = set(inspect.signature(model.base_model.forward).parameters)
        self._texts: dict[tuple[str, int], str] = {}
        self._positions: dict[tuple[bytes, bytes], Tensor] = {}
        self._warned = False
        self.pools_lists = True
        self._ahead: dict[tuple[int, ...], Ahead] = {}
        self._other_processor: Any = None

    def __call__(self, samples: Sequence[Sample], questions: Sequence[str]) -> list[Prompt]:
        """Prompts of ``samples`` with a question each and image features, with a graph where grad is enabled."""
        prompts: list[Prompt | None] = [None] * len(samples)
        with_images = [i for i, sample in enumerate(samples) if sample.images]
        without = [i for i, sample in enumerate(samples) if not sample.images]
        for chosen in (with_images, without):
            if chosen:
                read = self._read([samples[i] for i in chosen], [questions[i] for i in chosen])
                for i, prompt in zip(chosen, read, strict=True):
                    prompts[i] = prompt
        return [prompt for prompt in prompts if prompt is not None]

    def prepare(self, samples: Sequence[Sample], question: str) -> None:
        """Process in another thread what will probably be read next: these very samples, asked the same ``question``."""
        chosen = [sample for sample in samples if sample.images]
        if not chosen:
            return
        with _PREPARING:
            if self._other_processor is None:
                # A tokenizer may not be used by two threads at once.
                self._other_processor = deepcopy(self.processor)
            inputs = self._process(chosen, [question] * len(chosen), self._other_processor)
            for old in [*self._ahead][: 1 - MOST_AHEAD]:
                self._ahead.pop(old, None)
            self._ahead[tuple(map(id, chosen))] = Ahead(chosen, question, inputs)

    def _prepared(self, samples: Sequence[Sample], questions: Sequence[str]) -> Mapping[str, Any] | None:
        """What was processed ahead of just this, once."""
        ahead = self._ahead.pop(tuple(map(id, samples)), None)
        return ahead.inputs if ahead is not None and {*questions} == {ahead.question} else None

    def _read(self, samples: Sequence[Sample], questions: Sequence[str]) -> list[Prompt]:
        """Samples that all have images, or all have none."""
        inputs = self._prepared(samples, questions) or self._process(samples, questions, self.processor)
        ids, mask = inputs["input_ids"], inputs["attention_mask"].bool()
        # Whatever else there is one of per token (mm_token_type_ids, token_type_ids) goes along with the ids.
        marks = {
            name: value
            for name, value in inputs.items()
            if isinstance(value, Tensor)
            and value.shape == ids.shape
            and name not in ("input_ids", "attention_mask")
        }
        features = self._features(inputs, samples, questions)
        grids = inputs.get("image_grid_thw")
        rows = (
            grids.split([len(sample.images) for sample in samples])
            if grids is not None
            else [None] * len(samples)
        )
        prompts = []
        for i in range(len(samples)):
            own = {name: value[i][mask[i]] for name, value in marks.items()}
            positions = self.positions(ids[i][mask[i]], own.get("mm_token_type_ids"), rows[i])
            prompts.append(
                Prompt(
                    ids=ids[i][mask[i]],
                    positions=positions[:, :-1],
                    next_position=positions[:, -1],
                    types={name: value for name, value in own.items() if name in self._forward_inputs},
                    features=features[i],
                )
            )
        return prompts

    def text(self, question: str, images: int) -> str:
        """The user's turn with ``images`` pictures and the question, up to where the assistant's begins."""
        key = question, images
        if key not in self._texts:
            if len(self._texts) >= _KEPT:
                self._texts.clear()
            content = [*({"type": "image"} for _ in range(images)), {"type": "text", "text": question}]
            self._texts[key] = self.processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
            )
        return self._texts[key]

    def _process(
        self, samples: Sequence[Sample], questions: Sequence[str], processor: Any
    ) -> Mapping[str, Any]:
        """The processor's output, with a word in the log the first time that it scales a picture down."""
        image_processor = processor.image_processor
        images = [[whole(picture, image_processor) for picture in sample.open()] for sample in samples]
        if self._warned:
            return self._inputs(samples, images, questions, processor)
        with sizes_made(image_processor) as made:
            inputs = self._inputs(samples, images, questions, processor)
        self._warned = warn_scaled(samples, images, made, area_limit(image_processor))
        return inputs

    def _inputs(
        self,
        samples: Sequence[Sample],
        images: list[list[Image.Image]],
        questions: Sequence[str],
        processor: Any,
    ) -> Mapping[str, Any]:
        texts = [
            self.text(question, len(sample.images))
            for sample, question in zip(samples, questions, strict=True)
        ]
        bos = self.processor.tokenizer.bos_token
        try:
            inputs: Mapping[str, Any] = processor(
                text=texts,
                images=images if images[0] else None,
                return_tensors="pt",
                padding=True,
                # A template that writes the beginning-of-sequence token itself must not get a second one.
                add_special_tokens=not (bos and texts[0].startswith(bos)),
            )
        except ValueError as error:
            if len(samples) > 1:  # the sample at fault by its name, not all that share its batch
                for sample, pictures, question in zip(samples, images, questions, strict=True):
                    self._inputs([sample], [pictures], [question], processor)
            raise EmosymError(
                "backbone.bad-prompt",
                f"{_named(samples)}: the processor refuses the prompt: {error}",
                hint="a picture may be too long for it (crop it), and a question must not contain the model's own image tokens",
            ) from error
        return inputs

    def positions(self, ids: Tensor, kinds: Tensor | None, grids: Tensor | None) -> Tensor:
        """Positions [A,L+1] of a prompt's ids [L] and of the text token after it, by the stock model's own
        function; 0 to L on every axis where ``sequential``."""
        key = ids.numpy().tobytes(), b"" if grids is None else grids.numpy().tobytes()
        if key not in self._positions:
            if len(self._positions) >= _KEPT:
                self._positions.clear()
            stock = self._stock_positions(ids, kinds, grids)
            one_by_one = torch.arange(stock.shape[1]).expand_as(stock)
            self._positions[key] = one_by_one if self.sequential else stock
        return self._positions[key]

    def _stock_positions(self, ids: Tensor, kinds: Tensor | None, grids: Tensor | None) -> Tensor:
        longer = torch.cat([ids, torch.tensor([self.filler])])[None]
        rope_index = getattr(self.model.base_model, "get_rope_index", None)
        if rope_index is None:
            return torch.arange(longer.shape[1])[None]
        given = {
            "input_ids": longer,
            "mm_token_type_ids": None if kinds is None else torch.cat([kinds, kinds.new_zeros(1)])[None],
            "image_grid_thw": grids,
            "attention_mask": torch.ones_like(longer),
        }
        takes = inspect.signature(rope_index).parameters
        positions = rope_index(**{name: value for name, value in given.items() if name in takes})[0]
        return cast(Tensor, positions[:, 0])

    def _features(
        self, inputs: Mapping[str, Any], samples: Sequence[Sample], questions: Sequence[str]
    ) -> list[tuple[Tensor, ...]]:
        """The image features of each sample, checked against the image tokens of its prompt."""
        if "pixel_values" not in inputs:
            return [()] * len(samples)
        base = self.model.base_model
        wanted = {
            name: value.to(base.device) if isinstance(value, Tensor) else value
            for name, value in inputs.items()
            if name in self._feature_inputs
        }
        counts = (inputs["input_ids"] == self.model.config.image_token_id).sum(1).tolist()
        try:
            output = base.get_image_features(**wanted, return_dict=True)
        except ValueError as error:
            raise EmosymError(
                "backbone.bad-image", f"{_named(samples)}: {error}", hint="leave the sample out"
            ) from error
        self.pools_lists = not isinstance(output.pooler_output, Tensor)
        streams = [
            flat(output.pooler_output),
            *map(flat, getattr(output, "deepstack_features", None) or ()),
        ]
        if any(len(stream) != sum(counts) for stream in streams):
            if len(samples) > 1:
                for sample, question in zip(samples, questions, strict=True):
                    self._read([sample], [question])
            raise EmosymError(
                "backbone.image-tokens",
                f"{_named(samples)}: the prompt has {sum(counts)} image tokens, "
                f"the vision tower gives {len(streams[0])} features",
                hint="processor and model do not belong together, or an image was cut; check max_pixels",
            )
        return list(zip(*(stream.split(counts) for stream in streams), strict=True))


def flat(features: Any) -> Tensor:
    """Features of all images in a row [n,D], from a tensor or from a list of them, as families differ."""
    if isinstance(features, Tensor):
        return features.reshape(-1, features.shape[-1])
    return torch.cat([part.reshape(-1, part.shape[-1]) for part in features])


def _named(samples: Sequence[Sample]) -> str:
    return f"sample {some([sample.id for sample in samples])}"


def choose_filler(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> int:
    """An id that stands where vectors will be; it must not be one that models look for."""
    special = {
        value for name, value in config.to_dict().items() if name.endswith(("_token_id", "_token_index"))
    }
    special -= {tokenizer.pad_token_id, tokenizer.eos_token_id}
    candidates = (tokenizer.pad_token_id, tokenizer.eos_token_id, *range(len(tokenizer)))
    return next(int(one) for one in candidates if one is not None and one not in special)
