"""Files of weights that somebody published and that users bring: read as tensors, never as code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from emosym_registry import EmosymError
from emosym_registry.errors import first_line, some
from safetensors.torch import load_file
from torch import Tensor, nn

from emosym.toolkit import holds_code
from emosym_metrics.clip import unsafe_pickle


def read_tensors(file: str, who: str) -> dict[str, Tensor]:
    """The named tensors of a PyTorch or safetensors file, those under ``state_dict`` where it has that key;
    ``module.`` before a name, which parallel training leaves there, is dropped.

    Errors: ``model.unknown``, ``model.unsafe-pickle``, ``model.damaged-weights``.
    """
    path = Path(file).expanduser()
    try:
        if path.suffix == ".safetensors":
            read: Any = load_file(path)
        else:
            read = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise EmosymError("model.unknown", f"{who}: no file {file!r}", hint="check the path") from error
    except Exception as error:  # torch and safetensors each raise several
        if holds_code(error):
            raise unsafe_pickle(f"{who}: {file!r}") from error
        raise EmosymError(
            "model.damaged-weights",
            f"{who}: {file!r} cannot be read ({first_line(error)})",
            hint="delete that file and download it again",
        ) from error
    tensors = read.get("state_dict", read) if isinstance(read, Mapping) else {}
    named = {str(name): value for name, value in tensors.items() if isinstance(value, Tensor)}
    return {name.removeprefix("module."): value for name, value in named.items()}


def fill(module: nn.Module, tensors: Mapping[str, Tensor], who: str, file: str) -> None:
    """Give a module the weights of a file. Errors: ``model.weights-mismatch``, where any is missing, left over
    or of another shape."""
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in tensors and not name.endswith("num_batches_tracked")]
    unused = [name for name in tensors if name not in wanted]
    misfit = [name for name in wanted if name in tensors and tensors[name].shape != wanted[name].shape]
    for names, what in (
        (missing, "lacks"),
        (unused, "has, beside what belongs there,"),
        (misfit, "has in another shape"),
    ):
        if names:
            raise EmosymError(
                "model.weights-mismatch",
                f"{who}: {file!r} {what} {some(names)}",
                hint="is it the right file?",
            )
    module.load_state_dict(dict(tensors), strict=False)


def bring(who: str, what: str, file: str, source: str, param: str) -> EmosymError:
    """The one sentence for weights that are not given: which file to bring, and who publishes it."""
    return EmosymError(
        "metric.no-weights",
        f"{who} needs {what}: bring {file}, published {source}",
        hint=f"name the file with the parameter {param}",
    )
