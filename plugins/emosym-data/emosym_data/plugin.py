"""What this plugin offers; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from emosym_registry import API_VERSION, ComponentSpec, PluginInfo, hookimpl


@hookimpl
def emosym_plugin_info() -> PluginInfo:
    return PluginInfo("emosym-data", API_VERSION, "Datasets emoset, image-folder and hf; knowledge annotations and jsonl")


@hookimpl
def emosym_components() -> Iterable[ComponentSpec]:
    return ()
