"""What the plugin offers: the light side without torch, and what its README shows."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from emosym_registry import EmosymError, load_registry
from emosym_vlm.config import BackboneConfig

README = Path(__file__).parents[1] / "README.md"


def test_all_three_are_offered_and_load():
    registry = load_registry(only=["emosym-vlm"])
    assert [offer.spec.name for offer in registry.components("backbone")] == ["hf-vlm", "llava", "qwen-vl"]
    for offer in registry.components("backbone"):
        assert offer.load_config()().model
        assert issubclass(offer.load(), __import__("emosym.contracts", fromlist=["Backbone"]).Backbone)


def test_offers_and_configs_import_no_torch():
    code = (
        "import sys, emosym_vlm.plugin as p, importlib\n"
        "for spec in p.emosym_components(): getattr(importlib.import_module(spec.config.split(':')[0]), spec.config.split(':')[1])()\n"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def house(tmp_path, monkeypatch):
    """The package that the README shows, on the path."""
    blocks = re.findall(r"```python\n# (house_vlm/\S+)\n(.*?)```", README.read_text(), re.DOTALL)
    assert sum(len(code.splitlines()) for _, code in blocks) < 40
    for name, code in [("house_vlm/__init__.py", ""), *blocks]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("house_vlm.plugin")
    for name in [name for name in sys.modules if name.partition(".")[0] == "house_vlm"]:
        del sys.modules[name]


def test_the_backbone_in_the_readme_reads(house, folder, context, samples, tokens):
    (spec,) = house.emosym_components()
    module, _, name = spec.target.partition(":")
    cls, at_home = getattr(importlib.import_module(module), name), replace(context, component=spec.name)
    config = house.InternVLConfig(model=str(folder("internvl")))
    backbone = cls(config, at_home)
    vectors = tokens(backbone, len(samples))
    with torch.no_grad():
        states = backbone(samples, vectors)
        torch.testing.assert_close(
            backbone.read(backbone.encode(samples), vectors), states, atol=1e-5, rtol=1e-5
        )
    assert any("projector" in name for name in backbone.adapter_targets)
    assert any("magnitude" in name for name in backbone.adapters())
    with pytest.raises(EmosymError, match="internvl takes internvl") as caught:
        cls(house.InternVLConfig(model=str(folder("llava"))), at_home)
    assert caught.value.id == "backbone.wrong-family"


def test_the_readme_lists_every_parameter_and_no_other():
    table = README.read_text().partition("| parameter |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`[a-z_`, ]+) \|", table, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(BackboneConfig.model_fields)
