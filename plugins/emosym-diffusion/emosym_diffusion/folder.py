"""A pipeline folder in diffusers' layout (local or on the hub), opened component by component."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, DiffusionPipeline, UNet2DConditionModel
from emosym_registry import EmosymError
from pydantic import ValidationError
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from emosym_diffusion.config import SamplingDefaults

DEFAULTS_FILE = "emosym.json"
_HUB_ID = re.compile(r"^[\w-][\w.-]*(/[\w-][\w.-]*)?$")


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
        """Refuse a path that is neither a folder nor can be a hub id; ``example`` is a hub id of the family."""
        if self.local is None and not _HUB_ID.match(self.path):
            raise EmosymError(
                "diffusion.missing-model",
                f"{self.path}: no such folder, and not a hub id either",
                hint=_download(example),
            )

    def index(self, example: str) -> Mapping[str, Any]:
        """``model_index.json``; empty for a folder without one."""
        if self.local is not None and not (self.local / "model_index.json").is_file():
            return {}
        try:
            return dict(DiffusionPipeline.load_config(self.path, **self._where))
        except (OSError, ValueError) as error:
            raise EmosymError(
                "diffusion.missing-model",
                f"{self.path}: no folder here, and the hub gave no pipeline of that name ({_first_line(error)})",
                hint=_download(example),
            ) from error

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

    def unet(self) -> UNet2DConditionModel:
        return self._weights("unet", lambda: self._diffusers(UNet2DConditionModel, "unet", self.dtype))

    def vae(self) -> AutoencoderKL:
        """The autoencoder of a pipeline folder, or of a folder that is an autoencoder itself."""
        subfolder = "vae" if self.local is None or (self.local / "vae").is_dir() else None
        config = self._read(
            "vae", lambda: AutoencoderKL.load_config(self.path, subfolder=subfolder, **self._where)
        )
        # SDXL's autoencoder overflows in half precision; those that do not say force_upcast: false.
        overflows = self.dtype == torch.float16 and config.get("force_upcast", True)
        dtype = torch.float32 if overflows else self.dtype
        return self._weights("vae", lambda: self._diffusers(AutoencoderKL, subfolder, dtype))

    def text_encoder(self, component: str, cls: Any) -> Any:
        def load() -> Any:
            with _no_progress_bar():
                return cls.from_pretrained(
                    self.path,
                    subfolder=component,
                    variant=self.variant,
                    dtype=self.dtype,
                    **self._where,
                    output_loading_info=True,
                )

        return self._weights(component, load)

    def tokenizer(self, component: str) -> Any:
        return self._read(
            component,
            lambda: AutoTokenizer.from_pretrained(self.path, subfolder=component, **self._where),
        )

    def _diffusers(self, cls: Any, subfolder: str | None, dtype: torch.dtype) -> Any:
        return cls.from_pretrained(
            self.path,
            subfolder=subfolder,
            variant=self.variant,
            torch_dtype=dtype,
            **self._where,
            low_cpu_mem_usage=False,
            output_loading_info=True,
        )

    def _weights(self, component: str, load: Any) -> Any:
        """Load weights and refuse a file that leaves some of them at random."""
        model, info = self._read(component, load)
        if info["missing_keys"]:
            missing = sorted(info["missing_keys"])
            raise EmosymError(
                "diffusion.incomplete-weights",
                f"{self.path}/{component}: {len(missing)} weights are not in the file, such as {missing[0]}",
                hint="download the component again; its config.json and its weights do not belong together",
            )
        return model

    def _read(self, component: str, load: Any) -> Any:
        try:
            return load()
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            variant = f" in variant {self.variant!r}" if self.variant else ""
            raise EmosymError(
                "diffusion.unreadable-component",
                f"{self.path}: {component}{variant} cannot be loaded: {_first_line(error)}",
                hint=f"check the files under {component}/" + (" and the variant" if self.variant else ""),
            ) from error


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """A run has its own progress; transformers' bar for each part of a model would bury it."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _download(example: str) -> str:
    name = example.rpartition("/")[2]
    return (
        f"get one with `hf download {example} --local-dir models/{name}` and write model: models/{name}, "
        "or model: tiny for the embedded one"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
