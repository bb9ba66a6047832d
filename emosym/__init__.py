"""Unified emotional understanding and generation by latent reasoning."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["System", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name == "System":
        from emosym.system import System

        return System
    if name == "load":
        from emosym.system import System

        return System.load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
