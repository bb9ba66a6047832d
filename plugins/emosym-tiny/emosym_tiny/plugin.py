"""What this plugin has: components, weights, a preset, a command; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from emosym_registry import API_VERSION, Alias, ComponentSpec, PluginInfo, Preset, hookimpl

WEIGHTS = (
    ("backbone", "qwen-vl", "qwen-vl"),
    ("backbone", "llava", "llava"),
    ("backbone", "hf-vlm", "smolvlm"),
    ("diffusion", "sd", "sd"),
    ("diffusion", "sdxl", "sdxl"),
    ("text_encoder", "open-clip", "clip"),
    ("text_encoder", "sentence", "sentence"),
    ("metric", "clip-score", "clip"),
    ("metric", "diversity", "clip"),
    ("metric", "nearest", "clip"),
    ("metric", "fid", "clip"),
    ("metric", "kid", "clip"),
    ("metric", "sem-d", "clip"),
    ("metric", "sem-c", "judge-resnet"),
    ("metric", "lpips", "judge-resnet"),
    ("judge", "open-clip", "judge-clip"),
    ("judge", "image-classifier", "judge-resnet"),
    ("judge", "probe", "clip"),
)
"""Kind, component and folder of what ``model: tiny`` stands for."""
ORIGIN = {"sentence": "distilled from all-MiniLM-L6-v2 on texts of the embedded world"}
"""Where weights come from that are not trained on the embedded world alone, by folder."""


@hookimpl
def emosym_plugin_info() -> PluginInfo:
    summary = "The embedded default: a rendered world of emotions and small trained weights"
    return PluginInfo("emosym-tiny", API_VERSION, summary)


@hookimpl
def emosym_components() -> Iterable[ComponentSpec]:
    return (
        ComponentSpec(
            "dataset",
            "tiny-world",
            "emosym_tiny.dataset:TinyWorld",
            "emosym_tiny.config:TinyWorldConfig",
            "Rendered pictures of a world whose Bayes accuracy is known",
            conformance="emosym_tiny.conformance:TinyWorld",
        ),
    )


@hookimpl
def emosym_aliases() -> Iterable[Alias]:
    world = "trained on the embedded world"
    return tuple(
        Alias(
            kind,
            component,
            "tiny",
            "emosym_tiny",
            f"weights/{folder}",
            "Apache-2.0",
            ORIGIN.get(folder, world),
        )
        for kind, component, folder in WEIGHTS
    )


@hookimpl
def emosym_presets() -> Iterable[Preset]:
    return (Preset("tiny", "emosym_tiny", "presets/tiny.yaml", "The embedded default, minutes on two cores"),)


@hookimpl
def emosym_commands() -> Iterable[tuple[str, str, str]]:
    return (("data make", "emosym_tiny.command:app", "Write the embedded world to a folder."),)
