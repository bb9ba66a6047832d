"""The tensors of a checkpoint by the names of a system's parts, each with the places it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym_official.layout import Layout
from emosym_official.names import plain
from emosym_official.tensors import read_mapping, read_settings, read_tensor

EMOTION, CONTEXT = "EMO_embed", "CTX_embed"
HEAD = {f"cls_head.{layer}.{kind}": f"head.{layer}.{kind}" for layer in (0, 2) for kind in ("weight", "bias")}
"""The authors' head and ours, both Linear, ReLU, Linear."""
OWN = (CONTEXT, EMOTION, *HEAD)
"""What a system takes from beside the adapter."""
MAPPER = {"model": "MLP", "num_fc_layers": 2, "need_ReLU": True, "need_LN": False}
"""Settings of joint training under which a mapper is Linear, ReLU, Linear; the tensors alone cannot tell."""


@dataclass(frozen=True)
class Weight:
    """A tensor of a system, and the files and names in them that it came from."""

    tensor: Tensor
    sources: tuple[tuple[Path, str], ...]


Weights = dict[str, Weight]
"""By part of the system and name in it, as in ``head.0.weight``."""


def tokens_and_head(path: Path, stored: Mapping[str, Tensor], order: Sequence[int]) -> Weights:
    """[CTX]×K then [EMO] as [K+1,D], and the head with the rows of its last layer in ``order``.

    ``stored`` are tensors by plain name. Errors: ``official.missing-tensor``, ``official.other-tokens``,
    ``official.other-labels``.
    """
    missing = [name for name in OWN if name not in stored]
    if missing:
        raise EmosymError(
            "official.missing-tensor",
            f"{path} lacks {', '.join(missing)}",
            hint="it must be the file beside an adapter that was trained with context (--context True)",
        )
    context, emotion = (torch.atleast_2d(stored[name].float()) for name in (CONTEXT, EMOTION))
    if context.ndim != 2 or emotion.shape != (1, context.shape[1]) or not len(context):
        raise EmosymError(
            "official.other-tokens",
            f"{path}: {CONTEXT} is {list(context.shape)} and {EMOTION} {list(emotion.shape)}",
            hint="expected [K,D] and [1,D], for K context tokens and a backbone of width D",
        )
    tokens = Weight(torch.cat([context, emotion]), ((path, CONTEXT), (path, EMOTION)))
    head = {
        name: Weight(_head(path, key, stored[key].float(), order), ((path, key),))
        for key, name in HEAD.items()
    }
    return {"compressor.tokens": tokens, **head}


def _head(path: Path, key: str, tensor: Tensor, order: Sequence[int]) -> Tensor:
    if not key.startswith("cls_head.2"):
        return tensor
    if tensor.shape[:1] != (len(order),):
        raise EmosymError(
            "official.other-labels",
            f"{path}: {key} is {list(tensor.shape)}, there are {len(order)} labels",
            hint="give --labels with the checkpoint's emotions and --set labels=… with the same",
        )
    return tensor[list(order)]


def mapper(state: str, path: Path, settings: Path | None) -> Weights:
    """Linear, ReLU, Linear of a state (``emotion``, ``context``), by the names that the fusion has.

    Errors: ``official.other-mapper``.
    """
    stored = {plain(key).removeprefix("mlp."): (key, tensor) for key, tensor in read_mapping(path).items()}
    layers = sorted({name.partition(".")[0] for name in stored})
    ranks = {name: tensor.ndim for name, (_, tensor) in stored.items()}
    linear = {f"{layer}.{kind}": rank for layer in layers for kind, rank in (("weight", 2), ("bias", 1))}
    said = {} if settings is None else read_settings(settings)
    other = [f"{key}: {said[key]}" for key, value in MAPPER.items() if said.get(key, value) != value]
    # Dropout after the ReLU moves the second layer from place 2 to 3.
    if ranks != linear or layers not in (["0", "2"], ["0", "3"]) or other:
        raise EmosymError(
            "official.other-mapper",
            f"{path} is not Linear, ReLU, Linear: it holds {', '.join(sorted(stored)) or 'nothing'}"
            + (f"; {settings} says {', '.join(other)}" if other else ""),
            hint=f"mappers trained with {json.dumps(MAPPER)} can be imported",
        )
    return {
        f"fusion.{state}_mapper.{name.replace('3.', '2.')}": Weight(tensor.float(), ((path, key),))
        for name, (key, tensor) in stored.items()
    }


def emotion_space(layout: Layout, emotions: Sequence[str], tokens: int, width: int) -> Weights:
    """Means and deviations [C,K+1,D] of K context states and the emotion state, in the order of ``emotions``.

    Errors: ``official.bad-statistics`` with every file whose numbers cannot be a mean or a deviation.
    """
    sizes = {"context": tokens * width, "emotion": width}
    read = {key: read_tensor(path).float().flatten() for key, path in layout.statistics.items()}
    problems = [
        f"  {path}: {problem}"
        for key, path in layout.statistics.items()
        if (problem := _problem(read[key], key[2], sizes[key[1]]))
    ]
    if problems:
        raise EmosymError(
            "official.bad-statistics",
            "\n".join([f"{len(problems)} statistics of the emotion space do not fit:", *problems]),
            hint="they must come from the model whose adapter is imported",
        )
    weights = {}
    for figure in ("mean", "std"):
        rows = [torch.cat([read[emotion, state, figure] for state in sizes]) for emotion in emotions]
        sources = tuple((path, "") for key, path in layout.statistics.items() if key[2] == figure)
        weights[f"emotion_space.{figure}"] = Weight(torch.stack(rows).unflatten(1, (-1, width)), sources)
    return weights


def _problem(tensor: Tensor, figure: str, size: int) -> str:
    if tensor.numel() != size:
        return f"expected {size} numbers, found {tensor.numel()}"
    if not bool(tensor.isfinite().all()):
        return "holds NaN or infinity"
    return "holds deviations below 0" if figure == "std" and bool((tensor < 0).any()) else ""
