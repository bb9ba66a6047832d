"""Where a spec differs from the paper, from another preset, or from a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from emosym_registry import EmosymError, Registry

from emosym.spec import Resolved, SpecErrors, deviations, load_spec

Load = Callable[..., Resolved]
Write = Callable[..., Path]
CHILD = "emosym: 1\nextends: preset:base\n"


@pytest.fixture
def against_base(load: Load, registry: Registry) -> Callable[..., dict[str, tuple[object, object]]]:
    """What a child of the preset ``base`` has otherwise than ``base`` itself."""

    def against_base(text: str, **kwargs: object) -> dict[str, tuple[object, object]]:
        found = deviations(load(CHILD + text, **kwargs), registry, "base")
        return {one.path: (one.value, one.reference) for one in found}

    return against_base


def test_a_spec_does_not_differ_from_itself(load: Load, registry: Registry) -> None:
    assert deviations(load(), registry, "base") == []
    assert deviations(load(), registry, "preset:base") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("optim: {clip: 2}", {"optim.clip": (2.0, 1.0)}),
        ("labels: binary", {"labels": ("binary", "mikels-8")}),
        ("evaluation: {per_class: 3}", {"evaluation.per_class": (3, 16)}),
        ("backbone: {params: {adapter: {rank: 8}}}", {"backbone.params.adapter.rank": (8, 4)}),
        ("backbone: llava", {"backbone.name": ("llava", "qwen-vl")}),
        ("backbone: spec-example/qwen-vl", {}),
        ("knowledge: null\ntext_encoder: null", {"knowledge": (None, "annotations"), "text_encoder": (None, "clip")}),
        ("judges: {reward: {name: one, params: {level: 2}}}", {"judges.reward": ("one", None)}),
        ("stages: {compress: {epochs: 9}}", {"stages.compress.epochs": (9.0, 3.0)}),
        ("stages: {reinforce: null}", {"stages.reinforce": (None, {"preset": "emosym"})}),
        ("stages: {unify: {lr: {fusion: null}}}", {"stages.unify.lr.fusion": (None, 0.001)}),
        ("rewards: [wheel, {name: label, weight: 0.6}]", {}),
        ("rewards: [label, {name: wheel, params: {low: 0.5}}]",
         {"rewards.0.weight": (1.0, 0.6), "rewards.1.params.low": (0.5, 0.0)}),
        ("rewards: [wheel]", {"rewards": (["wheel"], ["label", "wheel"])}),
        ("metrics: [accuracy, emo-a]", {"metrics": (["accuracy", "emo-a"], ["accuracy"])}),
        ("name: other\nseed: 1\ncompute: {device: cpu}\ntrackers: [wandb]\nplugins: {only: null}", {}),
    ],
)  # fmt: skip
def test_every_value_that_says_something_of_the_method_is_compared(
    against_base: Callable[..., dict[str, tuple[object, object]]],
    text: str,
    found: dict[str, tuple[object, object]],
) -> None:
    assert against_base(f"{text}\n") == found


def test_a_path_on_this_machine_is_no_deviation(load: Load, registry: Registry, write: Write) -> None:
    low = write(CHILD + "data: {name: folder, params: {root: here}}\n", "low.yaml")
    assert deviations(load(CHILD + "data: {name: folder, params: {root: there}}\n"), registry, str(low)) == []


def test_a_deviation_says_where_it_was_written(load: Load, registry: Registry) -> None:
    (found,) = deviations(load(CHILD + "optim: {clip: 2}\n"), registry, "base")
    assert found.origin.endswith("spec.yaml:3:9")


def test_defaults_are_filled_in_on_both_sides(load: Load, registry: Registry, write: Write) -> None:
    low = write(
        CHILD + "data: {params: {test: 10}}\ncompressor: {name: contrastive, params: {level: 0.5}}\n",
        "low.yaml",
    )
    assert deviations(load(), registry, str(low)) == []


def test_the_paper_can_be_compared_with_where_its_components_are_not_installed(
    load: Load, registry: Registry
) -> None:
    found = {one.path: (one.value, one.reference) for one in deviations(load(), registry)}
    assert found["backbone.name"] == ("spec-example/qwen-vl", "emosym-vlm/qwen-vl")
    assert found["reinforcer.name"] == ("grpo", "paper")
    assert found["rewards"] == (["label", "wheel"], ["confidence"])
    assert found["stages.unify.token_gradient"] == (0.1, 1.0)
    assert found["data.name"] == ("tiny-world", "emoset")


def test_a_swapped_component_of_the_reference_is_compared_with_its_own_parameters(
    load: Load, registry: Registry, write: Write
) -> None:
    low = write(CHILD + "backbone: llava\n", "low.yaml")
    assert deviations(load(CHILD + "backbone: llava\n"), registry, str(low)) == []


def test_a_reference_that_is_not_there_says_so(load: Load, registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(EmosymError, match="unknown preset 'papr'"):
        deviations(load(), registry, "papr")
    with pytest.raises(SpecErrors, match="no such file"):
        deviations(load(), registry, str(tmp_path / "none.yaml"))


def test_the_reference_may_be_any_preset_that_is_there(load: Load, registry: Registry) -> None:
    assert load_spec("preset:base", registry=registry).data() == load().data()
    assert {one.path for one in deviations(load(), registry, "emosym")} >= {"data.name", "backbone.name"}
