"""Reading after a prefix without ever writing to it."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PretrainedConfig
from transformers.cache_utils import DynamicLayer


class SharedLayer(DynamicLayer):
    """Keys and values [B,H,L,d] of a prefix that B·G continuations share.

    The first update joins each prefix to its G continuations in one copy; the prefix's own tensors stay as they are.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.keys, self.values = keys, values
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
    """Whether every layer keeps all keys and values: no sliding windows, no recurrent states, no shared layers."""
    text = config.get_text_config(decoder=True)
    layers = DynamicCache(config=text).layers
    return len(layers) == text.num_hidden_layers and all(type(layer) is DynamicLayer for layer in layers)


def continuation(cache: Cache) -> Cache:
    """A cache to go on from ``cache`` with; ``cache`` itself is not touched by what follows."""
    if all(type(layer) is DynamicLayer for layer in cache.layers):
        shared = DynamicCache()
        shared.layers = [SharedLayer(layer.keys, layer.values) for layer in cache.layers]
        return shared
    return deepcopy(cache)
