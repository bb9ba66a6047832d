"""Every component of this plugin keeps the promises of its kind."""

from __future__ import annotations

from emosym_registry import load_registry

from emosym.testing import suite_for

for offer in load_registry().components():
    if offer.plugin.id == "emosym-metrics":
        globals()[f"Test_{offer.spec.kind}_{offer.spec.name}"] = suite_for(offer)
del offer
