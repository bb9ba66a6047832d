"""YAML → line-aware validation → resolved spec. Imports no torch, not even indirectly."""

from emosym.spec.errors import Problem, SpecErrors
from emosym.spec.explain import Deviation, Row, deviations, explain
from emosym.spec.model import Spec
from emosym.spec.nodes import Origin
from emosym.spec.resolved import Resolved, check_preset, load_spec, plugins_only, spec_name
from emosym.spec.resumed import begun_with, load_again
from emosym.spec.saved import read_saved
from emosym.spec.schema import schema

__all__ = [
    "Deviation",
    "Origin",
    "Problem",
    "Resolved",
    "Row",
    "Spec",
    "SpecErrors",
    "begun_with",
    "check_preset",
    "deviations",
    "explain",
    "load_again",
    "load_spec",
    "plugins_only",
    "read_saved",
    "schema",
    "spec_name",
]
