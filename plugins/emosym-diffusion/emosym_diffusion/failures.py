"""What can go wrong while a component loads, as one message that says what and what to do."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from safetensors import SafetensorError

from emosym.toolkit.weights import absent_shards, damaged_files, holds_code, is_torn, some

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
