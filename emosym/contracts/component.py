"""What every component is: built from its validated parameters and from what the run tells it."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar, Generic

from typing_extensions import TypeVar

from emosym.contracts.config import ComponentConfig
from emosym.contracts.context import Context

ConfigT = TypeVar("ConfigT", bound=ComponentConfig, default=ComponentConfig)
"""The config model of a component, as in ``class Mine(RewardVerifier[MineConfig])``."""


class Component(ABC, Generic[ConfigT]):
    """Built as ``Class(config, context)`` and keeps both.

    Raise :class:`EmosymError` in ``__init__`` for what a user can mend, such as labels that do not fit. Start weights from
    ``context.seed``, never from the global generators.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    """What must stand beside it, as its ``ComponentSpec`` says too: ``labels``, ``attributes``, ``knowledge``,
    ``text_encoder``, ``judge``, ``diffusion``, ``rewards``. It is checked before anything is loaded."""
    attribute_keys: ClassVar[tuple[str, ...]] = ()
    """Where it needs ``attributes``: keys of ``Sample.attributes``; at least one training image must have one of them."""

    config: ConfigT
    """Its parameters, validated."""
    context: Context
    """What the run tells it."""

    def __init__(self, config: ConfigT, context: Context) -> None:
        super().__init__()
        self.config = config
        self.context = context
