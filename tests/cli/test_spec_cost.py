"""``emosym spec explain --cost`` as a user meets it."""

from __future__ import annotations

import json

import pytest

from .conftest import Command

EXPLAIN = ("spec", "explain", "--cost", "preset:tiny", "--pictures", "640")


def test_cost_is_said_by_stage_and_part_with_hours_and_disk(emosym: Command) -> None:
    said = emosym(*EXPLAIN, "--card", "rtx4090", "--share", "0.25")
    assert said.status == 0
    assert "one rtx4090 at 25% of its peak (41 TFLOP/s)" in said.out
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines[4:7]] == ["compress", "reinforce", "unify"]
    assert "hours in all" in lines[7]
    assert "bank: sampling" in said.out
    assert any(line.startswith("prefixes") and line.endswith("100%") for line in lines)
    assert "assumed: every picture" in said.out


def test_cost_in_json_has_operations(emosym: Command) -> None:
    cost = json.loads(emosym(*EXPLAIN, "--json").out)["cost"]
    assert (cost["card"], cost["share"], cost["pictures"]["train"]) == ("h100", 0.4, 640)
    for stage in cost["stages"]:
        assert stage["total"] == sum(part["total"] for part in stage["parts"])
        assert stage["hours"] == pytest.approx(stage["total"] / (989.4e12 * 0.4 * 3600))
    assert {one["kind"] for one in cost["kept"]} == {"latents", "prefixes"}


def test_an_unknown_model_is_said_as_memory_says_it(emosym: Command) -> None:
    said = emosym(*EXPLAIN, "--set", "diffusion.params.model=some/body")
    assert said.status == 0
    assert "diffusion: some/body is unknown and not counted; put the model's folder there" in said.out


def test_an_unknown_card_is_one_error_that_lists_the_cards(emosym: Command) -> None:
    said = emosym(*EXPLAIN, "--card", "a1000")
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("error: unknown card 'a1000'")
    assert "rtx4090" in said.err


@pytest.mark.parametrize("share", ["0", "1.5", "-0.1", "nan"])
def test_a_share_is_above_nothing_and_at_most_all(emosym: Command, share: str) -> None:
    said = emosym(*EXPLAIN, "--share", share)
    assert said.status == 2
    assert f"--share {share} is no share" in said.err


def test_data_that_are_not_there_are_asked_for_by_number(emosym: Command) -> None:
    said = emosym("spec", "explain", "--cost", "preset:paper")
    assert said.status == 2
    assert "--pictures" in said.err
