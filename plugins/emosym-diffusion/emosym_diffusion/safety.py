"""The safety checker that a checkpoint brings, as Stable Diffusion 1.x does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging
from emosym_registry import EmosymError
from torch import Tensor

from emosym.toolkit import quiet, to_image
from emosym_diffusion.config import DiffusionConfig
from emosym_diffusion.folder import WITHOUT_CHECKER, PipelineFolder

_CLASS = "StableDiffusionSafetyChecker"
_FILES = ("safety_checker/config.json", "feature_extractor/preprocessor_config.json")


class SafetyChecker:
    """Flags pictures as diffusers' pipelines do, ``batch`` at a time.

    It is opened at its first use, so that training costs nothing. It is no module: neither a weight of the head that has
    it, nor in its fingerprint, nor moved with it.
    """

    def __init__(self, folder: PipelineFolder, batch: int) -> None:
        self._folder, self._batch = folder, batch

    @classmethod
    def of(
        cls, folder: PipelineFolder, index: Mapping[str, Any], config: DiffusionConfig
    ) -> SafetyChecker | None:
        """The one that ``index`` (``model_index.json``) names, None where it names none or the config leaves it out.

        Errors: ``diffusion.no-safety-checker`` for one that is not in the folder, or of a class that is not known.
        """
        _, named = index.get("safety_checker") or (None, None)
        if named is None or not config.safety_checker:
            return None
        if named != _CLASS:
            raise _lacking(folder, f"a {named}, which is not known here", f"use a model with a {_CLASS}")
        absent = [file for file in _FILES if folder.local is not None and not (folder.local / file).is_file()]
        if absent:
            raise _lacking(folder, f"no file {', '.join(absent)}", "download the model again, whole")
        return cls(folder, config.decode_batch)

    @cached_property
    def _opened(self) -> tuple[Any, Any]:
        """The checker and what makes its input."""
        return self._folder.safety_checker(), self._folder.feature_extractor()

    def __call__(self, pictures: Tensor) -> Tensor:
        """Which of ``pictures`` [B,3,H,W] in [0,1] it flags, [B]; it computes where they lie."""
        return torch.cat([self._flags(chunk) for chunk in pictures.split(self._batch)])

    def _flags(self, pictures: Tensor) -> Tensor:
        model, extractor = self._opened
        device = pictures.device
        pixels = extractor([to_image(one) for one in pictures], return_tensors="pt")["pixel_values"]
        # It blacks out the pictures that it is given and warns of them; both are for whoever asked to decide.
        with quiet(diffusers_logging), torch.autocast(device.type, enabled=False):
            _, flags = model.to(device)(clip_input=pixels.to(device), images=pictures.clone())
        return torch.tensor(flags, device=device)


def _lacking(folder: PipelineFolder, what: str, instead: str) -> EmosymError:
    return EmosymError(
        "diffusion.no-safety-checker",
        f"{folder.path}: its model_index.json names a safety checker, and there is {what}",
        hint=f"{instead}, or {WITHOUT_CHECKER}",
    )
