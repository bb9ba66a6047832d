"""Checkpoints as the code of EmoSym's authors writes them, read into a system of ours."""

from emosym_official.convert import import_official
from emosym_official.layout import Places

__all__ = ["Places", "import_official"]
