"""Every component of this plugin keeps the promises of its kind."""

from __future__ import annotations

from emosym_metrics.conformance import DiversityByClip as TestDiversityByClip  # noqa: F401
from emosym_registry import load_registry

from emosym.testing import suite_for

for component in load_registry().components():
    if component.plugin.id == "emosym-metrics":
        globals()[f"Test_{component.spec.kind}_{component.spec.name}"] = suite_for(component)
del component
