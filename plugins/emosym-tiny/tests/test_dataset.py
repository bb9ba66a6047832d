"""The embedded world as a dataset, its cache, its command and what the plugin has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from emosym_registry import EmosymError, load_registry
from emosym_tiny.command import app
from emosym_tiny.config import TinyWorldConfig
from emosym_tiny.dataset import TinyWorld, bayes_accuracy, cache_folder, make
from emosym_tiny.world import EMOTIONS, World
from typer.testing import CliRunner

from emosym.contracts import Context, LabelSet

SMALL = {"train": 24, "val": 8, "test": 8, "seed": 5, "workers": 1}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOSYM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def world(labels: Any = "mikels-8", **params: Any) -> TinyWorld:
    return TinyWorld(TinyWorldConfig.model_validate({**SMALL, **params}), Context(LabelSet.of(labels)))


def test_the_world_is_drawn_on_first_use_and_read_afterwards(cache: Path) -> None:
    data = world()
    assert not cache.exists()
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [24, 8, 8]
    sample = data.split("train")[0]
    assert sample.open()[0].size == (64, 64)
    assert sample.id.startswith(data.context.labels.names[sample.label or 0])
    assert {"scene", "object", "caption", "reasoning", "reasoning_blind"} <= set(sample.attributes)
    drawn = (cache_folder(data.config) / "world.json").stat().st_mtime_ns
    assert world().split("train")[0] == sample
    assert (cache_folder(data.config) / "world.json").stat().st_mtime_ns == drawn


def test_other_worlds_have_other_folders_and_subsets_share_one() -> None:
    folders = {
        cache_folder(TinyWorldConfig(**params)) for params in ({}, {"seed": 1}, {"wrong": 0.2}, {"train": 8})
    }
    assert len(folders) == 4
    assert cache_folder(TinyWorldConfig(labelled=80, workers=1)) == cache_folder(TinyWorldConfig())


def test_two_that_ask_at_once_get_one_world() -> None:
    with ThreadPoolExecutor(2) as pool:
        ids = list(pool.map(lambda _: [s.id for s in world().split("train")], range(2)))
    assert ids[0] == ids[1]


def test_facts_hold_the_bayes_accuracy_and_the_hash(tmp_path: Path) -> None:
    facts = world().facts()
    assert facts["bayes_accuracy"] == World().bayes_accuracy
    assert facts["sha256"] == make(tmp_path / "out", **SMALL)["sha256"]


def test_binary_bayes_accuracy_agrees_with_the_posterior() -> None:
    table = World().posterior_table
    weight = World().likelihood.sum(0) / len(EMOTIONS)
    positive = sum(
        table[i]
        for i, name in enumerate(EMOTIONS)
        if name in ("amusement", "awe", "contentment", "excitement")
    )
    slow = sum(max(p, 1 - p) * w for p, w in zip(positive.ravel(), weight.ravel(), strict=True))  # type: ignore[union-attr]
    assert bayes_accuracy(("negative", "positive")) == pytest.approx(slow, abs=1e-12)
    assert world("binary").facts()["bayes_accuracy"] == bayes_accuracy(("negative", "positive"))


def test_a_folder_with_another_world_is_a_problem(tmp_path: Path) -> None:
    make(tmp_path / "out", **SMALL)
    assert world(root=tmp_path / "out").problems() == []
    problems = world(root=tmp_path / "out", seed=6).problems()
    assert len(problems) == 1
    assert "seed 5 there, 6 here" in problems[0]


def test_make_refuses_a_full_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(EmosymError, match="not an empty folder"):
        make(tmp_path, **SMALL)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_the_command_writes_a_world(tmp_path: Path) -> None:
    given = [
        str(tmp_path / "out"),
        "--train",
        "24",
        "--val",
        "8",
        "--test",
        "8",
        "--seed",
        "5",
        "--workers",
        "1",
    ]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert "40 images" in result.output
    assert world(root=tmp_path / "out").problems() == []


def test_the_plugin_has_the_world_and_a_tiny_model_for_each_component() -> None:
    registry = load_registry(only=["emosym-tiny"])
    assert registry.failures == []
    assert registry.find("dataset", "tiny-world").load() is TinyWorld
    for kind, component in (
        ("backbone", "qwen-vl"),
        ("diffusion", "sdxl"),
        ("judge", "image-classifier"),
        ("text_encoder", "open-clip"),
    ):
        folder = registry.alias(kind, component, "tiny")
        assert folder is not None
        assert folder.parent.name == "weights"
