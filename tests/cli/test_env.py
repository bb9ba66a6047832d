"""What a bug report says, and what it keeps to itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emosym.diagnosis import environment

from .conftest import Command, install
from .test_light import MODELS, imported


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOSYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))


def test_it_names_versions_hardware_and_caches(emosym: Command, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "kept").write_bytes(bytes(3_000_000))
    found = json.loads(emosym("env", "--json").out)
    assert {"torch", "transformers", "diffusers", "gradio", "pillow-heif"} <= set(found["libraries"])
    assert found["plugins"]["emosym-tiny"] == found["emosym"]["emosym"]
    assert found["system"]["python"].startswith("CPython 3.")
    assert found["caches"]["emosym"] == "3.0 MB"
    shown = emosym("env").out
    assert "libraries:\n" in shown
    assert str(tmp_path) not in shown


def test_values_that_may_be_secret_are_not_shown(emosym: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_hunter2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("HUNTER", "hunter2")
    shown = emosym("env")
    assert "hunter2" not in shown.out.lower()
    variables = json.loads(emosym("env", "--json").out)["variables"]
    assert variables["HF_TOKEN"] == "set"
    assert variables["CUDA_VISIBLE_DEVICES"] == "0"
    assert "TQDM_DISABLE" not in variables


def test_what_is_missing_or_broken_is_a_line(
    emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "LIBRARIES", ("torch", "nobody-has-this"))
    monkeypatch.syspath_prepend(
        str(install(tmp_path / "site", "broken", "raise RuntimeError('out of order')"))
    )
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(program))
    done = emosym("env", "--json")
    found = json.loads(done.out)
    assert done.status == 0
    assert list(found["libraries"]) == ["torch"]
    assert found["plugins"]["broken"].startswith("failed at import: RuntimeError")
    assert found["devices"] == {"nvidia-smi": "does not answer: CalledProcessError"}


def test_a_large_cache_is_given_up_after_a_while(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(10))
    assert environment.size(tmp_path) == (10, True)
    assert environment.size(tmp_path, patience=-1.0) == (0, False)


def test_it_imports_no_model_library() -> None:
    assert not imported("env") & MODELS
