"""The one implementation behind all three backbones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from transformers import Cache
from typing_extensions import TypeVar

from emosym.contracts import QUESTION, Backbone, Context, Footprint, Prefix, Sample, Workload
from emosym.toolkit import detach_lora, embedded, evaluating, stamp, tensors
from emosym_vlm import adapter
from emosym_vlm.cache import can_share, continuation
from emosym_vlm.checks import check_fresh, check_lengths, check_readable, check_samples, check_tokens
from emosym_vlm.config import BackboneConfig
from emosym_vlm.footprint import measure
from emosym_vlm.loading import load
from emosym_vlm.memo import PromptMemo
from emosym_vlm.placing import is_placed
from emosym_vlm.prompt import Batch, Prompt, following_positions, lay_out
from emosym_vlm.reader import PromptReader
from emosym_vlm.saving import check_mergeable, save_model
from emosym_vlm.writing import choose_filler, decode, end_tokens

BackboneConfigT = TypeVar("BackboneConfigT", bound=BackboneConfig, default=BackboneConfig)


class VisionLanguageBackbone(Backbone[BackboneConfigT]):
    """An image-text-to-text model of transformers that reads through tokens at the end of its prompt."""

    families: ClassVar[tuple[str, ...]] = ()
    """Model types it accepts; any where empty."""

    @classmethod
    def footprint(cls, config: BackboneConfigT, context: Context, load: Workload) -> Footprint | None:
        return measure(config, context, load)

    def __init__(self, config: BackboneConfigT, context: Context) -> None:
        super().__init__(config, context)
        self.model: Any
        self.processor: Any
        self.model, self.processor = load(config, context, self.families)
        self._text_config = self.model.config.get_text_config(decoder=True)
        self._shares = can_share(self._text_config)
        self.adapter_targets: list[str] = []
        if config.adapter is not None and config.adapter.type != "none":
            self.adapter_targets = adapter.attach(self.model, config.adapter, context.seed)
        if config.gradient_checkpointing:
            self.model.activation_checkpointing_enable({"use_reentrant": False})
        self._placed = is_placed(config)
        if not self._placed:
            self.model.to(context.device or torch.device("cpu"))
        if config.compile:
            # Layer by layer: hooks on the embedding must stay outside, as compiled code does not look for new ones.
            for layer in self.model.get_decoder().layers:
                layer.compile(dynamic=True)
        self._filler = choose_filler(self.model.config, self.processor.tokenizer)
        self._reader = PromptReader(
            self.model, self.processor, self._filler, sequential=config.positions == "sequential"
        )
        vision_learns = set(config.adapter.targets if self.adapter_targets and config.adapter else ()) - {
            "language"
        }
        self.memo = (
            PromptMemo(config.cache_megabytes * 2**20)
            if config.cache_features and not vision_learns
            else None
        )
        self._vision_learns = bool(vision_learns)
        self.eval()

    @property
    def hidden_size(self) -> int:
        return int(self._text_config.hidden_size)

    @property
    def device(self) -> torch.device:
        """Where prompts enter; a device map may keep other layers elsewhere."""
        device: torch.device = self.model.get_input_embeddings().weight.device
        return device

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """As any module's, but weights that a device map or quantization has placed stay where they are."""
        return self if self._placed else super().to(*args, **kwargs)

    @property
    def shares_prefixes(self) -> bool:
        return self._shares

    def forward(self, samples: Sequence[Sample], tokens: Tensor, question: str | None = None) -> Tensor:
        """Without ``question`` the one of the config. Errors: ``backbone.bad-tokens``, ``backbone.prompt-too-long``, ``backbone.image-tokens``."""
        check_tokens(tokens, len(samples), self.hidden_size)
        batch = self._batch(samples, question, tokens.shape[1])
        with embedded(self.model.get_input_embeddings(), (batch.rows, batch.columns), tokens):
            hidden = self._run_prompt(batch, use_cache=False).last_hidden_state.to(self.device)
        return hidden[batch.rows, batch.columns].to(tokens.dtype)

    @torch.no_grad()
    def encode(self, samples: Sequence[Sample], question: str | None = None) -> Prefix:
        with evaluating(self.model):
            batch = self._batch(samples, question, 0)
            output = self._run_prompt(batch, use_cache=True)
        return Prefix(
            cache=output.past_key_values,
            last_hidden=output.last_hidden_state.to(self.device)[batch.rows[:, 0], batch.last],
            mask=batch.mask,
            next_positions=batch.next_positions,
            tokens=batch.lengths,
            fingerprint=self.fingerprint(),
        )

    def read(self, prefix: Prefix, tokens: Tensor) -> Tensor:
        """Errors: ``backbone.stale-prefix``, ``backbone.no-shared-prefix``, ``backbone.checkpointing``."""
        check_readable(self.model, self._shares)
        check_fresh(prefix, self.fingerprint())
        groups = len(tokens) // len(prefix.mask)
        check_tokens(tokens, len(prefix.mask) * max(groups, 1), self.hidden_size)
        mask = prefix.mask.repeat_interleave(groups, 0)
        start = prefix.next_positions.repeat_interleave(groups, 0)
        return self._continue(continuation(prefix.cache), mask, start, vectors=tokens).to(tokens.dtype)

    @torch.no_grad()
    def write(self, prefix: Prefix, tokens: Tensor | None = None, max_new_tokens: int = 32) -> list[str]:
        check_fresh(prefix, self.fingerprint())
        cache, mask, start, last = (
            continuation(prefix.cache),
            prefix.mask,
            prefix.next_positions,
            prefix.last_hidden,
        )
        tokenizer = self.processor.tokenizer
        head, ends = self.model.get_output_embeddings(), end_tokens(self.model, tokenizer, self.device)
        written: list[Tensor] = []
        done = torch.zeros(len(mask), dtype=torch.bool, device=mask.device)
        with evaluating(self.model):
            if tokens is not None:
                check_tokens(tokens, len(mask), self.hidden_size)
                last = self._continue(cache, mask, start, vectors=tokens)[:, -1]
                mask, start = _longer(mask, tokens.shape[1]), start + tokens.shape[1]
            while len(written) < max_new_tokens:
                chosen = head(last).argmax(-1).to(mask.device).masked_fill(done, self._filler)
                done = done | torch.isin(chosen, ends)
                written.append(chosen)
                if bool(done.all()) or len(written) == max_new_tokens:
                    break
                last = self._continue(cache, mask, start, ids=chosen[:, None])[:, -1]
                mask, start = _longer(mask, 1), start + 1
        return decode(torch.stack(written, 1), ends, tokenizer) if written else [""] * len(mask)

    @torch.no_grad()
    def typical_embedding(self) -> tuple[Tensor, float]:
        """Of the embedding layer's output, which some families scale; rows beyond the tokenizer's are left out."""
        layer = self.model.get_input_embeddings()
        rows = min(int(layer.weight.shape[0]), len(self.processor.tokenizer))
        total, squares = 0.0, 0.0
        for ids in torch.arange(rows, device=layer.weight.device).split(8192):
            part = layer(ids).double()
            total, squares = total + part.sum(0), squares + part.square().sum(0)
        mean = total / rows
        return mean.float(), float((squares / rows - mean.square()).clamp(min=0).mean().sqrt())

    def adapters(self) -> dict[str, nn.Parameter]:
        return adapter.parameters(self.model)

    def merge(self) -> None:
        """Add what the adapters learnt to the weights; afterwards there are none, and nothing trains.

        Quantized weights cannot take it without rounding: ``backbone.quantized-merge``.
        """
        check_mergeable(self.config.quantization)
        self._drop_adapters(merge=True)

    def unload(self) -> None:
        """Drop the adapters and what they learnt: the model is as it was loaded."""
        self._drop_adapters(merge=False)

    def save_pretrained(self, folder: Path | str) -> Path:
        """Write model and processor to a new folder as transformers does, for ``model: FOLDER`` or any other program.

        Errors: ``backbone.unmerged-adapters``, ``backbone.folder-exists``, ``backbone.cannot-write``.
        """
        return save_model(self.model, self.processor, Path(folder), list(self.adapters()))

    def fingerprint(self) -> str:
        return stamp(tensors(self.model), self.adapters().values())

    def _drop_adapters(self, *, merge: bool) -> None:
        detach_lora(self.model, merge=merge)
        self.adapter_targets = []
        self.model.requires_grad_(False)

    def _vision_tensors(self) -> Iterator[Tensor]:
        """Every tensor that image features can depend on: all of the base but the decoder, adapters included."""
        language = {id(tensor) for tensor in tensors(self.model.get_decoder())}
        return (tensor for tensor in tensors(self.model.base_model) if id(tensor) not in language)

    def _prompts(self, samples: Sequence[Sample], question: str) -> list[Prompt]:
        if self._vision_learns:
            return self._reader(samples, question)
        with torch.no_grad(), evaluating(self.model):
            if self.memo is None:
                return self._reader(samples, question)
            self.memo.bind(stamp(self._vision_tensors()))
            return self.memo.recall(samples, question, self._reader)

    def _batch(self, samples: Sequence[Sample], question: str | None, count: int) -> Batch:
        check_samples(samples)
        prompts = self._prompts(samples, question or self.config.question or QUESTION)
        limit = getattr(self._text_config, "max_position_embeddings", None)
        check_lengths(samples, prompts, count, limit, self.model.config.image_token_id)
        # A sliding window counts padding between prompt and tokens; on the left it does no harm.
        side = self.config.padding_side if self._shares else "left"
        return lay_out(prompts, count, self._filler, side, self.device)

    def _run_prompt(self, batch: Batch, use_cache: bool) -> Any:
        return self.model.base_model(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            mm_encoder_outputs=self._ready_images(batch),
            use_cache=use_cache,
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

    def _continue(
        self,
        cache: Cache,
        mask: Tensor,
        start: Tensor,
        *,
        vectors: Tensor | None = None,
        ids: Tensor | None = None,
    ) -> Tensor:
        """States [B,S,D] of S more tokens, given as ``vectors`` [B,S,D] or ``ids`` [B,S]; ``cache`` grows."""
        count = vectors.shape[1] if ids is None else ids.shape[1]
        options = {
            "attention_mask": _longer(mask, count),
            "position_ids": following_positions(start, count),
            "past_key_values": cache,
            "use_cache": True,
        }
        if ids is not None:
            return self.model.base_model(input_ids=ids, **options).last_hidden_state.to(self.device)
        ids = mask.new_full((len(mask), count), self._filler)
        slots = (
            torch.arange(len(mask), device=mask.device)[:, None],
            torch.arange(count, device=mask.device)[None],
        )
        with embedded(self.model.get_input_embeddings(), slots, vectors):
            return self.model.base_model(input_ids=ids, **options).last_hidden_state.to(self.device)


def _longer(mask: Tensor, count: int) -> Tensor:
    """``mask`` [B,L] with ``count`` more real tokens behind it."""
    return torch.cat([mask, mask.new_ones(len(mask), count)], 1)
