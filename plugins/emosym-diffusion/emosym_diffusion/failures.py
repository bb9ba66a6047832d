"""What can go wrong while a component loads, as one message that says what and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from emosym_registry import EmosymError
from safetensors import SafetensorError

from emosym.contracts.weights import absent_shards, damaged_files, holds_code, is_torn

LOADING = (
    OSError, ImportError, ValueError, RuntimeError, KeyError, TypeError, EOFError, SafetensorError, UnpicklingError,
)  # fmt: skip
"""What diffusers, transformers, safetensors and torch raise for files that are missing, damaged or of another kind."""


def explained(path: str, component: str, variant: str | None, error: Exception) -> EmosymError:
    """The error to raise in place of ``error``, which came up while ``component`` of the model at ``path`` was read."""
    where, folder = f"{path}/{component}", Path(path) / component
    folder = folder if folder.is_dir() else Path(path)  # An autoencoder may be a folder of its own.
    if holds_code(error):
        return EmosymError(
            "diffusion.unsafe-pickle",
            f"{where}: its weights are a pickle that holds more than tensors, which could run any code; it was not opened",
            hint="take the safetensors version of this model",
        )
    absent = absent_shards(folder, variant)
    if absent:
        return EmosymError(
            "diffusion.missing-shard",
            f"{where}: {some(absent)} {'is' if len(absent) == 1 else 'are'} named by the index but not there",
            hint=f"download the missing files into {component}/",
        )
    damaged = damaged_files(folder)
    if damaged or is_torn(error):
        return EmosymError(
            "diffusion.damaged-weights",
            f"{where}: {some(damaged) or 'a file of weights'} is damaged",
            hint="delete that file and download it again",
        )
    named = f" in variant {variant!r}" if variant else ""
    return EmosymError(
        "diffusion.unreadable-component",
        f"{path}: {component}{named} cannot be loaded: {first_line(error)}",
        hint=f"check the files under {component}/" + (" and the variant" if variant else ""),
    )


def check_complete(where: str, info: Mapping[str, Any]) -> None:
    """Refuse weights that leave a part of the component at random; ``info`` is what its library says of the loading."""
    misfits = sorted(
        f"{name} {list(found)} for {list(wanted)}" for name, found, wanted in info["mismatched_keys"]
    )
    if misfits:
        raise EmosymError(
            "diffusion.weights-mismatch",
            f"{where}: {len(misfits)} weights have another shape than config.json says, such as {misfits[0]}",
            hint="config.json and the weights do not belong together; download both again",
        )
    missing = sorted(info["missing_keys"])
    if missing:
        raise EmosymError(
            "diffusion.incomplete-weights",
            f"{where}: {len(missing)} weights are not in the file, such as {missing[0]}",
            hint="download the component again; its config.json and its weights do not belong together",
        )


def first_line(error: Exception) -> str:
    """What an error says first."""
    return (str(error).strip() or type(error).__name__).partition("\n")[0]


def some(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
