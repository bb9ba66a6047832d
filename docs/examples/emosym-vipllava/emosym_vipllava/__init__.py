"""A backbone for emosym: ViP-LLaVA (Cai et al., CVPR 2024)."""

from emosym_registry import ComponentSpec, PluginInfo, hookimpl


@hookimpl
def emosym_plugin_info():
    return PluginInfo("emosym-vipllava", "1.0", "Backbone vipllava")


@hookimpl
def emosym_components():
    target, config = "emosym_vipllava.backbone:VipLlava", "emosym_vlm:LlavaConfig"
    check = "emosym_vipllava.conformance:Check"
    yield ComponentSpec("backbone", "vipllava", target, config, capabilities=("prefix",), conformance=check)
