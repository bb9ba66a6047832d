"""The one implementation behind all three backbones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn
from typing_extensions import TypeVar

from emosym.contracts import (
    QUESTION,
    REASONED_QUESTION,
    Backbone,
    Conclusion,
    Context,
    Footprint,
    Operations,
    Prefix,
    Sample,
    Workload,
    with_text,
)
from emosym.toolkit import (
    Store,
    adapters_off,
    detach_lora,
    embedded,
    evaluating,
    hash_in_order,
    stamp,
    tensors,
)
from emosym_vlm import adapter
from emosym_vlm.config import BackboneConfig
from emosym_vlm.footprint import measure
from emosym_vlm.gaze import attending, over_picture
from emosym_vlm.kept import Row, about_model, alike, joined, prompt_key, prompt_of, prompt_tensors
from emosym_vlm.loading import load
from emosym_vlm.operations import count
from emosym_vlm.placing import is_placed
from emosym_vlm.prefix import (
    Continuation,
    can_share,
    check_fresh,
    check_readable,
    check_shared,
    keeping_cache,
)
from emosym_vlm.prompt import (
    Batch,
    Prompt,
    check_lengths,
    check_samples,
    check_tokens,
    check_turns,
    lay_out,
)
from emosym_vlm.reader import PromptReader, choose_filler
from emosym_vlm.reasoning import conclude, improbability, with_turns
from emosym_vlm.spelling import Speller
from emosym_vlm.writing import end_tokens, write_text

BackboneConfigT = TypeVar("BackboneConfigT", bound=BackboneConfig, default=BackboneConfig)


class VisionLanguageBackbone(Backbone[BackboneConfigT]):
    """An image-text-to-text model of transformers that reads through tokens at the end of its prompt."""

    families: ClassVar[tuple[str, ...]] = ()
    """Model types it accepts; any where empty."""

    @classmethod
    def footprint(cls, config: BackboneConfigT, context: Context, load: Workload) -> Footprint | None:
        return measure(config, context, load)

    @classmethod
    def operations(
        cls, config: BackboneConfigT, context: Context, load: Workload
    ) -> Mapping[str, Operations] | None:
        return count(config, context, load)

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
    def hidden_size(self) -> int:
        return int(self._text_config.hidden_size)

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

    @property
    def _keeps_prefixes(self) -> bool:
        return bool(self.context.cache_megabytes) and not self.prefix_learns and self._shares

    def forward(self, samples: Sequence[Sample], tokens: Tensor, question: str | None = None) -> Tensor:
        """Without ``question`` the one of the config.

        Errors: ``backbone.bad-tokens``, ``backbone.prompt-too-long``, ``backbone.image-tokens``.
        """
        check_tokens(tokens, len(samples), self.hidden_size)
        if self.config.in_two_parts:
            return self.read(self._prefix(samples, question), tokens)
        batch = self._batch(samples, question, tokens.shape[1])
        return self._whole(batch, tokens)[batch.rows, batch.columns].to(tokens.dtype)

    def layer_states(
        self, samples: Sequence[Sample], tokens: Tensor, texts: Sequence[str] | None = None
    ) -> Tensor:
        """Of every decoder layer. Errors: those of :meth:`forward`."""
        check_tokens(tokens, len(samples), self.hidden_size)
        if self.config.in_two_parts:
            after = Continuation(self.model, self._prefix(samples, None, texts), self._filler)
            with keeping_cache(self.model):
                return self._after(after, tokens, layers=True).to(tokens.dtype)
        batch = self._batch(samples, None, tokens.shape[1], texts=texts)
        # The first are the embeddings.
        layers = self._pass(batch, tokens, output_hidden_states=True).hidden_states[1:]
        states = [layer.to(self.device)[batch.rows, batch.columns] for layer in layers]
        return torch.stack(states).to(tokens.dtype)

    @torch.no_grad()
    def gaze(self, samples: Sequence[Sample], tokens: Tensor) -> list[Tensor | None]:
        """Of samples with one picture, where prefixes can be shared. Errors: those of :meth:`forward`."""
        check_tokens(tokens, len(samples), self.hidden_size)
        pairs = zip(samples, tokens.split(1), strict=True)
        with evaluating(self.model):
            return [
                self._gaze(sample, own) if self._shares and len(sample.images) == 1 else None
                for sample, own in pairs
            ]

    def _gaze(self, sample: Sample, tokens: Tensor) -> Tensor | None:
        after = Continuation(self.model, self._prefix([sample], None), self._filler)
        with attending(self.model) as weights:
            self._after(after, tokens)
        prompt = self._prompts([sample], self.config.question or QUESTION)[0]
        width, height = sample.open()[0].size
        layers, image = self._text_config.num_hidden_layers, self.model.config.image_token_id
        return over_picture(weights, layers, prompt, image, width == height)

    def prepare(self, samples: Sequence[Sample], question: str | None = None) -> None:
        """Of samples of which nothing is kept, what the processor makes."""
        question = question or self.config.question or QUESTION
        _, store = self._stores.get("prefixes" if self._keeps_prefixes else "features", ("", None))
        keys = [prompt_key(sample, question) for sample in samples]
        self._reader.prepare(
            [samples[i] for i in (store.missing(keys) if store else range(len(samples)))], question
        )

    def encode(self, samples: Sequence[Sample], question: str | None = None) -> Prefix:
        """The fingerprint is that of the frozen model where no adapter acts on the prompt: a prefix then outlives the steps
        that the adapters learn."""
        with self._calm():
            return self._encoded(samples, question)

    def read(self, prefix: Prefix, tokens: Tensor) -> Tensor:
        """Errors: ``backbone.stale-prefix``, ``backbone.no-shared-prefix``."""
        check_readable(self.model, self._shares)
        check_fresh(prefix, self._prompt_stamp())
        groups = max(len(tokens) // len(prefix.mask), 1)
        check_tokens(tokens, len(prefix.mask) * groups, self.hidden_size)
        after = Continuation(self.model, prefix, self._filler, groups)
        with keeping_cache(self.model):
            return self._after(after, tokens).to(tokens.dtype)

    @torch.no_grad()
    def write(self, prefix: Prefix, tokens: Tensor | None = None, max_new_tokens: int = 32) -> list[str]:
        check_fresh(prefix, self._prompt_stamp())
        after, last = Continuation(self.model, prefix, self._filler), prefix.last_hidden
        with evaluating(self.model):
            if tokens is None:
                with self._on_prompts():
                    return write_text(after, last, self.processor.tokenizer, max_new_tokens)
            check_tokens(tokens, len(prefix.mask), self.hidden_size)
            last = self._after(after, tokens)[:, -1]
            return write_text(after, last, self.processor.tokenizer, max_new_tokens)

    def compose(
        self, samples: Sequence[Sample], turns: Sequence[Sequence[str]], question: str | None = None
    ) -> Tensor:
        """Errors: ``backbone.bad-turns``, ``backbone.prompt-too-long``."""
        check_turns(turns, len(samples))
        spelled = [self._speller.turn(parts) for parts in turns]
        lengths = [sum(map(len, parts)) for parts in spelled]
        question = question or self.config.question or REASONED_QUESTION
        batch, parts = with_turns(
            self._batch(samples, question, max(lengths), lengths), spelled, self._filler
        )
        states = self._run_prompt(batch, use_cache=False).last_hidden_state.to(self.device)
        return improbability(self.model, batch, states, parts, len(turns[0]))

    @torch.no_grad()
    def conclude(
        self,
        samples: Sequence[Sample],
        cue: str,
        answers: Sequence[str],
        max_new_tokens: int = 64,
        question: str | None = None,
    ) -> Conclusion:
        """Errors: ``backbone.same-answers``, ``backbone.prompt-too-long``."""
        if not self._shares and len(samples) > 1:
            # A sliding window counts the gaps that texts of other lengths leave beside each other.
            alone = [self.conclude([one], cue, answers, max_new_tokens, question) for one in samples]
            return Conclusion(
                [text for one in alone for text in one.texts],
                torch.cat([one.log_probabilities for one in alone]),
            )
        longest = max(map(len, self._speller.answers(cue, answers)))
        room = max_new_tokens + len(self._speller.cue(cue)) + longest
        question = question or self.config.question or REASONED_QUESTION
        with evaluating(self.model):
            prefix = self._encoded(samples, question, room=room)
            after = Continuation(self.model, prefix, self._filler)
            return conclude(
                after,
                prefix.last_hidden,
                self._speller,
                cue,
                answers,
                max_new_tokens,
                shared=self._shares,
            )

    def forget(self) -> None:
        for _, store in self._stores.values():
            store.forget()

    @torch.no_grad()
    def typical_embedding(self) -> tuple[Tensor, float]:
        """Of the embedding layer's output, which some families scale, for the tokenizer's own ids."""
        layer = self.model.get_input_embeddings()
        rows = min(int(layer.weight.shape[0]), len(self.processor.tokenizer))
        total = squares = torch.zeros((), dtype=torch.float64, device=layer.weight.device)
        for ids in torch.arange(rows, device=layer.weight.device).split(8192):
            part = layer(ids).double()
            total, squares = total + part.sum(0), squares + part.square().sum(0)
        mean = total / rows
        return mean.float(), float((squares / rows - mean.square()).clamp(min=0).mean().sqrt())

    def adapters(self) -> dict[str, nn.Parameter]:
        return adapter.parameters(self.model)

    def merge(self) -> None:
        """Add what the adapters learnt to the weights; afterwards there are none, and nothing trains.

        Quantized weights cannot take it without rounding: ``backbone.quantized-merge``. Nor can weights that act on the prompt
        take adapters that do not: ``backbone.activated-merge``.
        """
        adapter.check_mergeable(self.config)
        self._drop_adapters(merge=True)

    def unload(self) -> None:
        """Drop the adapters and what they learnt: the model is as it was loaded."""
        self._drop_adapters(merge=False)

    def save_pretrained(self, folder: Path | str) -> Path:
        """Write model and processor to a new folder as transformers does, for ``model: FOLDER`` or others.

        Errors: ``backbone.unmerged-adapters``, ``backbone.folder-exists``, ``files.disk-full``,
        ``run.cannot-write``.
        """
        return adapter.save_merged(self.model, self.processor, Path(folder))

    def fingerprint(self) -> str:
        return stamp(tensors(self.model), self.adapters().values())

    def reads_by(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", include={"min_pixels", "max_pixels", "positions"})

    def _prompt_stamp(self) -> str:
        """Of the weights that act on prompts."""
        return self.fingerprint() if self.prefix_learns else stamp(self._prompt_tensors())

    def _prompt_tensors(self) -> Iterator[Tensor]:
        """What acts on prompts where no adapter does."""
        adapters = {id(parameter) for parameter in self.adapters().values()}
        return (tensor for tensor in tensors(self.model) if id(tensor) not in adapters)

    def _on_prompts(self) -> AbstractContextManager[None]:
        """Inside, the model is the one that prompts go through."""
        return nullcontext() if self.prefix_learns else adapters_off(self.model)

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

    def _after(self, prefix: Continuation, tokens: Tensor, *, layers: bool = False) -> Tensor:
        """States of ``tokens`` [B·G,T,D], the last of which may see the others alone; [L,B·G,T,D] of all ``layers``."""
        if self.config.emotion_sees == "all" or tokens.shape[1] == 1:
            return prefix.read(tokens, layers=layers)
        context = prefix.read(tokens[:, :-1], layers=layers)
        return torch.cat([context, prefix.read(tokens[:, -1:], blind=True, layers=layers)], -2)

    def _drop_adapters(self, *, merge: bool) -> None:
        detach_lora(self.model, merge=merge)
        self.adapter_targets = []
        self.model.requires_grad_(False)

    def _vision_tensors(self) -> Iterator[Tensor]:
        """Every tensor that image features can depend on: all but the decoder's, adapters included."""
        language = {id(tensor) for tensor in tensors(self.model.get_decoder())}
        return (tensor for tensor in tensors(self.model.base_model) if id(tensor) not in language)

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

    def _check_lengths(
        self, samples: Sequence[Sample], prompts: Sequence[Prompt], counts: Sequence[int]
    ) -> None:
        limit = getattr(self._text_config, "max_position_embeddings", None)
        check_lengths(samples, prompts, counts, limit, self.model.config.image_token_id)

    def _whole(self, batch: Batch, tokens: Tensor) -> Tensor:
        """States [B,N,D] of prompts and ``tokens`` [B,T,D] in one pass."""
        return cast(Tensor, self._pass(batch, tokens).last_hidden_state.to(self.device))

    def _pass(self, batch: Batch, tokens: Tensor, **asked: bool) -> Any:
        """The model's output of prompts and ``tokens`` [B,T,D] in one pass."""
        with embedded(self.model.get_input_embeddings(), (batch.rows, batch.columns), tokens):
            return self._run_prompt(batch, use_cache=False, **asked)

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
