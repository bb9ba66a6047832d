"""What a spec says wrong: everything at once, each at its place, with what was expected, found and perhaps meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from emosym_registry import Registry

Problems = Callable[..., list[str]]
CHILD = "emosym: 1\nextends: preset:base\n"


def test_seven_mistakes_give_seven_located_messages(problems: Problems) -> None:
    text = """\
    emosym: 1
    extends: preset:base
    sead: 3
    backbone:
      name: qwen-vll
    data: {params: {trainn: 5, test: many}}
    optim: {schedule: cosin, lr: -1}
    rewards: [{name: label, weigth: 2}]
    """
    assert problems(text) == [
        "spec.yaml:3:1 sead: unknown key 'sead'; did you mean \"seed\"?",
        "spec.yaml:5:9 backbone.name: unknown backbone 'qwen-vll'; did you mean \"qwen-vl\"?; installed backbones: llava, qwen-vl",
        "spec.yaml:6:17 data.params.trainn: unknown key 'trainn'; did you mean \"train\"?",
        'spec.yaml:6:34 data.params.test: expected a whole number, found "many"',
        "spec.yaml:7:19 optim.schedule: expected 'cosine', 'linear' or 'constant', found \"cosin\"; did you mean \"cosine\"?",
        "spec.yaml:7:30 optim.lr: expected a number above 0, found -1",
        "spec.yaml:8:25 rewards.0.weigth: unknown key 'weigth'; did you mean \"weight\"?",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("labels: 3\n", "3:9 labels: expected text or a list or a mapping, found 3"),
        ("labels: mikels\n", "3:9 labels: unknown label set 'mikels'"),
        ("labels: [a, a]\n", "3:9 labels: a label list needs two or more different names"),
        ("backbone: [a]\n", "3:1 backbone: expected a mapping, found a list"),
        ("backbone: {name: 3}\n", "3:18 backbone.name: expected text, found 3"),
        ("backbone: {model: tiny}\n", "3:12 backbone.model: unknown key 'model'"),
        (
            "backbone: {params: {adapter: {type: lorra}}}\n",
            "3:37 backbone.params.adapter.type: expected 'lora' or 'none', found \"lorra\"",
        ),
        (
            "backbone: {params: {adapter: {rnk: 3}}}\n",
            "3:31 backbone.params.adapter.rnk: unknown key 'rnk'; did you mean \"rank\"?",
        ),
        ("backbone: {params: 3}\n", "3:20 backbone.params: expected a mapping, found 3"),
        (
            "rewards: [{name: wheel, params: {low: 2}}]\n",
            "3:25 rewards.0.params: expected low to be at most high",
        ),
        ("data: {name: folder}\n", "3:14 data.params.root: expected a value, found nothing"),
        ("stages: {unify: {lr: {fuson: 1}}}\n", "3:23 stages.unify.lr.fuson: expected 'adapters', 'tokens'"),
        (
            "stages: {compress: {preset: papr}}\n",
            "3:29 stages.compress.preset: expected 'paper', 'official' or 'emosym'",
        ),
        ("stages: {compress: {preset: [a]}}\n", "3:21 stages.compress.preset: expected 'paper'"),
        ("stages: 3\n", "3:9 stages: expected a mapping, found 3"),
        ("stages: {compres: {}}\n", "3:10 stages.compres: unknown key 'compres'; did you mean \"compress\"?"),
        ("stages: {unify: {train: [tokens, heads]}}\n", "3:34 stages.unify.train.1: expected 'adapters'"),
        (
            "stages: {unify: {ce_weight: 0}}\n",
            "stages.unify: with ce_weight: 0 no loss reaches the head; take head out of train",
        ),
        ("name: 'a b'\n", "3:7 name: expected letters, digits, dots, dashes and underscores"),
        ("name: ''\n", "3:7 name: expected letters, digits, dots, dashes and underscores"),
        ("seed: 99999999999999999999999\n", "3:7 seed: expected at most 4294967295"),
        ("rewards: label\n", '3:10 rewards: expected a list, found "label"; write [label]'),
        ("rewards: [{name: label, weight: 0}]\n", "3:1 rewards: expected a reward with a weight above 0"),
        (
            "rewards: [label, {name: spec-example/label, weight: 2}]\n",
            "3:18 rewards.1: expected each of rewards once, found label again; it is rewards.0 already",
        ),
        ("metrics: [accuracy, accuracy]\n", "metrics.1: expected each of metrics once, found accuracy again"),
        (
            "judges: {bank: one, evaluate: one}\n",
            "3:21 judges.evaluate: expected a judge of its own, found the bank judge again",
        ),
        (
            "judges: {reward: {name: one, params: {level: 0.5}}}\n",
            "judges.evaluate: expected a judge of its own, found the reward judge",
        ),
        (
            "judges: {evalute: one}\n",
            "3:10 judges.evalute: unknown key 'evalute'; did you mean \"evaluate\"?",
        ),
        (
            "judges: null\nmetrics: [emo-a]\n",
            "4:11 metrics.0: expected a judge for emo-a, found none; add judges.evaluate",
        ),
        ("reinforcer: null\n", "stages.reinforce: expected a reinforcer, found none"),
        ("rewards: []\n", "stages.reinforce: expected rewards, found none"),
        ("fusion: null\n", "stages.unify: expected fusion for the unify stage, found none"),
        ("text_encoder: null\n", "knowledge: expected a text_encoder for the knowledge, found none"),
        (
            "trackers: [wandbb]\n",
            "3:12 trackers.0.name: expected 'tensorboard', 'wandb', 'mlflow'",
        ),
        (
            "trackers: [{name: wandb, project: x}]\n",
            "3:26 trackers.0.project: unknown key 'project'; keys here: name, params",
        ),
        (
            "evaluation: {prompt: a street}\n",
            '3:22 evaluation.prompt: expected {emotion} once, found "a street"',
        ),
        (
            "stages: {unify: {prompts: ['{emotion} {emotion}']}}\n",
            "3:28 stages.unify.prompts.0: expected {emotion} once",
        ),
    ],
)
def test_one_mistake_is_said_once_where_it_is(problems: Problems, text: str, message: str) -> None:
    found = problems(CHILD + text)
    assert any(message in one for one in found), found
    assert len(found) == 1, found


def test_a_parameter_beside_params_is_told_where_it_belongs(problems: Problems) -> None:
    found = problems(CHILD + "backbone: {model: tiny}\n")
    assert found == [
        "spec.yaml:3:12 backbone.model: unknown key 'model' here: it is a parameter; write params: {model: …}"
    ]


def test_what_does_not_fit_together_is_said_with_everything_else(problems: Problems) -> None:
    found = problems(CHILD + "seed: x\nreinforcer: null\njudges: {bank: one, evaluate: one}\n")
    assert len(found) == 3


def test_missing_sections_are_all_named(problems: Problems) -> None:
    found = problems("emosym: 1\nstages: {reinforce: null, unify: null}\n")
    assert [one.split(": ")[0].split(" ")[1] for one in found] == ["backbone", "compressor", "data", "name"]
    assert all("expected a value, found nothing" in one for one in found)


def test_the_same_judge_with_other_weights_is_another_judge(load: Callable[..., object]) -> None:
    assert load(CHILD + "judges: {bank: one, evaluate: {name: one, params: {level: 0.9}}}\n")


def test_a_qualified_name_does_not_hide_the_same_judge(problems: Problems) -> None:
    assert (
        "found the bank judge again"
        in problems(CHILD + "judges: {bank: spec-example/one, evaluate: one}\n")[0]
    )


def test_problems_are_sorted_by_place(
    problems: Problems, registry: Registry, write: Callable[..., Path]
) -> None:
    found = problems(CHILD + "zzz: 1\naaa: 2\n", sets=("bbb=1",))
    assert [one.split(" ")[0] for one in found] == ["spec.yaml:3:1", "spec.yaml:4:1", "--set"]
