"""YAML → line-aware validation → resolved spec. Imports no torch, not even indirectly."""

from emosym.spec.errors import Problem, SpecErrors
from emosym.spec.explain import Deviation, Row, deviations, explain
from emosym.spec.model import Spec
from emosym.spec.nodes import Origin
from emosym.spec.resolved import Resolved, check_preset, load_spec, plugins_only
from emosym.spec.saved import SavedComponent
from emosym.spec.schema import schema

__all__ = [
    "Deviation",
    "Origin",
    "Problem",
    "Resolved",
    "Row",
    "SavedComponent",
    "Spec",
    "SpecErrors",
    "check_preset",
    "deviations",
    "explain",
    "load_spec",
    "plugins_only",
    "schema",
]
