"""Where the tokens look: the decoder's attention weights over the image tokens of a prompt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import isqrt
from typing import Any

import torch
from torch import Tensor

from emosym_vlm.prompt import Prompt


@contextmanager
def attending(model: Any) -> Iterator[list[Tensor]]:
    """Inside, the decoder attends plainly, and the list gets the weights [B,T,S] of each layer of every pass, averaged over
    heads; it stays empty where layers do not tell."""
    config, weights = model.config.get_text_config(decoder=True), list[Tensor]()
    before = config._attn_implementation

    def keep(module: Any, given: Any, output: Any) -> None:
        if isinstance(output, tuple) and len(output) > 1 and isinstance(output[1], Tensor):
            weights.append(output[1].float().mean(1).cpu())

    with ExitStack() as stack:
        for layer in model.get_decoder().layers:
            if hasattr(layer, "self_attn"):
                stack.callback(layer.self_attn.register_forward_hook(keep).remove)
        config._attn_implementation = "eager"  # others do not give weights
        stack.callback(setattr, config, "_attn_implementation", before)
        yield weights


def over_picture(
    weights: list[Tensor], layers: int, prompt: Prompt, image_token: int, square: bool
) -> Tensor | None:
    """Weights [T,h,w] over the one picture of a ``prompt``, of those that :func:`attending` gave for a pass, or for several one
    after another; None where its tokens lie on no known grid. ``square`` says that its sides are equal."""
    if not weights or len(weights) % layers:
        return None
    where = prompt.ids.cpu() == image_token
    sides = grid(prompt, where, square)
    if sides is None:
        return None
    passes = [
        torch.stack(weights[start : start + layers]).mean(0)[0, :, : len(where)]
        for start in range(0, len(weights), layers)
    ]
    over: Tensor = torch.cat(passes)[:, where].unflatten(1, sides)
    return over


def grid(prompt: Prompt, where: Tensor, square: bool) -> tuple[int, int] | None:
    """Rows and columns of the image tokens: those of their positions where these have axes, else those of a square."""
    count = int(where.sum())
    if len(prompt.positions) > 1:
        rows, columns = (len(axis.unique()) for axis in prompt.positions.cpu()[-2:, where])
        if rows * columns == count > 0:
            return rows, columns
    side = isqrt(count)
    return (side, side) if square and side * side == count > 0 else None
