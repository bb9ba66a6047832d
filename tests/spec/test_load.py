"""Layers: extends, presets, ``--set``, swaps, stage presets, migrations, and the way back to YAML."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from emosym_registry import EmosymError, Registry

from emosym.spec import Resolved, SpecErrors, explain, load_spec, plugins_only
from emosym.spec.layers import BUILT_IN

Load = Callable[..., Resolved]
CHILD = "emosym: 1\nextends: preset:base\n"


def test_a_preset_loads_and_is_completed(registry: Registry) -> None:
    resolved = load_spec("preset:base", registry=registry)
    assert resolved.spec.backbone.params == {
        "model": "tiny",
        "pixels": 64,
        "adapter": {"type": "lora", "rank": 4},
    }
    assert resolved.spec.data.params == {"train": 40, "test": 10}
    assert resolved.config("rewards.1").model_dump() == {"low": 0.0, "high": 1.0}
    assert resolved.offers["judges.bank"].spec.name == "two"
    assert str(resolved.origins["seed"]).startswith("preset:base (")
    with pytest.raises(EmosymError, match="no component at 'backbon'"):
        resolved.config("backbon")


def test_mappings_merge_and_lists_replace(load: Load) -> None:
    spec = load(CHILD + "data: {params: {test: 3}}\nrewards: [wheel]\n").spec
    assert spec.data.params == {"train": 40, "test": 3}
    assert [reward.name for reward in spec.rewards] == ["wheel"]


def test_extends_is_relative_to_the_extending_file(
    write: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    write("emosym: 1\nextends: preset:base\nseed: 1\nname: low\n", "base.yaml")
    write("emosym: 1\nextends: ../base.yaml\nseed: 2\n", "sub/top.yaml")
    resolved = load_spec("sub/top.yaml", registry=registry, base=tmp_path)
    assert (resolved.spec.seed, resolved.spec.name) == (2, "low")
    assert resolved.origins["name"].place == f"{tmp_path}/base.yaml:4:1"


def test_null_removes_what_is_inherited(load: Load) -> None:
    spec = load(
        CHILD + "seed: null\nknowledge: null\ndata: {params: {train: null}}\nstages: {reinforce: null}\n"
    ).spec
    assert spec.seed == 0
    assert spec.knowledge is None
    assert spec.data.params["train"] == 100
    assert spec.stages.reinforce is None


def test_null_that_removes_nothing_is_an_error(
    problems: Callable[..., list[str]], write: Callable[..., Path], registry: Registry
) -> None:
    text = Path(registry.preset("base")).read_text().replace("seed: 7", "seed: null")
    assert problems(text) == ["spec.yaml:3:7 seed: expected a whole number, found null"]


@pytest.mark.parametrize("swap", ["backbone.name=llava", "backbone=llava", "backbone={name: llava}"])
def test_swapping_a_component_keeps_the_params_it_has_fields_for(load: Load, swap: str) -> None:
    resolved = load(sets=(swap,))
    assert resolved.spec.backbone.name == "llava"
    assert resolved.spec.backbone.params == {"model": "tiny", "adapter": {"type": "lora", "rank": 4}}
    assert resolved.messages == []


def test_a_swap_says_what_it_drops_of_what_somebody_wrote(load: Load) -> None:
    written = CHILD + "backbone: {params: {pixels: 3}}\n"
    (note,) = load(written, sets=("backbone.name=llava",)).messages
    assert note.startswith("backbone.params.pixels was set for 'qwen-vl' (")
    assert note.endswith("spec.yaml:3:21) and is dropped: 'llava' takes no such value")


def test_a_swap_in_a_file_works_like_one_in_set(load: Load) -> None:
    spec = load(CHILD + "backbone: {name: llava, params: {adapter: {rank: 2}}}\n").spec
    assert spec.backbone.params == {"model": "tiny", "adapter": {"type": "lora", "rank": 2}}


def test_params_given_beside_the_swap_are_not_dropped(problems: Callable[..., list[str]]) -> None:
    sets = ("backbone.params.pixels=3", "backbone.name=llava")
    assert problems(sets=sets) == [
        "--set backbone.params.pixels: unknown key 'pixels'; keys here: adapter, model"
    ]


def test_sets_take_types_lists_and_indices(load: Load) -> None:
    sets = ("seed=3", "rewards.0.weight=0.25", "labels=[good, bad]", "optim.lr=1e-3",
            "judges.bank=null", "metrics.1={name: emo-a}",
            "data.params={test: 4}", "stages.unify.prompts.0=a {emotion} street")  # fmt: skip
    resolved = load(sets=sets)
    spec = resolved.spec
    assert (spec.seed, spec.rewards[0].weight, spec.labels, spec.optim.lr) == (3, 0.25, ["good", "bad"], 1e-3)
    assert spec.judges.bank is None
    assert [metric.name for metric in spec.metrics] == ["accuracy", "emo-a"]
    assert spec.data.params == {"train": 40, "test": 4}
    assert str(resolved.origins["optim.lr"]) == "--set optim.lr"


def test_elements_of_lists_are_named_and_left_out_by_name(load: Load) -> None:
    whole = load().spec
    names = [reward.name for reward in whole.rewards]
    resolved = load(sets=(f"rewards.{names[0]}.weight=0.125", f"rewards.{names[1]}=null"))
    assert [(one.name, one.weight) for one in resolved.spec.rewards] == [(names[0], 0.125)]
    assert [one.name for one in resolved.spec.metrics] == [one.name for one in whole.metrics]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sed=3", "--set sed: unknown key 'sed'; did you mean \"seed\"?"),
        ("seed=x", '--set seed: expected a whole number, found "x"'),
        ("seed", "--set seed: expected key.path=value; for example --set seed=3"),
        (
            "rewards.7.weight=1",
            "--set rewards.7.weight rewards: expected an index from 0 to 2 after 'rewards', found '7'",
        ),
        (
            "rewards.lable.weight=1",
            "--set rewards.lable.weight rewards: expected an index from 0 to 2 after 'rewards', found 'lable'; "
            'did you mean "label"?',
        ),
        (
            "seed.deep=1",
            "--set seed.deep seed: expected a mapping at 'seed', found 7; it comes from preset:base",
        ),
        ("name={a", "--set name: not a YAML value"),
        ("name=3", "--set name: expected text, found 3; put it in quotes"),
        (
            "backbone.params.adapter.rank=0",
            "--set backbone.params.adapter.rank: expected at least 1",
        ),
        (
            "backbone.name=lava",
            "--set backbone.name: unknown backbone 'lava'; did you mean \"llava\"?",
        ),
    ],
)
def test_a_wrong_set_is_located(problems: Callable[..., list[str]], text: str, message: str) -> None:
    found = problems(sets=(text,))
    assert len(found) == 1
    assert found[0].startswith(message)


def test_stages_are_filled_from_their_presets(load: Load) -> None:
    resolved = load(
        CHILD + "stages:\n  compress: {preset: paper, epochs: 9}\n  unify: {refresh: {every: 5}}\n"
    )
    stages = resolved.spec.stages
    assert stages.compress is not None
    assert (stages.compress.batch_size, stages.compress.epochs) == (128, 9)
    assert stages.unify is not None
    assert stages.unify.refresh is not None
    assert (stages.unify.refresh.every, stages.unify.refresh.tolerance) == (5, 0.02)
    batch_size, tolerance = (
        resolved.origins[f"stages.{key}"] for key in ("compress.batch_size", "unify.refresh.tolerance")
    )
    assert (batch_size.kind, batch_size.name, Path(batch_size.file)) == (
        "stage-preset",
        "paper",
        BUILT_IN["paper"],
    )
    assert "batch_size: 128" in BUILT_IN["paper"].read_text().splitlines()[batch_size.line - 1]
    assert str(tolerance) == f"stage-preset emosym ({tolerance.file}:{tolerance.line}:{tolerance.column})"
    assert resolved.origins["stages.compress.epochs"].kind == "file"


def test_the_resolved_spec_loads_again_to_the_same_thing(
    load: Load, write: Callable[..., Path], registry: Registry
) -> None:
    text = (
        CHILD
        + "labels: ['yes', 'no: maybe']\nstages: {unify: {lr: {fusion: null}, refresh: {tolerance: null}}, reinforce: null}\n"
    )
    first = load(text, sets=("rewards.1.params.low=1.0e-9",))
    again = load_spec(write(first.to_yaml(), "again.yaml"), registry=registry)
    assert first.spec.stages.unify is not None
    assert first.spec.stages.unify.lr == {}
    assert again.data() == first.data()
    assert again.spec == first.spec
    assert again.to_yaml() == first.to_yaml()


def test_null_gives_a_stage_back_what_its_preset_has(load: Load) -> None:
    nulls = (
        "{preset: paper, batch_size: null, lr: {tokens: null}, refresh: {every: null, sampling_steps: null}}"
    )
    resolved = load(CHILD + f"stages: {{unify: {nulls}, compress: {{ce_weight: null}}}}\n")
    unify, compress = resolved.spec.stages.unify, resolved.spec.stages.compress
    assert unify is not None
    assert unify.refresh is not None
    assert compress is not None
    assert (unify.batch_size, unify.refresh.every, compress.ce_weight) == (16, 100, 1.0)
    assert unify.lr == {"fusion": 1e-3, "head": 1e-4}
    assert unify.refresh.sampling_steps is None
    assert resolved.origins["stages.unify.batch_size"].kind == "stage-preset"


def test_the_bank_is_left_out_where_there_is_no_memory(
    load: Load, problems: Callable[..., list[str]]
) -> None:
    resolved = load(CHILD + "memory: null\n")
    assert resolved.spec.stages.unify is not None
    assert resolved.spec.stages.unify.refresh is None
    assert any("no memory is given" in message for message in resolved.messages)
    assert (
        "expected a memory to refresh"
        in problems(CHILD + "memory: null\nstages: {unify: {refresh: {every: 3}}}\n")[0]
    )


def test_explain_names_the_origin_of_every_value(load: Load) -> None:
    resolved = load(CHILD + "seed: 9\n", sets=("optim.lr=0.5",))
    rows = {row.path: row for row in explain(resolved)}
    assert rows["seed"].origin.endswith("spec.yaml:3:1")
    assert rows["optim.lr"].origin == "--set optim.lr"
    assert rows["optim.clip"].origin == "default"
    assert rows["backbone.params.pixels"].origin.startswith("preset:base (")
    assert rows["data.params.test"].origin == "default"
    assert rows["stages.compress.ce_weight"].origin.startswith("stage-preset emosym (")


def test_the_allow_list_is_read_before_any_plugin(write: Callable[..., Path], tmp_path: Path) -> None:
    write("emosym: 1\nplugins: {only: [a, b]}\n", "low.yaml")
    top = write("emosym: 1\nextends: low.yaml\n", "top.yaml")
    assert plugins_only(top) == ["a", "b"]
    assert plugins_only("top.yaml", base=tmp_path) == ["a", "b"]
    assert plugins_only(top, sets=["plugins.only=[c]"]) == ["c"]
    assert plugins_only(top, sets=["plugins.only=null"]) is None
    assert plugins_only("preset:tiny") is None
    write("emosym: 1\nextends: top.yaml\n", "low.yaml")
    with pytest.raises(SpecErrors, match="circle"):
        plugins_only(top)


def test_specs_never_import_torch(registry: Registry, tmp_path: Path) -> None:
    package = Path(registry.preset("base")).parent
    code = f"""
import sys
sys.path.insert(0, {str(package.parent)!r})
from emosym_registry import load_registry
from emosym_registry import InstalledPlugin
from emosym.spec import load_spec, explain, deviations, schema
registry = load_registry(installed=[InstalledPlugin("spec-example", "spec_example.plugin", "spec-example", "1.0")])
resolved = load_spec("preset:base", registry=registry)
explain(resolved), deviations(resolved, registry), schema(registry), resolved.to_yaml()
heavy = {{"torch", "transformers", "diffusers", "accelerate", "numpy", "open_clip"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_errors_survive_pickling(problems: Callable[..., list[str]], load: Load) -> None:
    import pickle

    with pytest.raises(SpecErrors) as caught:
        load(sets=("sed=3",))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)
    assert copy.problems == caught.value.problems
