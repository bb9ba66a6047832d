"""What this plugin offers; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from emosym_registry import API_VERSION, ComponentSpec, PluginInfo, hookimpl


@hookimpl
def emosym_plugin_info() -> PluginInfo:
    return PluginInfo("emosym-official", API_VERSION, "Checkpoints of the EmoSym authors' code as systems")


@hookimpl
def emosym_components() -> Iterable[ComponentSpec]:
    target, config = "emosym_official.fusion:OfficialFusion", "emosym_official.config:OfficialFusionConfig"
    yield ComponentSpec("fusion", "official", target, config, "M_e(e) + M_c(c) as the authors' code has it")


@hookimpl
def emosym_commands() -> Iterable[tuple[str, str, str]]:
    yield (
        "import",
        "emosym_official.command:app",
        "Bring trained weights of other programs into a saved system.",
    )
