"""What the plugin offers: the light side without torch, and what its README shows."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from emosym_registry import EmosymError, load_registry
from emosym_vlm import BackboneConfig, HFVLMConfig

from emosym.cli import main
from emosym.contracts import Backbone

README = Path(__file__).parents[1] / "README.md"


def test_all_three_are_offered_and_load():
    registry = load_registry(only=["emosym-vlm"])
    registered = registry.components("backbone")
    assert [component.spec.name for component in registered] == ["hf-vlm", "llava", "qwen-vl"]
    for component in registered:
        assert component.load_config()().model
        assert issubclass(component.load(), Backbone)


def test_offers_and_configs_import_no_torch():
    code = (
        "import sys, emosym_vlm, emosym_vlm.plugin as plugin, pkgutil\n"
        "for spec in plugin.emosym_components(): pkgutil.resolve_name(spec.config)()\n"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def house(tmp_path):
    """The folder of the package that the README shows."""
    shown = r"^`(house-vlm/\S+)`[^\n]*:\n\n```\w+\n(.*?)^```$"
    blocks = re.findall(shown, README.read_text(), re.DOTALL | re.MULTILINE)
    assert [Path(name).suffix for name, _ in blocks] == [".toml", ".py", ".py", ".py", ".py"]
    assert sum(len(code.splitlines()) for name, code in blocks if name.endswith(".py")) < 45
    for name, code in blocks:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(code)
    return tmp_path / "house-vlm"


@pytest.fixture
def importable(house, monkeypatch):
    """The package on the path."""
    monkeypatch.syspath_prepend(house)
    yield importlib.import_module("house_vlm")
    for name in [name for name in sys.modules if name.partition(".")[0] == "house_vlm"]:
        del sys.modules[name]


def test_the_backbone_in_the_readme_reads(importable, folder, context, samples, tokens):
    (spec,) = importable.emosym_components()
    at_home = replace(context, component=spec.name)
    cls, config = (
        getattr(importlib.import_module(module), name)
        for module, _, name in (where.partition(":") for where in (spec.target, spec.config))
    )
    backbone = cls(config(model=str(folder("idefics3"))), at_home)
    vectors = tokens(backbone, len(samples))
    with torch.no_grad():
        states = backbone(samples, vectors)
        torch.testing.assert_close(
            backbone.read(backbone.encode(samples), vectors), states, atol=1e-5, rtol=1e-5
        )
    assert any("connector" in name for name in backbone.adapter_targets)
    assert any("magnitude" in name for name in backbone.adapters())
    with pytest.raises(EmosymError, match="idefics3 takes idefics3") as caught:
        cls(config(model=str(folder("llava"))), at_home)
    assert caught.value.id == "backbone.wrong-family"


def test_the_plugin_in_the_readme_is_listed_without_pydantic(house):
    code = (
        "import sys, house_vlm; list(house_vlm.emosym_components())\n"
        "assert not {'torch', 'transformers', 'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=house, check=True)


def test_the_command_in_the_readme_holds_the_plugin_to_the_contract(house, capsys, monkeypatch):
    (command,) = re.findall(r"`emosym (plugins check [^`]*house-vlm)`", README.read_text())
    monkeypatch.chdir(house.parent)
    assert main([*command.split(), "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert len(results) > 20
    assert {result["outcome"] for result in results} <= {"passed", "not applicable"}
    assert {result["component"] for result in results} == {"plugin house-vlm", "backbone house-vlm/idefics3"}


def test_the_readme_lists_every_parameter_and_no_other():
    table = README.read_text().partition("| parameter |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`[a-z_`, ]+) \|", table, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(BackboneConfig.model_fields) | set(HFVLMConfig.model_fields)
