"""Descriptors, hooks and discovery of emosym plugins: all that a plugin's light module imports."""

from emosym_registry.components import RegisteredComponent
from emosym_registry.descriptors import (
    API_VERSION,
    CAPABILITIES,
    KINDS,
    NEEDS,
    Alias,
    Cards,
    ComponentSpec,
    PluginInfo,
    Preset,
)
from emosym_registry.discovery import InstalledPlugin
from emosym_registry.errors import EmosymError, PluginDeprecationWarning, did_you_mean
from emosym_registry.hookspecs import hookimpl
from emosym_registry.lifecycle import Lifecycle
from emosym_registry.loading import load_registry
from emosym_registry.plugins import Failure, LoadedPlugin
from emosym_registry.registry import Registry

__version__ = "0.1.0"

__all__ = [
    "API_VERSION",
    "CAPABILITIES",
    "KINDS",
    "NEEDS",
    "Alias",
    "Cards",
    "ComponentSpec",
    "EmosymError",
    "Failure",
    "InstalledPlugin",
    "Lifecycle",
    "LoadedPlugin",
    "PluginDeprecationWarning",
    "PluginInfo",
    "Preset",
    "RegisteredComponent",
    "Registry",
    "did_you_mean",
    "hookimpl",
    "load_registry",
]
