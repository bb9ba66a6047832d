"""Descriptors, hooks and discovery of emosym plugins: all that a plugin's light module imports."""

from emosym_registry.descriptors import API_VERSION, KINDS, Alias, ComponentSpec, PluginInfo, Preset
from emosym_registry.errors import EmosymError, PluginDeprecationWarning, did_you_mean
from emosym_registry.hookspecs import hookimpl
from emosym_registry.lifecycle import Lifecycle
from emosym_registry.loading import load_registry
from emosym_registry.manager import Registry
from emosym_registry.offers import Failure, Offer

__version__ = "0.1.0"

__all__ = [
    "API_VERSION",
    "KINDS",
    "Alias",
    "ComponentSpec",
    "EmosymError",
    "Failure",
    "Lifecycle",
    "Offer",
    "PluginDeprecationWarning",
    "PluginInfo",
    "Preset",
    "Registry",
    "did_you_mean",
    "hookimpl",
    "load_registry",
]
