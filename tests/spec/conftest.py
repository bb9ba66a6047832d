"""A plugin of its own with a component of every kind that a spec needs, and a spec that uses them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from emosym_registry import InstalledPlugin, Registry, load_registry

from emosym.spec import Resolved, SpecErrors, load_spec

CONFIG = """
from typing import Literal
from pydantic import Field, model_validator
from emosym.contracts import ComponentConfig


class Adapter(ComponentConfig):
    type: Literal["lora", "none"] = "lora"
    rank: int = Field(default=8, ge=1)


class Qwen(ComponentConfig):
    model: str = "tiny"
    adapter: Adapter = Adapter()
    pixels: int = 512


class Llava(ComponentConfig):
    model: str = "tiny"
    adapter: Adapter = Adapter()


class Tiny(ComponentConfig):
    train: int = Field(default=100, ge=1)
    test: int = 10


class Folder(ComponentConfig):
    root: str


class Nothing(ComponentConfig):
    level: float = 0.5


class Bounds(ComponentConfig):
    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _ordered(self):
        if self.low > self.high:
            raise ValueError("expected low to be at most high")
        return self
"""
PLUGIN = """
from emosym_registry import API_VERSION, ComponentSpec, PluginInfo, Preset, hookimpl

COMPONENTS = {
    ("backbone", "qwen-vl"): "Qwen", ("backbone", "llava"): "Llava", ("dataset", "tiny-world"): "Tiny",
    ("dataset", "folder"): "Folder", ("compressor", "contrastive"): "Nothing", ("reward", "label"): "Nothing",
    ("reward", "wheel"): "Bounds", ("reinforcer", "grpo"): "Nothing", ("fusion", "additive"): "Nothing",
    ("emotion_space", "gaussian"): "Nothing", ("diffusion", "sd"): "Nothing", ("memory", "sql"): "Nothing",
    ("judge", "one"): "Nothing", ("judge", "two"): "Nothing", ("knowledge", "annotations"): "Nothing",
    ("text_encoder", "clip"): "Nothing", ("metric", "accuracy"): "Nothing",
}


@hookimpl
def emosym_plugin_info():
    return PluginInfo("spec-example", API_VERSION, "For tests")


@hookimpl
def emosym_components():
    for (kind, name), config in COMPONENTS.items():
        yield ComponentSpec(kind, name, "spec_example.missing:Nowhere", f"spec_example.config:{config}")
    yield ComponentSpec("metric", "emo-a", "spec_example.missing:Nowhere", "spec_example.config:Nothing",
                        needs=("judge",))


@hookimpl
def emosym_presets():
    yield Preset("base", "spec_example", "base.yaml", "For tests")
"""
BASE = """\
emosym: 1
name: base
seed: 7
data: {name: tiny-world, params: {train: 40}}
knowledge: annotations
text_encoder: clip
backbone: {name: qwen-vl, params: {model: tiny, pixels: 64, adapter: {type: lora, rank: 4}}}
compressor: contrastive
rewards:
  - {name: label, weight: 0.6}
  - wheel
reinforcer: grpo
fusion: additive
emotion_space: gaussian
diffusion: sd
memory: sql
judges: {bank: two, evaluate: one}
metrics: [accuracy]
"""


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with only the plugin of this file."""
    root = tmp_path_factory.mktemp("plugin")
    package = root / "spec_example"
    package.mkdir()
    for name, text in {
        "__init__.py": "",
        "config.py": CONFIG,
        "plugin.py": PLUGIN,
        "base.yaml": BASE,
    }.items():
        (package / name).write_text(text)
    sys.path.insert(0, str(root))
    yield load_registry(
        installed=[InstalledPlugin("spec-example", "spec_example.plugin", "spec-example", "1.0")], strict=True
    )
    sys.path.remove(str(root))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file into the test's folder."""

    def write(text: str | bytes, name: str = "spec.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        return path

    return write


@pytest.fixture
def load(registry: Registry, write: Callable[..., Path]) -> Callable[..., Resolved]:
    """Load a spec from its text; by default it extends the preset ``base``."""

    def load(text: str = "emosym: 1\nextends: preset:base\n", sets: tuple[str, ...] = ()) -> Resolved:
        return load_spec(write(text), registry=registry, sets=sets)

    return load


@pytest.fixture
def problems(load: Callable[..., Resolved], tmp_path: Path) -> Callable[..., list[str]]:
    """The messages of a spec that must be refused, without the folder."""

    def problems(*args: Any, **kwargs: Any) -> list[str]:
        with pytest.raises(SpecErrors) as caught:
            load(*args, **kwargs)
        assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
        return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return problems
