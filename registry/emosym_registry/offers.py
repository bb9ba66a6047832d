"""A component that is offered, and why a plugin is not there."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosym_registry.descriptors import ComponentSpec
from emosym_registry.discovery import Found
from emosym_registry.errors import EmosymError, first_line


@dataclass(frozen=True)
class Failure:
    """What went wrong with a plugin, and what to do.

    ``stage``: discover, import, register, spec or version, which leave the plugin out; ``run`` is a lifecycle hook that
    raised, which leaves the plugin in.
    """

    plugin: Found
    stage: str
    cause: str
    hint: str
    error: BaseException | None = None

    def __str__(self) -> str:
        return f"plugin {self.plugin.id} ({self.plugin.distribution} {self.plugin.version}) failed at {self.stage}: {self.cause}"


@dataclass(frozen=True)
class Offer:
    """A component and the plugin that offers it."""

    plugin: Found
    spec: ComponentSpec

    @property
    def qualified(self) -> str:
        return f"{self.plugin.id}/{self.spec.name}"

    def load(self) -> Any:
        """Import the implementation class."""
        if self.spec.requires:
            self._check_requirements()
        return self._import(self.spec.target)

    def load_config(self) -> Any:
        """Import the pydantic model of the component's parameters (no torch)."""
        model = self._import(self.spec.config)
        if not (isinstance(model, type) and hasattr(model, "model_validate")):
            raise EmosymError(
                "plugin.bad-config",
                f"{self.spec.kind} {self.qualified}: config {self.spec.config} is no pydantic model",
                hint=f"report it to the authors of {self.plugin.distribution} {self.plugin.version}",
            )
        return model

    def load_conformance(self) -> Any:
        """Import the conformance suite that the component names."""
        return self._import(self.spec.conformance)

    def _check_requirements(self) -> None:
        from emosym_registry.requirements import unmet

        for clash in unmet(self.spec.requires):
            raise EmosymError(
                "plugin.missing-requirement",
                f"{self.spec.kind} {self.qualified} {clash.words}",
                hint=f"pip install {clash.quoted}",
            )

    def _import(self, target: str) -> Any:
        module, _, name = target.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a module may raise anything, and even call sys.exit
            raise EmosymError(
                "plugin.missing-target",
                f"{self.spec.kind} {self.qualified}: {target} cannot be imported: {_said(error)}",
                hint=f"reinstall or report {self.plugin.distribution} {self.plugin.version}",
            ) from error


def _said(error: BaseException) -> str:
    """An import error speaks for itself; of anything else its type matters too."""
    plain = isinstance(error, (ImportError, AttributeError))
    return first_line(error) if plain else f"{type(error).__name__}: {first_line(error)}"


def package_path(package: str) -> Path:
    """The folder of an importable package, without importing the package itself."""
    try:
        spec = importlib.util.find_spec(package)
    except ImportError:  # the package that should hold it
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise EmosymError("plugin.missing-package", f"package {package!r} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))
