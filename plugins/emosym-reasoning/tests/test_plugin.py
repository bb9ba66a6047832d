"""What the plugin has is there, documented, and light to list."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from emosym_reasoning.plugin import emosym_components
from pydantic import ValidationError

from emosym.contracts import (
    ComponentConfig,
    EmotionSpace,
    Fusion,
    ReasoningCompressor,
    Reinforcer,
    RewardVerifier,
)

BASES = {
    "compressor": ReasoningCompressor,
    "reward": RewardVerifier,
    "reinforcer": Reinforcer,
    "fusion": Fusion,
    "emotion_space": EmotionSpace,
}
SPECS = list(emosym_components())


def resolve(target):
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.kind}-{spec.name}")
def test_every_name_is_a_complete_component_with_documented_parameters(spec, context):
    config = resolve(spec.config)
    assert issubclass(config, ComponentConfig)
    assert all(field.description for field in config.model_fields.values())
    with pytest.raises(ValidationError, match="nonsense"):
        config(nonsense=1)
    component = resolve(spec.target)(config(), context)
    assert isinstance(component, BASES[spec.kind])
    assert component.config == config()
    assert component.context is context


def test_listing_components_and_their_parameters_imports_no_torch():
    code = (
        "import sys, emosym_reasoning.plugin as p, emosym_reasoning.config; list(p.emosym_components());"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_classes_and_descriptors_agree_on_what_must_be_beside_a_component():
    for spec in SPECS:
        assert set(resolve(spec.target).needs) == set(spec.needs), spec.name
