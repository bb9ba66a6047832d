"""Diffusion heads sd and sdxl, and the base to make others of. Names load on first use: this imports no torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
