"""A saved system while plugins go, clash and change: it reads a picture, or says in one sentence what to install."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from emosym_registry import EmosymError, InstalledPlugin, Registry, load_registry
from emosym_registry.discovery import discover
from PIL import Image
from safetensors.torch import load_file, save_file

from emosym.experiment.summary import evaluate_run
from emosym.spec import SpecErrors
from emosym.system import System

PICTURE = Image.new("RGB", (64, 64), (90, 140, 200))
RIVAL = """
from emosym_registry import API_VERSION, Alias, ComponentSpec, PluginInfo, hookimpl

@hookimpl
def emosym_plugin_info():
    return PluginInfo("rival", API_VERSION, "offers what others offer")

@hookimpl
def emosym_components():
    yield ComponentSpec("backbone", "qwen-vl", "nowhere:Rival", "nowhere:RivalConfig")

@hookimpl
def emosym_aliases():
    yield Alias("backbone", "qwen-vl", "tiny", "email", "mime")
"""


@pytest.fixture(scope="module")
def reading(run: Path, registry: Registry) -> dict[str, float]:
    """What the system says of a picture with everything installed."""
    return dict(System.load(run, registry=registry, device="cpu").understand([PICTURE])[0].probabilities)


def without(*gone: str, extra: tuple[InstalledPlugin, ...] = ()) -> Registry:
    """What is installed, without some packages."""
    return load_registry(installed=[*(one for one in discover() if one.id not in gone), *extra], strict=True)


def test_understanding_needs_nothing_but_what_reads(run: Path, reading: dict[str, float]) -> None:
    registry = without("emosym-metrics", "emosym-memory", "emosym-data", "emosym-diffusion")
    system = System.load(run, registry=registry, generate=False, device="cpu")
    assert system.understand([PICTURE])[0].probabilities == pytest.approx(reading, abs=1e-6)
    with pytest.raises(EmosymError, match="loaded with generate=False"):
        system.generate("awe")


def test_a_plugin_that_is_gone_is_one_sentence_with_the_version_to_install(run: Path) -> None:
    with pytest.raises(EmosymError) as error:
        System.load(run, registry=without("emosym-vlm"), generate=False, device="cpu")
    assert "backbone 'emosym-vlm/qwen-vl' was saved with emosym-vlm 0.1.0, which is not installed" in str(
        error.value
    )
    assert "pip install emosym-vlm==0.1.0" in str(error.value)


def test_another_plugin_of_the_same_names_changes_nothing(
    run: Path, reading: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rival_plugin.py").write_text(RIVAL)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = without(extra=(InstalledPlugin("rival", "rival_plugin", "rival", "1.0"),))
    system = System.load(run, registry=registry, generate=False, device="cpu")
    assert system.understand([PICTURE])[0].probabilities == pytest.approx(reading, abs=1e-6)


def test_a_default_that_an_upgrade_removed_is_dropped_with_a_note_and_a_written_one_is_an_error(
    run: Path, registry: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "system"
    shutil.copytree(run / "system", folder)
    saved = json.loads((folder / "components.json").read_text())
    saved["backbone"]["version"] = "0.0.9"
    (folder / "components.json").write_text(json.dumps(saved))
    text = (folder / "spec.yaml").read_text()
    (folder / "spec.yaml").write_text(
        text.replace("    padding_side: left\n", "    padding_side: left\n    padded: 3\n")
    )
    system = System.load(folder, registry=registry, generate=False, device="cpu")
    assert any("backbone.params.padded" in message for message in system.resolved.messages)
    saved["backbone"]["written"].append("padded")
    (folder / "components.json").write_text(json.dumps(saved))
    with pytest.raises(EmosymError, match="saved with emosym-vlm 0.0.9, installed 0.1.0"):
        System.load(folder, registry=registry, generate=False, device="cpu")
    system = System.load(
        folder, sets=["backbone.params.padded=null"], registry=registry, generate=False, device="cpu"
    )
    assert len(system.labels) == 8


def misfitting(run: Path, folder: Path, version: str) -> Path:
    """A copy of the saved system whose compressor saved one token less, as ``version``."""
    shutil.copytree(run / "system", folder)
    file, facts = folder / "compressor.safetensors", json.loads((folder / "system.json").read_text())
    tokens = load_file(file)
    name = max(tokens, key=lambda one: tokens[one].numel())
    save_file({**tokens, name: tokens[name][1:].clone()}, file)
    (folder / "system.json").write_text(json.dumps({**facts, "files": {}}))
    saved = json.loads((folder / "components.json").read_text())
    saved["compressor"]["version"] = version
    (folder / "components.json").write_text(json.dumps(saved))
    return folder


@pytest.mark.parametrize(
    ("version", "id", "advice"),
    [
        ("0.0.9", "plugin.other-version", "pip install emosym-reasoning==0.0.9"),
        ("0.1.0", "system.does-not-fit", "pip install --force-reinstall emosym-reasoning==0.1.0 ("),
    ],
)
def test_weights_that_an_upgrade_cannot_take_name_component_and_versions(
    run: Path, registry: Registry, tmp_path: Path, version: str, id: str, advice: str
) -> None:
    folder = misfitting(run, tmp_path / "system", version)
    with pytest.raises(EmosymError) as error:
        System.load(folder, registry=registry, generate=False, device="cpu")
    assert error.value.id == id
    assert error.value.message.startswith("compressor emosym-reasoning/")
    assert f"(emosym-reasoning 0.1.0) does not take the weights that were saved with emosym-reasoning {version} (size mismatch" in error.value.message  # fmt: skip
    assert advice in str(error.value)
    assert "\n" not in error.value.message


def test_the_same_plugin_id_of_another_package_is_refused_unless_somebody_says_so(
    run: Path, reading: dict[str, float], tmp_path: Path
) -> None:
    folder = tmp_path / "system"
    shutil.copytree(run / "system", folder)
    saved = json.loads((folder / "components.json").read_text())
    saved["compressor"] |= {"distribution": "slim-compressor", "version": "5.0"}
    saved["backbone"]["weights"]["distribution"] = "slim-weights"
    (folder / "components.json").write_text(json.dumps(saved))
    with pytest.raises(SpecErrors) as error:
        System.load(folder, registry=without(), generate=False, device="cpu")
    weights, compressor = error.value.problems
    name = saved["compressor"]["name"]
    assert compressor.message.startswith(
        f"compressor {name!r} was saved with slim-compressor 5.0, and here plugin emosym-reasoning comes from "
        "emosym-reasoning 0.1.0: pip uninstall emosym-reasoning, then pip install slim-compressor==5.0"
    )
    assert weights.message.startswith("backbone qwen-vl: model 'emosym-tiny/")
    assert "was saved with slim-weights 0.1.0" in weights.message
    trusted = [one.hint.partition("--set ")[2] for one in (weights, compressor)]
    system = System.load(folder, sets=trusted, registry=without(), generate=False, device="cpu")
    assert system.understand([PICTURE])[0].probabilities == pytest.approx(reading, abs=1e-6)


def test_evaluating_again_needs_no_reward_bank_or_knowledge_of_the_training(
    run: Path, tmp_path: Path
) -> None:
    registry = without("emosym-memory", "emosym-data")
    figures = evaluate_run(
        run,
        registry=registry,
        device="cpu",
        out=tmp_path,
        sets=["metrics=[accuracy]", "evaluation.per_class=2"],
    )
    assert 0 <= figures["understanding"]["accuracy"] <= 1
