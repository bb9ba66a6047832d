"""Descriptors of the heads; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from emosym_registry import API_VERSION, ComponentSpec, PluginInfo, hookimpl


@hookimpl
def emosym_plugin_info() -> PluginInfo:
    return PluginInfo("emosym-diffusion", API_VERSION, "Diffusion heads sd and sdxl")


@hookimpl
def emosym_components() -> Iterable[ComponentSpec]:
    return (
        ComponentSpec(
            "diffusion",
            "sd",
            target="emosym_diffusion.sd:StableDiffusion",
            config="emosym_diffusion.config:StableDiffusionConfig",
            summary="Stable Diffusion 1.x and 2.x: one CLIP text encoder",
            capabilities=("text",),
            conformance="emosym_diffusion.conformance:StableDiffusion",
        ),
        ComponentSpec(
            "diffusion",
            "sdxl",
            target="emosym_diffusion.sdxl:StableDiffusionXL",
            config="emosym_diffusion.config:StableDiffusionXLConfig",
            summary="Stable Diffusion XL base: two CLIP text encoders, pooled text and picture sizes",
            capabilities=("text",),
            conformance="emosym_diffusion.conformance:StableDiffusionXL",
        ),
    )
