"""What others wrote (specs, saved systems, folders, leftovers) does not act on its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from emosym_registry import EmosymError, load_registry
from emosym_registry.discovery import discover

from emosym.experiment.folder import provenance
from emosym.spec import SpecErrors, load_spec


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


def test_a_quoted_hash_is_kept() -> None:
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
        (Path("runs") / name / "summary.json").write_text(json.dumps({"smoke": smoke}))
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
