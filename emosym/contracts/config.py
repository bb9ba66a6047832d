"""The base of every component's parameters; imports no torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ComponentConfig(BaseModel):
    """Parameters of one component: unknown keys are errors, values are frozen."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), use_attribute_docstrings=True
    )

    def needs(self, declared: tuple[str, ...]) -> tuple[str, ...]:
        """What the component needs with these parameters; ``declared`` is what its class and its descriptor say."""
        return declared
