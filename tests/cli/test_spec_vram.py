"""``emosym spec explain --vram`` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Command

CONFIGS = Path(__file__).parents[2] / "configs"


def test_vram_is_said_by_stage_with_the_card_that_has_it(emosym: Command) -> None:
    said = emosym("spec", "explain", "--vram", str(CONFIGS / "tiny.yaml"))
    assert said.status == 0
    lines = said.out.splitlines()
    assert lines[2] == "memory on one card, bf16, in GiB"
    assert [line.split()[0] for line in lines[4:8]] == ["compress", "reinforce", "unify", "evaluate"]
    assert all("fits 8 GiB" in line for line in lines[4:8])
    assert "backbone: alias:emosym-tiny/tiny: 1,293,408 parameters, 256 tokens a picture" in said.out
    assert "assumed: one NVIDIA card" in said.out


def test_an_unknown_model_is_said_to_be_unknown_and_the_rest_is_counted(emosym: Command) -> None:
    said = emosym(
        "spec", "explain", "--vram", str(CONFIGS / "tiny.yaml"), "--set", "diffusion.params.model=some/body"
    )
    assert said.status == 0
    assert "diffusion: some/body is unknown and not counted; put the model's folder there" in said.out
    assert "backbone: alias:emosym-tiny/tiny" in said.out


def test_vram_in_json_has_bytes(emosym: Command) -> None:
    said = emosym("spec", "explain", "--vram", "--json", str(CONFIGS / "tiny.yaml"))
    vram = json.loads(said.out)["vram"]
    assert [one["stage"] for one in vram["stages"]] == ["compress", "reinforce", "unify", "evaluate"]
    for found in vram["stages"]:
        assert found["total"] > found["weights"] + found["trained"] + found["activations"]
        assert found["card_gib"] == 8
    assert vram["parts"]["backbone"]["details"]["hidden_size"] == 128
