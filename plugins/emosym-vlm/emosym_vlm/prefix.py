"""Reading after a prefix without ever writing to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from typing import Any

import torch
from emosym_registry import EmosymError
from torch import Tensor
from transformers import Cache, DynamicCache, PretrainedConfig, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from emosym.contracts import Prefix
from emosym.toolkit import embedded
from emosym_vlm.prompt import following_positions


class SharedLayer(DynamicLayer):
    """Keys and values [B,H,L,d] of a prefix that B·G continuations share.

    The first update joins each prefix to its G continuations in one copy; the prefix's own tensors stay as
    they are.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys: Tensor = keys
        self.values: Tensor = values
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Append [B·G,H,T,d]; gives [B·G,H,L+T,d]."""
        self.keys, self.values = _join(self.keys, key_states), _join(self.values, value_states)
        return self.keys, self.values


def _join(prefix: Tensor, new: Tensor) -> Tensor:
    groups = new.shape[0] // prefix.shape[0]
    if groups == 1:
        return torch.cat([prefix, new], -2)
    shared = prefix[:, None].expand(-1, groups, -1, -1, -1)
    return torch.cat([shared, new.unflatten(0, (-1, groups))], -2).flatten(0, 1)


def can_share(config: PretrainedConfig) -> bool:
    """Whether each layer keeps all keys and values: no sliding windows, recurrent states, shared layers."""
    text = config.get_text_config(decoder=True)
    layers = DynamicCache(config=text).layers
    return len(layers) == text.num_hidden_layers and all(type(layer) is DynamicLayer for layer in layers)


def continued(cache: Any) -> Cache:
    """A cache to go on from ``cache`` with; ``cache`` itself is not touched by what follows."""
    if all(type(layer) in (DynamicLayer, SharedLayer) for layer in cache.layers):
        shared = DynamicCache()
        shared.layers = [SharedLayer(layer.keys, layer.values) for layer in cache.layers]
        return shared
    copy: Cache = deepcopy(cache)
    return copy


class Continuation:
    """What follows a prefix of B samples, G times each; ``mask`` [B·G,L] and the cache grow as it is read."""

    def __init__(self, model: Any, prefix: Prefix, filler: int, groups: int = 1) -> None:
        self.model, self.filler, self.cache = model, filler, continued(prefix.cache)
        self.mask = prefix.mask.repeat_interleave(groups, 0)
        self.prompt = prefix.mask.shape[1]
        self.start = prefix.next_positions.repeat_interleave(groups, 0)

    def branch(self, groups: int) -> Continuation:
        """What follows all that was read so far, ``groups`` times each; this continuation stays as it is."""
        branch = copy(self)
        branch.cache = continued(self.cache)
        branch.mask = self.mask.repeat_interleave(groups, 0)
        branch.start = self.start.repeat_interleave(groups, 0)
        return branch

    def read_ids(
        self, ids: Tensor, real: Tensor | None = None, *, blind: bool = False, layers: bool = False
    ) -> Tensor:
        """States [B·G,S,D] of S more tokens ``ids`` [B·G,S], or [L,B·G,S,D] after each of all ``layers``. ``real`` [B·G,S] is
        false for what fills a row up at its end, which nothing after it sees; ``blind`` ones see nothing of the prompt."""
        count = ids.shape[1]
        positions = following_positions(self.start, count)
        new = self.mask.new_ones(len(self.mask), count) if real is None else real.to(self.mask)
        self.mask = torch.cat([self.mask, new], 1)
        used = new.sum(1)
        self.start = self.start + (used if self.start.ndim == 1 else used[:, None])
        seen = self.mask.clone() if blind else self.mask
        if blind:
            seen[:, : self.prompt] = 0
        output = self.model.base_model(
            input_ids=ids,
            attention_mask=seen,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            **({"output_hidden_states": True} if layers else {}),
        )
        if layers:  # the first are the embeddings
            return torch.stack([layer.to(ids.device) for layer in output.hidden_states[1:]])
        states: Tensor = output.last_hidden_state.to(ids.device)
        return states

    def read(self, vectors: Tensor, *, blind: bool = False, layers: bool = False) -> Tensor:
        """States of S more tokens that are ``vectors`` [B·G,S,D], as :meth:`read_ids` gives them."""
        rows, count = vectors.shape[:2]
        slots = (
            torch.arange(rows, device=self.mask.device)[:, None],
            torch.arange(count, device=self.mask.device)[None],
        )
        with embedded(self.model.get_input_embeddings(), slots, vectors):
            return self.read_ids(self.mask.new_full((rows, count), self.filler), blind=blind, layers=layers)


def check_fresh(prefix: Prefix, fingerprint: str) -> None:
    """``backbone.stale-prefix`` where the weights are no longer those of ``prefix``."""
    if prefix.fingerprint != fingerprint:
        raise EmosymError(
            "backbone.stale-prefix",
            "this prefix was made with other weights (an optimiser step or a load came in between)",
            hint="encode the samples again",
            ours=True,
        )


def check_shared(model: PreTrainedModel, shares: bool) -> None:
    """``backbone.no-prefix-apart`` where the tokens of a model are to be read apart from the prompt, and cannot be."""
    if not shares:
        raise EmosymError(
            "backbone.no-prefix-apart",
            f"{type(model).__name__} does not keep all keys and values, so its prompt and tokens are always one pass",
            hint="set backbone.params.training to lora or frozen, and backbone.params.emotion_sees to all",
        )


def check_readable(model: PreTrainedModel, shares: bool) -> None:
    """``backbone.no-shared-prefix`` where no prefix can be continued."""
    if not shares:
        raise EmosymError(
            "backbone.no-shared-prefix",
            f"{type(model).__name__} does not keep all keys and values, its prefixes cannot be shared",
            hint="use forward (shares_prefixes says so)",
            ours=True,
        )


@contextmanager
def keeping_cache(model: PreTrainedModel) -> Iterator[None]:
    """Inside, gradient checkpointing is off: in training mode it drops keys and values without a word. A prefix holds no
    activations that it could spare, and the tokens after it are few."""
    parts: list[Any] = [part for part in model.modules() if getattr(part, "gradient_checkpointing", False)]
    for part in parts:
        part.gradient_checkpointing = False
    try:
        yield
    finally:
        for part in parts:
            part.gradient_checkpointing = True
