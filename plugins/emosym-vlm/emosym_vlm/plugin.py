"""What this plugin offers; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from emosym_registry import API_VERSION, ComponentSpec, PluginInfo, hookimpl


@hookimpl
def emosym_plugin_info() -> PluginInfo:
    return PluginInfo("emosym-vlm", API_VERSION, "Backbones qwen-vl, llava and hf-vlm")


@hookimpl
def emosym_components() -> Iterable[ComponentSpec]:
    return (
        ComponentSpec(
            "backbone",
            "qwen-vl",
            "emosym_vlm.backbones:QwenVL",
            "emosym_vlm.config:QwenVLConfig",
            "Qwen2-VL, Qwen2.5-VL and Qwen3-VL, images at their own size",
            capabilities=("prefix", "text"),
            conformance="emosym_vlm.conformance:QwenVL",
        ),
        ComponentSpec(
            "backbone",
            "llava",
            "emosym_vlm.backbones:Llava",
            "emosym_vlm.config:LlavaConfig",
            "LLaVA 1.5, LLaVA-NeXT and LLaVA-OneVision",
            capabilities=("prefix", "text"),
            conformance="emosym_vlm.conformance:Llava",
        ),
        ComponentSpec(
            "backbone",
            "hf-vlm",
            "emosym_vlm.backbones:HFVLM",
            "emosym_vlm.config:HFVLMConfig",
            "any causal image-text-to-text model of transformers with a chat template (SmolVLM, InternVL, …)",
            capabilities=("prefix", "text"),
            conformance="emosym_vlm.conformance:HFVLM",
        ),
    )
