"""The tensors of a checkpoint as tensors of a system, each with the place it came from."""

from __future__ import annotations

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
HEAD = {f"cls_head.{layer}.{kind}": f"{layer}.{kind}" for layer in (0, 2) for kind in ("weight", "bias")}
OWN = (CONTEXT, EMOTION, *HEAD)
"""What a system takes from beside the adapter."""
LAST = "2."
"""The head's layer whose rows are the emotions."""


@dataclass(frozen=True)
class Piece:
    """``tensor`` goes to ``name`` in ``part`` of the system's state; ``sources`` are files and names in them."""

    part: str
    name: str
    tensor: Tensor
    sources: tuple[tuple[Path, str], ...]


@dataclass(frozen=True)
class Mapper:
    """A mapper's tensors by our layer names, and the file."""

    path: Path
    tensors: dict[str, Tensor]
    keys: dict[str, str]

    @property
    def hidden(self) -> int:
        return int(self.tensors["0.weight"].shape[0])


def tokens_and_head(path: Path, stored: Mapping[str, Tensor], order: Sequence[int]) -> list[Piece]:
    """[CTX]×K then [EMO] as one table [K+1,D], and the head with the rows of its last layer in ``order``.

    ``stored`` are tensors by plain name. Errors: ``official.missing-tensor``, ``official.other-tokens``.
    """
    missing = [name for name in OWN if name not in stored]
    if missing:
        raise EmosymError(
            "official.missing-tensor",
            f"{path} lacks {', '.join(missing)}",
            hint="it must be the file beside an adapter that was trained with context (--context True)",
        )
    context, own = (_rows(stored[name].float()) for name in (CONTEXT, EMOTION))
    if context.ndim != 2 or own.shape != (1, context.shape[1]) or not len(context):
        raise EmosymError(
            "official.other-tokens",
            f"{path}: expected {CONTEXT} [K,D] and {EMOTION} [1,D], found {list(context.shape)} and {list(own.shape)}",
            hint="K is the number of context tokens, D the width of the backbone",
        )
    table = torch.cat([context, own])
    pieces = [Piece("compressor", "table", table, ((path, CONTEXT), (path, EMOTION)))]
    for key, name in HEAD.items():
        tensor = stored[key].float()
        fits = name.startswith(LAST) and len(tensor) == len(order)
        pieces.append(Piece("head", name, tensor[list(order)] if fits else tensor, ((path, key),)))
    return pieces


def _rows(tensor: Tensor) -> Tensor:
    return tensor[None] if tensor.ndim == 1 else tensor


def read_mapper(path: Path, settings: Path | None) -> Mapper:
    """Linear, ReLU, Linear as the authors' ``MLP`` with two layers. Errors: ``official.other-mapper``."""
    tensors = {
        plain(key).removeprefix("mlp."): (key, value.float()) for key, value in read_mapping(path).items()
    }
    places = sorted({key.partition(".")[0] for key in tensors})
    wanted = [f"{place}.{kind}" for place in places for kind in ("weight", "bias")]
    linear = sorted(tensors) == sorted(wanted) and all(tensors[f"{p}.weight"][1].ndim == 2 for p in places)
    # Linear, ReLU, Linear; dropout after the ReLU moves the second layer from place 2 to 3.
    if not linear or places not in (["0", "2"], ["0", "3"]) or _says_otherwise(settings):
        raise EmosymError(
            "official.other-mapper",
            f"{path} is not Linear, ReLU, Linear: it holds {', '.join(sorted(tensors)) or 'nothing'}"
            + (f"; {settings} says {_says_otherwise(settings)}" if _says_otherwise(settings) else ""),
            hint="mappers trained with model: MLP, num_fc_layers: 2, need_ReLU: true, need_LN: false can be imported",
        )
    named = {f"{0 if key[0] == '0' else 2}.{key.partition('.')[2]}": found for key, found in tensors.items()}
    return Mapper(
        path, {n: tensor for n, (_, tensor) in named.items()}, {n: key for n, (key, _) in named.items()}
    )


def _says_otherwise(settings: Path | None) -> str:
    """What the settings of joint training say against Linear, ReLU, Linear; the tensors alone cannot tell."""
    if settings is None:
        return ""
    expected = {"model": "MLP", "num_fc_layers": 2, "need_ReLU": True, "need_LN": False}
    said = read_settings(settings)
    return ", ".join(
        f"{key}: {said[key]}" for key, value in expected.items() if said.get(key, value) != value
    )


def fusion(mappers: Mapping[str, Mapper], size: int, context_size: int) -> list[Piece]:
    """u = M_e(e) + M_c(c) without standardisation: the means of its inputs are 0 and the deviations 1."""
    pieces = [
        Piece("fusion", f"{part}.{name}", tensor, ((mapper.path, mapper.keys[name]),))
        for part, mapper in mappers.items()
        for name, tensor in mapper.tensors.items()
    ]
    for state, width in (("emotion", size), ("context", context_size)):
        pieces.append(Piece("fusion", f"{state}_mean", torch.zeros(width), ()))
        pieces.append(Piece("fusion", f"{state}_std", torch.ones(width), ()))
    return pieces


def emotion_space(layout: Layout, emotions: Sequence[str], tokens: int, width: int) -> list[Piece]:
    """Means [C,P] and variances [C,P] of [c;e] in the order of ``emotions``, P = (K+1)·D.

    Errors: ``official.bad-statistics`` with every file whose numbers cannot be a mean or a deviation.
    """
    problems: list[str] = []
    rows: dict[str, list[Tensor]] = {"mean": [], "std": []}
    for figure, found in rows.items():
        for emotion in emotions:
            context, own = (layout.statistics[emotion, state, figure] for state in ("context", "emotion"))
            parts = [
                _statistic(context, figure, tokens * width, problems),
                _statistic(own, figure, width, problems),
            ]
            found.append(torch.cat(parts))
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise EmosymError(
            "official.bad-statistics",
            f"{len(problems)} statistics of the emotion space do not fit:\n{listed}",
            hint="they must come from the model whose adapter is imported",
        )
    sources = {
        figure: tuple((path, "") for key, path in layout.statistics.items() if key[2] == figure)
        for figure in rows
    }
    return [
        Piece("emotion_space", "mean", torch.stack(rows["mean"]), sources["mean"]),
        Piece("emotion_space", "variance", torch.stack(rows["std"]).square(), sources["std"]),
        Piece("emotion_space", "layout", torch.tensor([tokens + 1, width]), ()),
    ]


def _statistic(path: Path, figure: str, size: int, problems: list[str]) -> Tensor:
    tensor = read_tensor(path).float().flatten()
    if tensor.numel() != size:
        problems.append(f"{path}: expected {size} numbers, found {tensor.numel()}")
    elif not bool(tensor.isfinite().all()):
        problems.append(f"{path}: holds NaN or infinity")
    elif figure == "std" and bool((tensor < 0).any()):
        problems.append(f"{path}: holds deviations below 0")
    return tensor
