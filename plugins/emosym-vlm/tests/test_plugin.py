"""The light side: offers and parameters without torch."""

from __future__ import annotations

import subprocess
import sys

from emosym_registry import load_registry


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
