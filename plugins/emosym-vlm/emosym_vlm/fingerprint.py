"""Telling cheaply whether weights have changed."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn
from transformers import PreTrainedModel


def tensors(module: nn.Module) -> Iterable[Tensor]:
    """Parameters and the buffers that are saved; tables a model derives as it goes (rotary frequencies) are not weights."""
    return module.state_dict(keep_vars=True).values()


def vision_tensors(model: PreTrainedModel) -> Iterable[Tensor]:
    """Every tensor that image features can depend on: all of the base but the decoder, adapters included."""
    language = {id(tensor) for tensor in tensors(model.get_decoder())}
    return (tensor for tensor in tensors(model.base_model) if id(tensor) not in language)


def stamp(parts: Iterable[Tensor]) -> str:
    """Changes when any of ``parts`` is written to or replaced; does no arithmetic on them.

    It rests on PyTorch's version counters, which writes through ``.data`` escape.
    """
    return f"{hash(tuple((part.data_ptr(), part._version) for part in parts)) & (2**64 - 1):016x}"
