"""The presets that emosym brings, beside those of plugins; what a spec says when it extends one, and what is wrong with one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from emosym_registry import EmosymError, Preset, Registry

from emosym.spec import Resolved, check_preset, load_spec
from emosym.spec.layers import BUILT_IN, preset_file, preset_names

Write = Callable[..., Path]
Load = Callable[..., Resolved]


@pytest.fixture
def offering(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the plugin of the tests offer another preset, from text."""

    def offering(name: str, text: str) -> None:
        plugin = registry.plugins["spec-example"]
        file = Path(registry.preset("base")).with_name(f"{name}.yaml")
        file.write_text(text)
        presets = (*plugin.presets, Preset(name, "spec_example", file.name, "For tests"))
        monkeypatch.setitem(
            registry.plugins, "spec-example", type(plugin)(**{**vars(plugin), "presets": presets})
        )

    return offering


def test_built_in_names_come_first_and_a_plugins_own_are_reached_by_its_id(
    registry: Registry, offering: Callable[..., None]
) -> None:
    base = registry.preset("base")
    offering("paper", base.read_text())
    assert preset_file("paper", registry) == BUILT_IN["paper"]
    assert preset_file("spec-example/paper", registry) == base.with_name("paper.yaml")
    assert load_spec("preset:spec-example/paper", registry=registry).spec.name == "base"
    assert preset_names(registry) == ["paper", "official", "emosym", "base", "spec-example/paper"]


def test_an_unknown_preset_names_what_there_is_and_what_was_meant(registry: Registry) -> None:
    with pytest.raises(EmosymError, match=r"unknown preset 'papr'; did you mean \"paper\"\?") as caught:
        load_spec("preset:papr", registry=registry)
    assert caught.value.hint == "presets of emosym: paper, official, emosym; of plugins: base"


def test_a_spec_that_extends_a_preset_may_take_a_stage_of_another(load: Load) -> None:
    below = "emosym: 1\nextends: preset:base\nstages: {compress: {preset: paper, epochs: 9}}\n"
    stages = load(below, sets=("stages.compress.preset=official", "stages.unify.preset=official")).spec.stages
    assert stages.compress is not None
    assert stages.unify is not None
    assert (stages.compress.epochs, stages.compress.batch_size, stages.unify.batch_size) == (9, 128, 1)


def test_a_stage_of_a_built_in_preset_gives_way_to_another_preset_as_a_whole(
    write: Write, registry: Registry
) -> None:
    path = write("emosym: 1\nextends: preset:paper\nstages: {unify: {preset: official, lr: {head: 3}}}\n")
    spec = load_spec(path, registry=registry, use=()).spec
    assert spec.stages.unify is not None
    assert (spec.stages.unify.batch_size, spec.stages.unify.lr["head"]) == (1, 3)
    assert spec.stages.compress is not None
    assert spec.stages.compress.preset == "paper"


def test_a_sound_preset_has_no_problem(registry: Registry) -> None:
    assert check_preset("base", registry) == []


def test_everything_wrong_with_a_preset_is_said_in_its_own_file(
    registry: Registry, offering: Callable[..., None], tmp_path: Path
) -> None:
    low = tmp_path / "low.yaml"
    shutil.copy(registry.preset("base"), low)
    low.write_text(low.read_text().replace("seed: 7", "seed: many"))
    offering("top", f"emosym: 1\nextends: {low}\nbackbone: llavva\njudges: {{evaluate: two}}\n")
    file = str(registry.preset("spec-example/top"))
    assert [str(problem) for problem in check_preset("top", registry)] == [
        f"{file}:3:11 backbone.name: unknown backbone 'llavva'; did you mean \"llava\"?; "
        "installed backbones: llava, qwen-vl",
        f"{file}:4:10 judges.evaluate: expected a judge of its own, found the bank judge again; figures measured by the judge "
        "that chose the training images say nothing; take another judge for one of the two",
        f'{file}:1:1 seed: expected a whole number, found "many" (at {low}:3:7)',
    ]  # fmt: skip
