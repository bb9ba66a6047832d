"""What others wrote (specs, saved systems, folders, leftovers) does not act on its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import torch
from emosym_registry import EmosymError, load_registry
from emosym_registry.discovery import discover

from emosym.experiment.folder import provenance
from emosym.precision import choose_precision
from emosym.request import Request
from emosym.spec import SpecErrors, load_spec
from emosym.toolkit import files, read_json

ROOT = Path(__file__).parents[2]


def test_git_starts_nothing_that_a_folder_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "core.sshCommand"):
        subprocess.run(["git", "config", key, str(trap)], check=True)
    (tmp_path / "a").write_text("a")
    assert provenance({})["git"]["dirty"] is True
    assert not (tmp_path / "sprung").exists()


def test_thousands_of_mistakes_are_a_short_message(tmp_path: Path) -> None:
    file = tmp_path / "many.yaml"
    file.write_text(
        "emosym: 1\nextends: preset:tiny\nname: many\nmetrics: [" + ", ".join(["{nam: x}"] * 1200) + "]\n"
    )
    with pytest.raises(SpecErrors) as error:
        load_spec(file, registry=load_registry())
    assert len(error.value.problems) >= 1200
    lines = str(error.value).splitlines()
    assert len(lines) == 51
    assert lines[-1] == f"and {len(error.value.problems) - 50} more"


@pytest.mark.parametrize("value", ["run #2", "#2", "a #b"])
def test_a_comment_in_a_set_value_is_refused(value: str) -> None:
    with pytest.raises(SpecErrors, match="no further than the #"):
        load_spec("preset:tiny", registry=load_registry(), sets=[f"name={value}"])


def test_a_hash_inside_a_list_is_refused_too() -> None:
    sets = ['stages.unify.prompts=["a {emotion} #2"]'.replace("{emotion}", "<emotion>")]
    with pytest.raises(SpecErrors) as error:
        load_spec("preset:tiny", registry=load_registry(), sets=sets)
    assert "no further" in str(
        error.value
    )  # inside a list the quotes are the list's own, and YAML would keep it


def test_of_two_leftover_versions_the_newer_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("0.9.0", "0.10.0"):
        info = tmp_path / f"my_left-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: my-left\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("[emosym.plugins]\nmy-left = my_left.plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (found,) = [one for one in discover() if one.id == "my-left"]
    assert found.version == "0.10.0"


def test_a_smoke_system_is_no_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emosym.cli.common import saved_runs

    monkeypatch.chdir(tmp_path)
    for name, smoke in (("trained", False), ("tiny-smoke", True)):
        (Path("runs") / name / "system").mkdir(parents=True)
        (Path("runs") / name / "run.json").write_text(json.dumps({"id": name, "smoke": smoke}))
    os.utime(Path("runs/tiny-smoke/system"))
    assert saved_runs() == [Path("runs/trained")]


def test_a_spec_sends_no_secret_that_nobody_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    from emosym_memory.address import secrets

    url = "postgresql://me:{secret:HOME}@elsewhere/x"
    monkeypatch.delenv("EMOSYM_SECRETS", raising=False)
    with pytest.raises(EmosymError, match="would send the environment variable HOME to the host") as error:
        secrets(url)
    assert error.value.id == "memory.secret-not-allowed"
    monkeypatch.setenv("EMOSYM_SECRETS", "PASSWORD, HOME")
    assert secrets(url) == {"HOME": os.environ["HOME"]}


def test_a_precision_that_is_none_is_refused() -> None:
    with pytest.raises(EmosymError, match="unknown precision 'int8'") as error:
        choose_precision("int8", torch.device("cpu"))
    assert error.value.hint == "precisions: auto, fp32, bf16, fp16"


@pytest.mark.parametrize(("seed", "n"), [(2**64 - 1, 1), (2**63 - 2, 4), (-1, 1)])
def test_a_seed_that_generators_cannot_take_is_refused(seed: int, n: int) -> None:
    with pytest.raises(EmosymError, match=f"seed {seed} is not from 0") as error:
        Request("awe", seed=seed, n=n)
    assert error.value.id == "generate.bad-seed"


def test_every_path_of_a_saved_spec_is_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "mine").mkdir(parents=True)
    sets = ("data={name: image-folder, params: {root: pictures}}", "backbone.params.model=models/mine")
    saved = load_spec("preset:tiny", registry=load_registry(), sets=sets).document(qualified=True)
    assert saved["data"]["params"]["root"] == str(tmp_path / "pictures")
    assert saved["backbone"]["params"]["model"] == str(tmp_path / "models" / "mine")


def test_a_path_that_yaml_reads_as_a_number_asks_for_quotes() -> None:
    sets = ("data={name: image-folder, params: {root: 1e5}}",)
    with pytest.raises(SpecErrors, match="expected a path, found 100000.0; put it in quotes"):
        load_spec("preset:tiny", registry=load_registry(), sets=sets)


def test_notes_are_one_line_that_is_the_same_each_time(caplog: pytest.LogCaptureFixture) -> None:
    from emosym.cli.common import say_notes

    with caplog.at_level("INFO", "emosym.cli"):
        for messages in (["b", "a", "b"], ["a", "b"]):
            say_notes(messages)
        say_notes([])
    assert [record.message for record in caplog.records] == ["note: a; b"] * 2


def test_json_is_read_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json(file) == [1]
    file.write_text("[" * 200_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(file)
    monkeypatch.setattr(files, "LARGEST", 1000)
    with pytest.raises(EmosymError, match="a JSON file may have") as error:
        read_json(file)
    assert error.value.id == "files.too-large"


def test_nothing_is_unpickled_but_tensors_and_everything_we_write_is_safetensors() -> None:
    """But for the processes that we start ourselves, and checks that pickle what they unpickle."""
    own = ("emosym/testing/", "world/worker.py", "world/render.py")
    sources = [
        *ROOT.glob("emosym/**/*.py"),
        *ROOT.glob("registry/emosym_registry/**/*.py"),
        *ROOT.glob("plugins/*/emosym_*/**/*.py"),
    ]
    assert len(sources) > 200
    for path in sources:
        text = path.read_text(encoding="utf-8")
        for call in re.findall(r"torch\.load\((?:[^()]|\([^()]*\))*\)", text):
            assert "weights_only=True" in call, f"{path}: {call}"
        assert "torch.save(" not in text, path
        if not any(part in path.as_posix() for part in own):
            assert not re.search(
                r"pickle\.loads?\(|\b(shelve|marshal|dill|joblib|cloudpickle)\b|allow_pickle=True", text
            ), path
