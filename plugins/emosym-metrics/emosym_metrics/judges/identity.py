"""One name for a set of weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor, nn


def weights_hash(modules: Iterable[nn.Module], *words: str) -> str:
    """sha256 over names, types, shapes and bytes of all tensors in order of name, and over ``words``.

    The same on every device and in every process.
    """
    digest = hashlib.sha256("\0".join(words).encode())
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
            digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
