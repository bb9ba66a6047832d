"""Names for sets of weights: a hash that is the same in every process, and a cheap stamp that says whether they changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn


def hash_tensors(named: Mapping[str, Tensor], start: str = "") -> str:
    """sha256 over ``start``, then names, types, shapes and bytes in the order of the names: the same on every device and
    in every process."""
    digest = hashlib.sha256(start.encode())
    for name in sorted(named):
        tensor = named[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def hash_weights(module: nn.Module, without: Iterable[Tensor] = ()) -> str:
    """sha256 over the tensors of a module in the order of its parts, ``without`` some (such as its adapters): the same in
    every process, whatever layers the parts are wrapped in."""
    left_out = {id(tensor) for tensor in without}
    return hash_in_order(tensor for tensor in tensors(module) if id(tensor) not in left_out)


def hash_in_order(parts: Iterable[Tensor]) -> str:
    """sha256 over tensors whose place is their name."""
    return hash_tensors({f"{place:08d}": tensor for place, tensor in enumerate(parts)})


def tensors(module: nn.Module) -> Iterator[Tensor]:
    """Parameters and the buffers that are saved; tables a model derives as it goes (rotary frequencies) are not weights.

    Not from ``state_dict``, which packs the scales of quantized layers anew on every call.
    """
    for part in module.modules():
        yield from part.parameters(recurse=False)
        kept = (name for name in part._buffers if name not in part._non_persistent_buffers_set)
        yield from (buffer for name in kept if (buffer := part._buffers[name]) is not None)


def stamp(parts: Iterable[Tensor], trained: Iterable[Tensor] = ()) -> str:
    """Changes when any of ``parts`` is written to or replaced, or the values of ``trained`` change.

    PyTorch's version counters cost nothing, but fused optimisers (and writes through ``.data``) escape them; so what
    an optimiser trains is measured too, which is little: adapters are small.
    """
    versions = tuple((part.data_ptr(), part._version) for part in parts)
    norms = [torch.linalg.vector_norm(part.detach(), dtype=torch.float64) for part in trained]
    values = tuple(torch.stack(norms).tolist()) if norms else ()
    return f"{hash((versions, values)) & (2**64 - 1):016x}"
