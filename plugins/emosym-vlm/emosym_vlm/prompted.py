"""Prompts through the model: what becomes of pictures and questions until the tokens, and what of it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor
from typing_extensions import TypeVar

from emosym.contracts import QUESTION, Backbone, Context, Prefix, Sample, with_text
from emosym.toolkit import Store, adapters_off, evaluating, hash_in_order, stamp, tensors
from emosym_vlm import adapter
from emosym_vlm.config import BackboneConfig
from emosym_vlm.kept import Row, about_model, alike, joined, prompt_key, prompt_of, prompt_tensors
from emosym_vlm.loading import load
from emosym_vlm.placing import is_placed
from emosym_vlm.prefix import can_share, check_shared
from emosym_vlm.prompt import Batch, Prompt, check_lengths, check_samples, lay_out
from emosym_vlm.reader import PromptReader, choose_filler
from emosym_vlm.spelling import Speller
from emosym_vlm.writing import end_tokens

BackboneConfigT = TypeVar("BackboneConfigT", bound=BackboneConfig, default=BackboneConfig)


class PromptedModel(Backbone[BackboneConfigT]):
    """A model of transformers with its processor, and the way of a prompt through it."""

    families: ClassVar[tuple[str, ...]] = ()
    """Model types it accepts; any where empty."""

    def __init__(self, config: BackboneConfigT, context: Context) -> None:
        super().__init__(config, context)
        self.model: Any
        self.processor: Any
        self.model, self.processor = load(config, context, self.families)
        self._text_config = self.model.config.get_text_config(decoder=True)
        self._shares = can_share(self._text_config)
        if config.in_two_parts:
            check_shared(self.model, self._shares)
        adapts = config.training != "frozen"
        self.adapter_targets = adapter.attach(self.model, config.adapter, context.seed) if adapts else []
        if config.gradient_checkpointing:
            self.model.activation_checkpointing_enable({"use_reentrant": False})
        self._placed = is_placed(config)
        if not self._placed:
            self.model.to(context.device or torch.device("cpu"))
        if config.compile:
            # Layer by layer: hooks on the embedding stay outside, as compiled code looks for no new ones.
            for layer in self.model.get_decoder().layers:
                layer.compile(dynamic=True)
        self._filler = choose_filler(self.model.config, self.processor.tokenizer)
        self._reader = PromptReader(
            self.model, self.processor, self._filler, sequential=config.positions == "sequential"
        )
        ends = end_tokens(self.model, self.processor.tokenizer, torch.device("cpu"))
        self._speller = Speller(self.processor.tokenizer, ends)
        self._stores: dict[str, tuple[str, Store]] = {}
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where prompts enter; a device map may keep other layers elsewhere."""
        return cast(torch.device, self.model.get_input_embeddings().weight.device)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """As any module's, but weights that a device map or quantization has placed stay where they are."""
        return self if self._placed else super().to(*args, **kwargs)

    @property
    def shares_prefixes(self) -> bool:
        return self._shares

    @property
    def prefix_learns(self) -> bool:
        return self.config.training == "lora"

    def _prefix(
        self, samples: Sequence[Sample], question: str | None, texts: Sequence[str] | None = None
    ) -> Prefix:
        """With a graph and in the model's mode where something before the tokens learns."""
        with nullcontext() if self.prefix_learns else self._calm():
            return self._encoded(samples, question, texts)

    @contextmanager
    def _calm(self) -> Iterator[None]:
        """Inside, prompts are encoded without a graph and in eval mode."""
        with torch.no_grad(), evaluating(self.model), self._on_prompts():
            yield

    def _encoded(
        self,
        samples: Sequence[Sample],
        question: str | None,
        texts: Sequence[str] | None = None,
        room: int = 0,
    ) -> Prefix:
        """With room for so many tokens more. Kept, where neither room is needed nor anything learns that acts on it."""
        if self._keeps_prefixes and not room:
            return self._recalled(samples, question or self.config.question or QUESTION, texts)
        batch = self._batch(samples, question, 0, [room] * len(samples), texts)
        return self._read_prompts(batch, self._prompt_stamp())

    def _read_prompts(self, batch: Batch, fingerprint: str) -> Prefix:
        output = self._run_prompt(batch, use_cache=True)
        return Prefix(
            cache=output.past_key_values,
            last_hidden=output.last_hidden_state.to(self.device)[batch.rows[:, 0], batch.last],
            mask=batch.mask,
            next_positions=batch.next_positions,
            tokens=batch.lengths,
            fingerprint=fingerprint,
        )

    def _recalled(self, samples: Sequence[Sample], question: str, texts: Sequence[str] | None) -> Prefix:
        """A prefix from what is kept of these prompts, and what is read now."""
        check_samples(samples)
        state = self._prompt_stamp()
        store = self._store("prefixes", state, self._prompt_tensors)
        asked = [question] * len(samples)
        if texts is not None:
            asked = [with_text(question, text) for text in texts]

        def read(places: list[int]) -> list[dict[str, Tensor]]:
            chosen = [samples[i] for i in places]
            prompts = self._reader(chosen, [asked[i] for i in places])
            self._check_lengths(chosen, prompts, [0] * len(chosen))
            rows: dict[int, Row] = {}
            for part in alike(prompts):
                batch = lay_out([prompts[i] for i in part], 0, self._filler, "left", self.device)
                rows |= dict(zip(part, Row.all_of(self._read_prompts(batch, state)), strict=True))
            return [rows[i].tensors() for i in range(len(places))]

        keys = [prompt_key(sample, text) for sample, text in zip(samples, asked, strict=True)]
        found = [Row.of(one) for one in store.recall(keys, read)]
        return joined(found, self.config.padding_side, self.device, state)

    def _batch(
        self,
        samples: Sequence[Sample],
        question: str | None,
        count: int,
        needed: Sequence[int] | None = None,
        texts: Sequence[str] | None = None,
    ) -> Batch:
        """Prompts with ``count`` slots each, of which (or of what comes later) each sample needs so many."""
        check_samples(samples)
        prompts = self._prompts(samples, question or self.config.question or QUESTION, texts)
        self._check_lengths(samples, prompts, needed or [count] * len(samples))
        # A sliding window counts padding between prompt and tokens; on the left it does no harm.
        side = self.config.padding_side if self._shares else "left"
        return lay_out(prompts, count, self._filler, side, self.device)

    def _prompts(
        self, samples: Sequence[Sample], question: str, texts: Sequence[str] | None = None
    ) -> list[Prompt]:
        questions = [question] * len(samples)
        if texts is not None:
            questions = [with_text(question, text) for text in texts]
        if self.config.adapts_vision:
            return self._reader(samples, questions)
        with torch.no_grad(), evaluating(self.model):
            # Whoever keeps prefixes needs no features: a prompt is read once.
            if not self.context.cache_megabytes or self._keeps_prefixes:
                return self._reader(samples, questions)
            store = self._store("features", stamp(self._vision_tensors()), self._vision_tensors)

            def read(places: list[int]) -> list[dict[str, Tensor]]:
                made = self._reader([samples[i] for i in places], [questions[i] for i in places])
                return [prompt_tensors(one) for one in made]

            keys = [prompt_key(sample, question) for sample, question in zip(samples, questions, strict=True)]
            return [prompt_of(one) for one in store.recall(keys, read)]

    def _check_lengths(
        self, samples: Sequence[Sample], prompts: Sequence[Prompt], counts: Sequence[int]
    ) -> None:
        limit = getattr(self._text_config, "max_position_embeddings", None)
        check_lengths(samples, prompts, counts, limit, self.model.config.image_token_id)

    def _run_prompt(self, batch: Batch, use_cache: bool, **asked: bool) -> Any:
        return self.model.base_model(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            mm_encoder_outputs=self._ready_images(batch),
            use_cache=use_cache,
            **asked,
            **batch.types,
        )

    def _ready_images(self, batch: Batch) -> dict[str, Any] | None:
        """Image features as the stock forward takes them from its own vision tower."""
        if not batch.features:
            return None
        first, *deeper = batch.features
        pooled = [first] if self._reader.pools_lists else first
        return {
            "image": SimpleNamespace(pooler_output=pooled, deepstack_features=[[part] for part in deeper])
        }

    @property
    def _keeps_prefixes(self) -> bool:
        return bool(self.context.cache_megabytes) and not self.prefix_learns and self._shares

    def _store(self, kind: str, state: str, weights: Callable[[], Iterable[Tensor]]) -> Store:
        """Where values of a kind are kept that weights in a ``state`` (their :func:`stamp`) make."""
        was, store = self._stores.get(kind, ("", None))
        if store is None or was != state:
            about = about_model(
                self.model, self.processor, hash_in_order(weights()), positions=self.config.positions
            )
            store = Store(kind, about, self.context.cache_megabytes)
            self._stores[kind] = state, store
        return store

    def _prompt_stamp(self) -> str:
        """Of the weights that act on prompts."""
        return self.fingerprint() if self.prefix_learns else stamp(self._prompt_tensors())

    def _prompt_tensors(self) -> Iterator[Tensor]:
        """What acts on prompts where no adapter does."""
        adapters = {id(parameter) for parameter in self.adapters().values()}
        return (tensor for tensor in tensors(self.model) if id(tensor) not in adapters)

    def _vision_tensors(self) -> Iterator[Tensor]:
        """Every tensor that image features can depend on: all but the decoder's, adapters included."""
        language = {id(tensor) for tensor in tensors(self.model.get_decoder())}
        return (tensor for tensor in tensors(self.model.base_model) if id(tensor) not in language)

    def _on_prompts(self) -> AbstractContextManager[None]:
        """Inside, the model is the one that prompts go through."""
        return nullcontext() if self.prefix_learns else adapters_off(self.model)
