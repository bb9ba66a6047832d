"""New specs for pictures and emotions of one's own, and labels that a component does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from emosym_registry import Registry, load_registry

from emosym.spec import SpecErrors, load_spec
from emosym.spec.own import Own, labels_in, layout_of
from emosym.spec.template import new_spec

PRESETS = ("tiny", "paper", "emosym", "official")


@pytest.fixture(scope="module")
def installed() -> Registry:
    return load_registry(strict=True)


def folders(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).mkdir(parents=True)
    return root


@pytest.mark.parametrize("full", [False, True], ids=["short", "full"])
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("kind", ["own labels", "mikels", "binary", "emoset", "labels alone"])
def test_what_is_written_is_sound(
    kind: str, preset: str, full: bool, installed: Registry, tmp_path: Path
) -> None:
    own = {
        "own labels": Own(tmp_path, "image-folder", ["calm", "tense"]),
        "mikels": Own(tmp_path, "image-folder", "mikels-8"),
        "binary": Own(tmp_path, "image-folder", "binary"),
        "emoset": Own(tmp_path, "emoset"),
        "labels alone": Own(labels=["calm", "tense", "tired"]),
    }[kind]
    spec = tmp_path / "mine.yaml"
    spec.write_text(new_spec(preset, "mine", installed, full=full, own=own))
    resolved = load_spec(spec, registry=installed)
    data = resolved.data()
    assert data["labels"] == (own.labels or "mikels-8")
    if own.root is not None:
        assert data["data"]["params"]["root"] == str(tmp_path)
        assert (data["knowledge"] is None) is (own.dataset != "emoset")
    wheel = any(item["name"].endswith("wheel") for item in data["rewards"])
    if kind in ("own labels", "binary", "labels alone"):
        assert not wheel
        assert data["judges"]["bank"] is None
        assert data["judges"]["evaluate"]["name"].endswith("probe")


def test_folders_say_what_the_emotions_are(tmp_path: Path) -> None:
    assert labels_in(folders(tmp_path / "a", "calm", "Tense", ".git")) == ["Tense", "calm"]
    assert labels_in(folders(tmp_path / "b", "train/positive", "train/Negative", "val/positive")) == "binary"
    mikels = ("amusement", "Awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
    assert labels_in(folders(tmp_path / "c", *mikels)) == "mikels-8"
    emoset = folders(tmp_path / "d", "annotation", "image")
    assert (layout_of(emoset), labels_in(emoset)) == ("emoset", None)


def test_labels_that_do_not_fit_are_refused_with_the_spec(installed: Registry, tmp_path: Path) -> None:
    spec = tmp_path / "mine.yaml"
    spec.write_text("emosym: 1\nextends: preset:tiny\nname: mine\nlabels: [calm, tense]\n")
    with pytest.raises(SpecErrors) as errors:
        load_spec(spec, registry=installed)
    found = {problem.path: (problem.line, problem.message) for problem in errors.value.problems}
    assert found["rewards.1"][0] == 4
    assert "reward wheel knows amusement" in found["rewards.1"][1]
    assert "nobody has said it" in found["metrics.3"][1]
