"""From a study's file to its cells: what rows say, what is wrong with them and where, and what is one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from emosym_registry import Registry, load_registry

from emosym.ablation.study import Study, load_study, read_study, vary
from emosym.spec import SpecErrors

CONFIGS = Path(__file__).parents[2] / "configs" / "ablations"
HEAD = "study: 1\nname: mine\nbase: preset:tiny\nseeds: 2\n"
Load = Callable[..., Study]


@pytest.fixture(scope="module")
def registry() -> Registry:
    """The plugins that are really there."""
    return load_registry(strict=True)


@pytest.fixture
def load(registry: Registry, tmp_path: Path) -> Load:
    """A study from the text of its file behind :data:`HEAD`."""

    def make(text: str, head: str = HEAD, **more: Any) -> Study:
        path = tmp_path / "study.yaml"
        path.write_text(head + dedent(text), encoding="utf-8")
        return load_study(*read_study(path), registry, **more)

    return make


@pytest.fixture
def problems(load: Load, tmp_path: Path) -> Callable[..., list[str]]:
    """What is said of a study, the folder of its file left out."""

    def find(text: str, head: str = HEAD) -> list[str]:
        with pytest.raises(SpecErrors) as caught:
            load(text, head)
        return [str(one).replace(f"{tmp_path}/", "") for one in caught.value.problems]

    return find


def test_rows_override_values_components_stages_and_elements(load: Load) -> None:
    study = load(
        """
        rows:
          whole: {comment: all of it}
          swapped: {backbone: {name: llava}, optim.lr: 0.5}
          shorter: {stages.reinforce: null, metrics.ece: null}
        """
    )
    assert (study.rows[0].name, study.rows[0].comment) == ("whole", "all of it")
    assert study.rows[1].overrides == {"backbone": {"name": "llava"}, "optim.lr": 0.5}
    specs = {cell.rows[0]: cell.resolved.spec for cell in study.cells}
    assert specs["swapped"].backbone.name == "llava"
    assert specs["swapped"].optim.lr == 0.5
    assert specs["shorter"].stages.reinforce is None
    assert not [one for one in specs["shorter"].metrics if one.name.endswith("ece")]
    assert len(specs["whole"].metrics) == len(specs["shorter"].metrics) + 1


def test_seeds_count_on_from_the_bases_or_are_listed(load: Load) -> None:
    rows = "rows: {whole: {}}\n"
    assert load(rows).seeds == (7, 8)
    assert load(rows, HEAD.replace("seeds: 2", "seeds: [3, 1]")).seeds == (3, 1)
    assert load(rows, seeds=3).seeds == (7, 8, 9)
    assert [cell.resolved.spec.seed for cell in load(rows).cells] == [7, 8]


def test_a_grid_has_every_combination_the_last_axis_fastest(load: Load) -> None:
    study = load(
        """
        grid:
          backbone.name: [qwen-vl, llava]
          knowledge: [null, {name: annotations, params: {field: reasoning}}]
        """
    )
    assert [row.name for row in study.rows] == [
        "backbone qwen-vl, knowledge none",
        "backbone qwen-vl, knowledge annotations",
        "backbone llava, knowledge none",
        "backbone llava, knowledge annotations",
    ]


def test_what_is_left_out_is_a_row_each_beside_the_base(load: Load) -> None:
    study = load("without: [rewards, memory, reinforce, metrics.f1]\n")
    assert [row.name for row in study.rows] == [
        "base", "without label", "without wheel", "without brier", "without memory", "without reinforce",
        "without f1",
    ]  # fmt: skip
    specs = {cell.rows[0]: cell.resolved.spec for cell in study.cells}
    assert [reward.name.split("/")[-1] for reward in specs["without wheel"].rewards] == ["label", "brier"]
    assert specs["without memory"].memory is None
    assert specs["without reinforce"].stages.reinforce is None
    whole = load("without: [memory]\nrows: {everything: {}}\n")
    assert [row.name for row in whole.rows] == ["everything", "without memory"]


def test_rows_that_say_the_same_are_one_run(load: Load) -> None:
    study = load("rows: {one: {optim.lr: 0.25}, other: {optim: {lr: 0.25}}, third: {optim.lr: 0.5}}\n")
    assert [cell.rows for cell in study.cells] == [("one", "other")] * 2 + [("third",)] * 2


def test_a_row_that_is_renamed_is_the_same_run_and_one_that_changes_another(load: Load) -> None:
    def digests(text: str) -> list[str]:
        return [cell.digest for cell in load(text).cells]

    before = digests("rows: {one: {optim.lr: 0.25}}\n")
    assert digests("rows: {renamed: {optim.lr: 0.25}}\n") == before
    assert not set(digests("rows: {one: {optim.lr: 0.5}}\n")) & set(before)
    assert digests("rows: {one: {optim.lr: 0.25}}\nset: {evaluation.per_class: 5}\n") != before


def test_cells_share_the_stages_that_read_the_same(load: Load) -> None:
    study = load(
        """
        rows:
          whole: {}
          other head: {diffusion.name: sdxl}
          other reward: {rewards.label.weight: 0.1}
          other measure: {metrics.ece: null, evaluation.guidance_scale: 3}
        """
    )
    stages = {(cell.rows[0], cell.seed): cell.stages for cell in study.cells}
    whole, head = stages["whole", 7], stages["other head", 7]
    assert {name for name in whole if whole[name] == head[name]} == {"compress", "reinforce"}
    reward = stages["other reward", 7]
    assert {name for name in whole if whole[name] == reward[name]} == {"compress"}
    assert stages["other measure", 7] == whole
    assert not set(stages["whole", 8].values()) & set(whole.values())


def test_every_mistake_is_said_with_its_place_and_its_row(problems: Callable[..., list[str]]) -> None:
    text = """
        rows:
          one: {optim.lrr: 1}
          two:
            backbone.name: lava
          three:
            memory: null
        """
    assert problems(text) == [
        "study.yaml:7:9 optim.lrr: unknown key 'lrr' (in row 'one'); did you mean \"lr\"?",
        "study.yaml:9:20 backbone.name: unknown backbone 'lava'; did you mean \"llava\"? (in row 'two'); "
        "installed backbones: hf-vlm, llava, qwen-vl",
        "study.yaml:11:5 stages.unify.refresh: expected a memory to refresh, found none (in row 'three'); "
        "add memory: {name: sql}, or set refresh: null",
    ]


@pytest.mark.parametrize(
    ("text", "head", "message"),
    [
        ("", HEAD, "expected rows, found none"),
        ("row: {}\n", HEAD, "unknown key 'row'"),
        ("rows: {a: {seed: 3}}\n", HEAD, "a study says seed itself"),
        ("grid: {seed: [3, 4]}\n", HEAD, "a study says seed itself"),
        ("without: [memry]\n", HEAD, "the base has no 'memry' to leave out; did you mean \"memory\"?"),
        ("rows: {a: {}}\npairs: [{rows: [a, b]}]\n", HEAD, "there is no row 'b'"),
        ("rows: {a: {}}\npairs: [{rows: [a, a]}]\n", HEAD, "a row is compared with itself"),
        ("rows: {a: {}}\npairs: [{rows: [a]}]\n", HEAD, "found nothing"),
        (
            "rows: {a: {}}\npairs: [{rows: [a, b], margins: {accuracy: 0}}]\n",
            HEAD,
            "expected a number above 0",
        ),
        ("rows: {base: {optim.lr: 1}}\nwithout: [memory]\n", HEAD, "a row 'base' is there twice"),
        ("rows: {a: {}}\n", HEAD.replace("preset:tiny", "nowhere.yaml"), "no such file"),
        ("rows: {a: {}}\n", HEAD.replace("preset:tiny", "preset:tinny"), "unknown preset"),
        ("rows: {a: {}}\n", HEAD.replace("seeds: 2", "seeds: 0"), "expected at least 1"),
        ("rows: {a: {}}\nbudget: {hours: -1}\n", HEAD, "expected a number above 0"),
        ("grid: {optim.lr: []}\n", HEAD, "a list of 1 or more"),
    ],
)
def test_a_wrong_study_is_refused(
    problems: Callable[..., list[str]], text: str, head: str, message: str
) -> None:
    assert any(message in one for one in problems(text, head)), problems(text, head)


def test_one_line_makes_a_grid_over_a_spec(registry: Registry) -> None:
    tree, folder = vary("preset:tiny", ["reinforcer.params.rollouts=2,4", "diffusion.name=sd,sdxl"], 2)
    study = load_study(tree, folder, registry)
    assert [row.name for row in study.rows] == [
        "rollouts 2, diffusion sd", "rollouts 2, diffusion sdxl", "rollouts 4, diffusion sd",
        "rollouts 4, diffusion sdxl",
    ]  # fmt: skip
    assert len(study.cells) == 8
    with pytest.raises(SpecErrors, match=r"expected key\.path=value,value"):
        vary("preset:tiny", ["optim.lr"], None)
    with pytest.raises(SpecErrors, match=r"--vary optim\.lr=1,-2 optim\.lr: expected a number above 0"):
        load_study(*vary("preset:tiny", ["optim.lr=1,-2"], None), registry)


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIGS.glob("*.yaml")))
def test_every_shipped_study_is_sound(registry: Registry, name: str) -> None:
    study = load_study(*read_study(CONFIGS / name), registry)
    assert len(study.rows) >= 6
    assert len(study.seeds) >= 3
    assert len(study.cells) == len(study.rows) * len(study.seeds)
