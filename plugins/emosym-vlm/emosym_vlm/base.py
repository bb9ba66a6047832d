"""The one implementation behind all three backbones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from emosym.contracts import (
    QUESTION,
    REASONED_QUESTION,
    Conclusion,
    Context,
    Footprint,
    Operations,
    Prefix,
    Sample,
    Workload,
)
from emosym.toolkit import detach_lora, embedded, evaluating, stamp, tensors
from emosym_vlm import adapter
from emosym_vlm.footprint import measure
from emosym_vlm.gaze import attending, over_picture
from emosym_vlm.kept import prompt_key
from emosym_vlm.operations import count
from emosym_vlm.prefix import Continuation, check_fresh, check_readable, keeping_cache
from emosym_vlm.prompt import Batch, check_tokens, check_turns
from emosym_vlm.prompted import BackboneConfigT, PromptedModel
from emosym_vlm.reasoning import conclude, improbability, with_turns
from emosym_vlm.writing import write_text


class VisionLanguageBackbone(PromptedModel[BackboneConfigT]):
    """An image-text-to-text model of transformers that reads through tokens at the end of its prompt."""

    @classmethod
    def footprint(cls, config: BackboneConfigT, context: Context, load: Workload) -> Footprint | None:
        return measure(config, context, load)

    @classmethod
    def operations(
        cls, config: BackboneConfigT, context: Context, load: Workload
    ) -> Mapping[str, Operations] | None:
        return count(config, context, load)

    @property
    def hidden_size(self) -> int:
        return int(self._text_config.hidden_size)

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

    def _whole(self, batch: Batch, tokens: Tensor) -> Tensor:
        """States [B,N,D] of prompts and ``tokens`` [B,T,D] in one pass."""
        return cast(Tensor, self._pass(batch, tokens).last_hidden_state.to(self.device))

    def _pass(self, batch: Batch, tokens: Tensor, **asked: bool) -> Any:
        """The model's output of prompts and ``tokens`` [B,T,D] in one pass."""
        with embedded(self.model.get_input_embeddings(), (batch.rows, batch.columns), tokens):
            return self._run_prompt(batch, use_cache=False, **asked)
