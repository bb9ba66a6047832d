"""Checkpoints as the code of EmoSym's authors writes them, read into a system of ours."""

from emosym.official.convert import import_official
from emosym.official.layout import Places

__all__ = ["Places", "import_official"]
