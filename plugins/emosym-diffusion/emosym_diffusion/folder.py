"""A pipeline folder in diffusers' layout (local or on the hub), opened component by component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, DiffusionPipeline, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from diffusers.utils import logging as diffusers_logging
from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from huggingface_hub.constants import is_offline_mode
from pydantic import ValidationError
from transformers import AutoTokenizer, CLIPImageProcessorPil, PretrainedConfig
from transformers.utils import logging as transformers_logging

from emosym.toolkit import LOADING_ERRORS, broken_weights, check_complete, is_hub_id, quiet, refuse_hub_code
from emosym_diffusion.config import SamplingDefaults

DEFAULTS_FILE = "emosym.json"
CHECKER = ("safety_checker", "feature_extractor")
"""The components that look at pictures once they are made."""
WITHOUT_CHECKER = "write diffusion.params.safety_checker: false, and pictures pass no safety filter"
_CONFIGS = {"scheduler": "scheduler_config.json", "tokenizer": None}
"""The config file of a component, where it is not ``config.json``; a tokenizer may have one of several."""


@dataclass(frozen=True)
class PipelineFolder:
    """Where the components of a model are and how to read them. ``path`` is a folder or a hub id."""

    path: str
    variant: str | None = None
    local_files_only: bool = False
    dtype: torch.dtype = torch.float32

    @property
    def local(self) -> Path | None:
        """The folder, None for a hub id."""
        return Path(self.path) if Path(self.path).is_dir() else None

    @property
    def _where(self) -> dict[str, Any]:
        return {"local_files_only": self.local_files_only}

    def require(self, example: str) -> None:
        """Refuse a path that is neither a folder nor can be a hub id; ``example`` is a hub id of the
        family."""
        if self.local is None and not is_hub_id(self.path):
            raise EmosymError(
                "diffusion.missing-model",
                f"{self.path}: neither an alias of an installed plugin, nor a folder, nor a hub id (OWNER/NAME)",
                hint=_download(example),
            )

    def index(self, example: str) -> Mapping[str, Any]:
        """``model_index.json``; empty for a folder without one."""
        if self.local is not None and not (self.local / "model_index.json").is_file():
            return {}
        try:
            return dict(DiffusionPipeline.load_config(self.path, **self._where))
        except (OSError, ValueError) as error:
            if self.local is not None:
                raise EmosymError(
                    "diffusion.unreadable-component",
                    f"{self.path}/model_index.json: {first_line(error)}",
                    hint="download the file again, or remove it: the folders of the components are enough",
                ) from error
            raise self._not_on_the_hub(example, error) from error

    def _not_on_the_hub(self, example: str, error: Exception) -> EmosymError:
        if self.local_files_only or is_offline_mode():
            why = "local_files_only is set" if self.local_files_only else "HF_HUB_OFFLINE is set"
            return EmosymError(
                "diffusion.missing-model",
                f"{self.path}: no folder here, not in the local cache of the hub, and {why}",
                hint=f"where there is a network, {_fetch(self.path)}",
            )
        return EmosymError(
            "diffusion.missing-model",
            f"{self.path}: no folder here, and the hub gave no pipeline of that name ({first_line(error)})",
            hint=_download(example),
        )

    def defaults(self) -> SamplingDefaults:
        """What the folder's ``emosym.json`` says of sampling; nothing without one."""
        file = None if self.local is None else self.local / DEFAULTS_FILE
        if file is None or not file.is_file():
            return SamplingDefaults()
        try:
            return SamplingDefaults.model_validate_json(file.read_bytes())
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors()
            )
            raise EmosymError(
                "diffusion.bad-defaults",
                f"{file}: {problems}",
                hint='{"steps": 20, "guidance_scale": 3.0}, or no file',
            ) from error

    def require_components(self, names: tuple[str, ...], example: str) -> None:
        """Name every component that a local folder lacks."""
        if self.local is None:
            return
        missing = [name for name in names if not (self.local / name).is_dir()]
        if missing:
            raise EmosymError(
                "diffusion.missing-component",
                f"{self.path}: no folder {', '.join(missing)} in this model",
                hint=_download(example),
            )
        for name in names:
            # Without a config, transformers would build another model and fill in what it can.
            file = _CONFIGS.get(name.partition("_")[0], "config.json")
            if file and not (self.local / name / file).is_file():
                raise EmosymError(
                    "diffusion.unreadable-component",
                    f"{self.path}: no file {name}/{file}",
                    hint="download the model again, whole",
                )

    def config(self, component: str, cls: Any) -> dict[str, Any]:
        """A diffusers component's saved config, without its weights."""
        return dict(
            self._read(
                component,
                lambda: cls.load_config(self.path, subfolder=component, **self._where),
            )
        )

    def scheduler_config(self) -> dict[str, Any]:
        """The saved scheduler's config, its class under ``_class_name``."""
        return self.config("scheduler", DDPMScheduler)

    def unet(self) -> Any:
        """The denoiser, a ``UNet2DConditionModel``."""
        return self._weights("unet", lambda: self._diffusers(UNet2DConditionModel, "unet", self.dtype))

    def vae(self) -> Any:
        """The autoencoder, an ``AutoencoderKL``, of a pipeline folder, or of a folder that is an autoencoder
        itself."""
        subfolder = "vae" if self.local is None or (self.local / "vae").is_dir() else None
        config = self._read(
            "vae", lambda: AutoencoderKL.load_config(self.path, subfolder=subfolder, **self._where)
        )
        # SDXL's autoencoder overflows in half precision; those that do not say force_upcast: false.
        overflows = self.dtype == torch.float16 and config.get("force_upcast", True)
        dtype = torch.float32 if overflows else self.dtype
        return self._weights("vae", lambda: self._diffusers(AutoencoderKL, subfolder, dtype))

    def text_encoder(self, component: str, cls: Any) -> Any:
        """The text encoder in the subfolder ``component``, of the transformers class ``cls``; pickles are
        opened for tensors alone."""
        return self._transformers(cls, component, self.dtype)

    def safety_checker(self) -> Any:
        """The ``StableDiffusionSafetyChecker``, opened as text encoders are; float32, since half precision would round the
        cosines and thresholds that it compares."""
        return self._transformers(StableDiffusionSafetyChecker, "safety_checker", torch.float32).eval()

    def feature_extractor(self) -> Any:
        """What makes the safety checker's input of pictures; with Pillow, so that it needs no torchvision."""

        def load() -> Any:
            return CLIPImageProcessorPil.from_pretrained(
                self.path, subfolder="feature_extractor", **self._where
            )

        return self._read("feature_extractor", load)

    def refuse_code(self, component: str) -> None:
        """Refuse a component of transformers whose config.json names code of the hub."""
        described, _ = self._read(
            component,
            lambda: PretrainedConfig.get_config_dict(self.path, subfolder=component, **self._where),
        )
        refuse_hub_code("diffusion", f"{self.path}/{component}", described)

    def tokenizer(self, component: str) -> Any:
        """The tokenizer in the subfolder ``component``; code of its own never runs."""

        def load() -> Any:
            return AutoTokenizer.from_pretrained(
                self.path, subfolder=component, trust_remote_code=False, **self._where
            )

        return self._read(component, load)

    def _transformers(self, cls: Any, component: str, dtype: torch.dtype) -> Any:
        self.refuse_code(component)
        options = {"subfolder": component, "dtype": dtype, "weights_only": True}
        return self._weights(component, lambda: self._open(cls, **options))

    def _diffusers(self, cls: Any, subfolder: str | None, dtype: torch.dtype) -> Any:
        # diffusers opens pickles for tensors alone.
        return self._open(cls, subfolder=subfolder, torch_dtype=dtype, low_cpu_mem_usage=False)

    def _open(self, cls: Any, **options: Any) -> Any:
        with quiet(transformers_logging, diffusers_logging):
            return cls.from_pretrained(
                self.path,
                variant=self.variant,
                ignore_mismatched_sizes=True,  # check_complete refuses them, with their names.
                output_loading_info=True,
                **self._where,
                **options,
            )

    def _weights(self, component: str, load: Any) -> Any:
        """Load weights; files that leave some of them at random are refused."""
        model, info = self._read(component, load)
        check_complete("diffusion", f"{self.path}/{component}", info)
        return model

    def _read(self, component: str, load: Any) -> Any:
        try:
            return load()
        except LOADING_ERRORS as error:
            raise self._explained(component, error) from error

    def _explained(self, component: str, error: Exception) -> EmosymError:
        folder = Path(self.path) / component
        folder = folder if folder.is_dir() else Path(self.path)  # An autoencoder may be a folder of its own.
        named = f" in variant {self.variant!r}" if self.variant else ""
        return broken_weights(
            "diffusion", f"{self.path}/{component}", folder, error, self.variant
        ) or EmosymError(
            "diffusion.unreadable-component",
            f"{self.path}: {component}{named} cannot be loaded: {first_line(error)}",
            hint=f"check the files under {component}/"
            + (" and the variant" if self.variant else "")
            + (f", or {WITHOUT_CHECKER}" if component in CHECKER else ""),
        )


def _download(example: str) -> str:
    return f"{_fetch(example)}, or model: tiny for the embedded one"


def _fetch(hub_id: str) -> str:
    folder = f"models/{hub_id.rpartition('/')[2]}"
    return f"get it with `hf download {hub_id} --local-dir {folder}` and write model: {folder}"
