"""The base of every component's parameters; imports no torch."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from emosym.contracts.labels import LabelSet


class ComponentConfig(BaseModel):
    """Parameters of one component: unknown keys are errors, values are frozen."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), use_attribute_docstrings=True
    )

    hub_models: ClassVar[bool] = False
    """Whether ``model`` is an alias, a folder or ``OWNER/NAME`` of the hub: any other word is then refused with the spec."""

    def needs(self, declared: tuple[str, ...]) -> tuple[str, ...]:
        """What must stand beside a component with these parameters, of what its descriptor ``declared``."""
        return declared

    def check_labels(self, labels: LabelSet) -> None:
        """Refuse labels that the component does not fit, with an :class:`EmosymError`: with the spec, before anything is
        loaded."""

    @classmethod
    def migrate(cls, params: dict[str, Any], version: str) -> dict[str, Any]:
        """Parameters that ``version`` of the component's package saved, as this version takes them."""
        return params
