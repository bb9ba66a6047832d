"""What shells are told when somebody presses Tab."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .test_light import MAIN, MODELS


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with two runs, the newer one of a spec with labels of its own, a study and a spec."""
    for number, (name, labels) in enumerate((("old", "mikels-8"), ("new", "[calm, tense]"))):
        run = tmp_path / "runs" / name
        (run / "system").mkdir(parents=True)
        (run / "system" / "spec.yaml").write_text(f"labels: {labels}\n")
        (run / "run.json").write_text(json.dumps({"id": name, "smoke": False}))
        os.utime(run / "run.json", (number, number))
    (tmp_path / "studies" / "few").mkdir(parents=True)
    (tmp_path / "studies" / "few" / "study.json").write_text("{}")
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "notes.txt").touch()
    return tmp_path


def completed(shell: str, words: list[str], folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"_EMOSYM_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        environment |= {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    else:
        environment |= {"_TYPER_COMPLETE_ARGS": " ".join(words), "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    return subprocess.run(
        [sys.executable, *flags, "-c", MAIN], env=environment, capture_output=True, text=True,
        timeout=300, check=True, cwd=folder,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["generate", "--emotion", ""], ["calm", "tense"]),
        (["generate", "--system", "runs/old", "--emotion", "a"], ["amusement", "awe", "anger"]),
        (["bank", "show", ""], ["runs/new", "runs/old"]),
        (["understand", "x.jpg", "--system", "runs/o"], ["runs/old"]),
        (["run", "m"], ["mine.yaml"]),
        (["run", "preset", ":", "t"], ["tiny"]),
        (["run", "preset", ":", "tiny", "--set", "backbone.name", "=", "q"], ["qwen-vl"]),
        (["run", "mine.yaml", "--set", "fus"], ["fusion.name="]),
        (["spec", "new", "--preset", "p"], ["paper"]),
        (["plugins", "new", "x", "--kind", "re"], ["reward", "reinforcer"]),
        (["plugins", "show", "emosym-t"], ["emosym-tiny"]),
        (["plugins", "check", "qwen"], ["qwen-vl"]),
        (["train", "mine.yaml", "--stage", "u"], ["unify"]),
        (["study", "show", "studies/"], ["studies/few"]),
        (["ablate", "mine.yaml", "--executor", "s"], ["slurm"]),
        (["env", "--t"], ["--torch"]),
        (["nonsense", "x"], []),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bash(words: list[str], offered: list[str], here: Path) -> None:
    done = completed("bash", ["emosym", *words], here)
    assert sorted(done.stdout.split()) == sorted(offered)
    assert done.stderr == ""


def test_zsh_and_fish(here: Path) -> None:
    words = ["emosym", "generate", "--emotion", "c"]
    assert completed("zsh", words, here).stdout == "_arguments '*: :((\"calm\"))'\n"
    assert completed("fish", words, here).stdout == "calm\n"


def test_completing_loads_nothing_heavy(here: Path) -> None:
    def imported(*words: str) -> set[str]:
        lines = completed("bash", ["emosym", *words], here, "-X", "importtime").stderr.splitlines()
        return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}

    assert not imported("generate", "--emotion", "") & MODELS
    assert not imported("run", "mine.yaml", "--set", "backbone.name=q") & MODELS
    assert not imported("plugins", "show", "q") & MODELS
