"""A reward for emosym: a bright picture should feel positive, a dark one negative."""

from emosym_registry import ComponentSpec, PluginInfo, hookimpl


@hookimpl
def emosym_plugin_info():
    return PluginInfo("emosym-brightness", "1.0", "A reward from annotated brightness")


@hookimpl
def emosym_components():
    target, config = "emosym_brightness.reward:Brightness", "emosym_brightness.config:BrightnessConfig"
    yield ComponentSpec("reward", "brightness", target, config, needs=("attributes",))
