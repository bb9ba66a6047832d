"""Memory and operations of a computation, measured as it runs: on a device, or without one on the meta device.

torch keeps a tracker of this kind in a private module; this one has the two numbers that an estimate needs.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx.experimental import _config as fx_config
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import FlopCounterMode


class Meter(TorchDispatchMode):
    """Bytes of the tensors made while it is entered: ``now`` alive, ``peak`` at most alive at once.

    What existed before is not counted. Storages are counted once, whatever views there are of them, and for as long as
    anything (a variable, the backward pass) holds them, so the peak is that of an allocator without fragmentation.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {_storage(leaf)._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(_storage(leaf), given)
        return result

    def _count(self, storage: torch.UntypedStorage, given: set[int]) -> None:
        key = storage._cdata
        if key in self._known or key in given:
            return
        self._known.add(key)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key, storage.nbytes())

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()


class FusedAttention(torch.autograd.Function):
    """What flash and memory-efficient attention keep for the backward pass; it has shapes and no values."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = query.new_empty(*query.shape[:-1], value.shape[-1])
        ctx.save_for_backward(query, key, value, out, query.new_empty(query.shape[:-1], dtype=torch.float32))
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return tuple(torch.empty_like(x) for x in ctx.saved_tensors[:3])


_LOWER: set[Any] = {
    F.linear, F.conv1d, F.conv2d, F.conv3d, torch.matmul, torch.bmm, torch.baddbmm, torch.addmm,
    Tensor.matmul, Tensor.__matmul__, Tensor.bmm, F.scaled_dot_product_attention,
}  # fmt: skip
_UPPER: set[Any] = {F.layer_norm, F.group_norm, F.softmax, F.mse_loss, F.cross_entropy, F.cosine_similarity}


class LikeCuda(TorchFunctionMode):
    """Lets the meta device do what CUDA does in training, where the two differ in memory.

    Attention is fused, dropout keeps a mask of bytes, and with ``dtype`` mixed precision casts what
    ``torch.autocast("cuda")`` casts (matrix products and convolutions down; norms, softmax and losses up). Tensors with
    values (sizes of images, positions) may meet tensors without: the result has none. Without ``fused`` attention stays the
    matrix products that it is, whose operations can be counted.
    """

    def __init__(self, dtype: torch.dtype | None, fused: bool = True) -> None:
        super().__init__()
        self.dtype, self.fused = dtype, fused

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        args, named = _together(args, dict(kwargs or {}))
        if self.dtype is not None and func in _LOWER | _UPPER:
            wanted = self.dtype if func in _LOWER else torch.float32
            args, named = tree_map(lambda x: _cast(x, wanted), (args, named))
        replaced = _REPLACED.get(func)
        if replaced is _attention and not self.fused:
            replaced = None
        return func(*args, **named) if replaced is None else replaced(*args, **named)

    def checkpointing(self) -> dict[str, Any]:
        """Options for ``torch.utils.checkpoint``: torch leaves function modes aside in a backward pass, so what it
        recomputes enters this one again."""
        return {
            "use_reentrant": False,
            "context_fn": lambda: (nullcontext(), LikeCuda(self.dtype, self.fused)),
        }


def _together(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same arguments, all tensors on the meta device where one is."""
    devices = {leaf.device.type for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
    if len(devices) < 2:
        return args, kwargs
    moved: Any = tree_map(lambda x: x.to("meta") if isinstance(x, Tensor) else x, (args, kwargs))
    return moved[0], moved[1]


def _cast(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Tensor:
    out: Tensor = FusedAttention.apply(query, key, value)
    return out


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return torch.native_dropout(input, p, True)[0] if training and p else input


_REPLACED: dict[Any, Callable[..., Any]] = {F.scaled_dot_product_attention: _attention, F.dropout: _dropout}


@contextmanager
def metered(dtype: torch.dtype | None) -> Iterator[Meter]:
    """Measure a computation on meta tensors as CUDA would run it, in mixed precision of ``dtype`` where given.

    Where a model picks elements by their values, all are taken to be picked.
    """
    with _all_picked(), Meter() as meter, LikeCuda(dtype):
        yield meter


class Counter(FlopCounterMode):
    """Floating-point operations since it was entered, by PyTorch's own formulas."""

    def __init__(self) -> None:
        super().__init__(display=False)
        # Its tracker of modules fails where an input of one wants a gradient that is switched off.
        self.mod_tracker: Any = _NoModules()
        self._taken = 0

    def take(self) -> int:
        """Those since the last time that they were taken. A multiplication and an addition are two."""
        total = int(self.get_total_flops())
        taken, self._taken = total - self._taken, total
        return taken


@contextmanager
def counted(dtype: torch.dtype | None = None) -> Iterator[Counter]:
    """Count the operations of a computation on meta tensors: matrix products and convolutions, as PyTorch's own counter
    has them. Attention counts whole, causal or not, and its backward pass twice; a fused kernel computes it once more.
    """
    with _all_picked(), Counter() as counter, LikeCuda(dtype, fused=False):
        yield counter


class _NoModules(nullcontext[None]):
    """In place of a tracker of modules: all is one."""

    parents = frozenset({"Global"})

    def __exit__(self, *_: object) -> None:
        return None


def _all_picked() -> Any:
    return fx_config.patch(meta_nonzero_assume_all_nonzero=True)  # type: ignore[attr-defined]
