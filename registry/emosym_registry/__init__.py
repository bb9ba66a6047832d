"""Descriptors, hooks and discovery of emosym plugins: all that a plugin's light module imports. Names load on first use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
