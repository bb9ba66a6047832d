"""The light module stays light, and every component can be loaded."""

from __future__ import annotations

import subprocess
import sys

from emosym_registry import Registry
from pydantic import BaseModel


def test_every_component_loads(registry: Registry) -> None:
    components = registry.components()
    names = {component.qualified.partition("/")[2] for component in components}
    assert names >= {"open-clip", "image-classifier", "accuracy", "emo-a", "clip-score", "vote-distance"}
    assert all(issubclass(component.load_config(), BaseModel) for component in components)
    assert all(isinstance(component.load(), type) for component in components)


def test_descriptors_and_configs_import_no_torch() -> None:
    code = """
import sys
import emosym_metrics.plugin, emosym_metrics.config
list(emosym_metrics.plugin.emosym_components())
assert not {"torch", "transformers", "open_clip", "sklearn", "numpy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
