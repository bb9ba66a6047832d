"""The light module stays light, and everything it offers can be loaded."""

from __future__ import annotations

import subprocess
import sys

from emosym_registry import Registry
from pydantic import BaseModel


def test_every_offer_loads(registry: Registry) -> None:
    offers = registry.components()
    assert {offer.qualified.partition("/")[2] for offer in offers} == {
        "open-clip", "image-classifier", "accuracy", "positive-accuracy", "f1", "ece", "confusion", "emo-a", "diversity",
        "clip-score",
    }  # fmt: skip
    assert all(
        issubclass(offer.load_config(), BaseModel) and isinstance(offer.load(), type) for offer in offers
    )


def test_offers_and_configs_import_no_torch() -> None:
    code = """
import sys
import emosym_metrics.plugin, emosym_metrics.config
list(emosym_metrics.plugin.emosym_components())
assert not {"torch", "transformers", "open_clip", "sklearn", "numpy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
