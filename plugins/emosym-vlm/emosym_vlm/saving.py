"""A model as a folder that transformers, and so any program, reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from emosym_registry import EmosymError
from safetensors import SafetensorError
from transformers import PreTrainedModel, ProcessorMixin

from emosym.toolkit import written_whole


def check_mergeable(quantization: str) -> None:
    """Refuse to round what an adapter learnt to the steps of a quantized weight."""
    if quantization != "none":
        raise EmosymError(
            "backbone.quantized-merge",
            f"adapters cannot be merged into {quantization} weights without losing what they learnt",
            hint="load the system with backbone.params.quantization=none and merge there",
        )


def save_model(
    model: PreTrainedModel, processor: ProcessorMixin, folder: Path, adapters: Sequence[str]
) -> Path:
    """Write both to ``folder``, which must not be there yet; it appears whole or not at all."""
    if adapters:
        raise EmosymError(
            "backbone.unmerged-adapters",
            f"the model has {len(adapters)} adapter tensors, which a stock folder does not hold",
            hint="call merge() first to keep what they learnt, or unload() to drop it",
        )
    if folder.exists():
        raise EmosymError(
            "backbone.folder-exists", f"{folder} exists", hint="choose a new folder, or remove it"
        )
    with written_whole(folder) as partial:
        partial.mkdir()
        try:
            model.save_pretrained(partial)
            processor.save_pretrained(partial)
        except SafetensorError as error:
            raise OSError(str(error)) from error  # its own type hides what the system said
    return folder
