"""A component that an installed plugin offers, and the import of its code."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from emosym_registry.descriptors import ComponentSpec
from emosym_registry.discovery import InstalledPlugin
from emosym_registry.errors import EmosymError, first_line


@dataclass(frozen=True)
class RegisteredComponent:
    """A component and the plugin that offers it."""

    plugin: InstalledPlugin
    spec: ComponentSpec

    @property
    def qualified(self) -> str:
        """``plugin-id/name``, which stays unique whatever else is installed."""
        return f"{self.plugin.id}/{self.spec.name}"

    @property
    def described(self) -> str:
        """``KIND plugin-id/name (package 1.0)``, for messages."""
        return f"{self.spec.kind} {self.qualified} ({self.plugin.package})"

    @property
    def former(self) -> tuple[str, ...]:
        """The qualified names that it had in earlier versions."""
        return tuple(f"{self.plugin.id}/{name}" for name in self.spec.formerly)

    def load(self) -> Any:
        """Import the implementation class; ``plugin.missing-requirement``, ``plugin.missing-target``."""
        if self.spec.requires:
            self._check_requirements()
        return self._import(self.spec.target)

    def load_config(self) -> Any:
        """Import the pydantic model of the parameters (no torch); ``plugin.bad-config`` where it is none."""
        model = self._import(self.spec.config)
        if not (isinstance(model, type) and hasattr(model, "model_validate")):
            raise EmosymError(
                "plugin.bad-config",
                f"{self.spec.kind} {self.qualified}: config {self.spec.config} is no pydantic model",
                hint=f"report it to the authors of {self.plugin.package}",
            )
        return model

    def load_conformance(self) -> Any:
        """Import the conformance suite that the component names."""
        return self._import(self.spec.conformance)

    def _check_requirements(self) -> None:
        from emosym_registry.requirements import unmet

        for requirement in unmet(self.spec.requires):
            raise EmosymError(
                "plugin.missing-requirement",
                f"{self.spec.kind} {self.qualified} {requirement.words}",
                hint=f"pip install {requirement.quoted}",
            )

    def _import(self, target: str) -> Any:
        module, _, name = target.partition(":")
        try:
            return getattr(import_module(module), name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a module may raise anything, and even call sys.exit
            speaks_for_itself = isinstance(error, (ImportError, AttributeError))
            cause = "" if speaks_for_itself else f"{type(error).__name__}: "
            raise EmosymError(
                "plugin.missing-target",
                f"{self.spec.kind} {self.qualified}: {target} cannot be imported: {cause}{first_line(error)}",
                hint=f"reinstall or report {self.plugin.package}",
            ) from error
