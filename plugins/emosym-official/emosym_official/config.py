"""Parameters of the fusion; imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from emosym.contracts import ComponentConfig


class OfficialFusionConfig(ComponentConfig):
    """The two mappers of the authors' code."""

    hidden: int = Field(default=1024, ge=1)
    """Width of both hidden layers."""
    context: Literal["mean", "flatten"] = "mean"
    """How K context states enter: their mean, or one after the other."""
