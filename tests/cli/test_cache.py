"""``emosym cache``: what is kept, and how to have the space back."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import torch

from emosym.toolkit import Store, key_of
from emosym.toolkit.spaces import ABOUT, spaces

from .conftest import Command


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOSYM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def keep(kind: str, model: str, age: float = 9000.0) -> str:
    """Something kept and last used so long ago; the name of its folder."""
    before = {space.folder for space in spaces()}
    Store(kind, {"model": model}, 4).recall([key_of(1)], lambda _: [{"one": torch.zeros(1000)}])
    (folder,) = {space.folder for space in spaces()} - before
    os.utime(folder / ABOUT, (time.time() - age,) * 2)
    return folder.name


def test_it_shows_what_is_kept_and_clears_it(emosym: Command, cache: Path) -> None:
    assert emosym("cache", "show").out == f"0.0 MB in {cache / 'kept'}\n"
    first, second = keep("prefixes", "qwen", 2 * 86400), keep("latents", "sd")
    lines = emosym("cache", "show").out.splitlines()
    assert lines[0].split() == ["kind", "size", "last", "used", "name", "model"]
    assert lines[1].split()[0] == "prefixes"
    assert "2 days ago" in lines[1]
    assert lines[1].split()[-2:] == [first, "qwen"]
    assert "2 hours ago" in lines[2]

    listed = json.loads(emosym("cache", "show", "--json").out)
    assert [(one["kind"], one["about"]) for one in listed] == [
        ("prefixes", {"model": "qwen"}),
        ("latents", {"model": "sd"}),
    ]
    assert all(one["bytes"] > 0 for one in listed)

    assert emosym("cache", "clear", "latents").out.startswith("cleared ")
    assert [space.folder.name for space in spaces()] == [first]
    assert second not in os.listdir(cache / "kept")
    assert emosym("cache", "clear").status == 0
    assert spaces() == []


def test_what_may_be_in_use_stays_unless_it_is_forced(emosym: Command) -> None:
    name = keep("prefixes", "qwen", age=0)
    assert "left 1 folder used in the last ten minutes" in emosym("cache", "clear").out
    assert [space.folder.name for space in spaces()] == [name]
    emosym("cache", "clear", name, "--force")
    assert spaces() == []


def test_a_name_that_is_not_there_is_an_error(emosym: Command) -> None:
    keep("prefixes", "qwen")
    refused = emosym("cache", "clear", "prefix")
    assert refused.status != 0
    assert 'did you mean "prefixes"?' in refused.err
    assert len(spaces()) == 1
