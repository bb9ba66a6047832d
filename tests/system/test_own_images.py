"""The page on one's own images, on folders of pictures; and knowledge that knows nothing of any of them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from emosym_registry import EmosymError, Registry

from emosym.cli import main
from emosym.experiment.run import run_experiment
from emosym.spec import load_spec

PAGE = Path(__file__).parents[2] / "docs/how-to/your-own-images.md"


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _world_cache: object) -> Path:
    """A folder ``pictures`` with pictures by emotion, in the working directory."""
    monkeypatch.chdir(tmp_path)
    assert (
        main(["data", "make", "world", "--train", "96", "--val", "8", "--test", "8", "--workers", "1"]) == 0
    )
    for picture in sorted((tmp_path / "world" / "image").rglob("*.*")):
        owner = tmp_path / "pictures" / picture.parent.name
        owner.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, owner)
    return tmp_path / "pictures"


def test_the_pages_spec_runs(pictures: Path, registry: Registry) -> None:
    shown = re.search(r"`mine\.yaml`:\n\n```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    Path("mine.yaml").write_text(shown[1], encoding="utf-8")
    assert main(["data", "check", "--folder", "pictures"]) == 0
    summary = run_experiment(load_spec("mine.yaml", registry=registry), registry, Path("run"), smoke=True)
    assert set(summary["understanding"]["stages"]) == {"compress", "reinforce", "unify"}
    assert "emo_a" in summary["generation"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["own labels", "EmoSet"])
def test_a_new_spec_runs_as_it_is_written(kind: str, pictures: Path, registry: Registry) -> None:
    folder = pictures
    if kind == "own labels":
        for emotion in ("amusement", "anger", "disgust", "excitement", "contentment"):
            shutil.rmtree(pictures / emotion)
        (pictures / "awe").rename(pictures / "hopeful")
    else:
        folder = pictures.parent / "larger"  # metrics of pairs take two pictures of each emotion
        sizes = ("--train", "96", "--val", "16", "--test", "48", "--workers", "1")
        assert main(["data", "make", folder.name, *sizes]) == 0
        for file in folder.glob("annotation/**/*.json"):  # as EmoSet has them, without reasons
            content = json.loads(file.read_text())
            file.write_text(json.dumps({key: value for key, value in content.items() if "reason" not in key}))
    assert main(["spec", "new", "new.yaml", "--folder", folder.name]) == 0
    assert main(["spec", "check", "new.yaml"]) == 0
    assert main(["data", "check", "new.yaml"]) == 0
    summary = run_experiment(load_spec("new.yaml", registry=registry), registry, Path("run"), smoke=True)
    assert set(summary["understanding"]["stages"]) == {"compress", "reinforce", "unify"}
    assert "emo_a" in summary["generation"]


def test_the_check_of_data_says_what_the_run_would_refuse(
    pictures: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in Path("world/annotation").rglob("*.json"):
        content = json.loads(file.read_text())
        file.write_text(json.dumps({key: value for key, value in content.items() if "reason" not in key}))
    Path("mine.yaml").write_text(
        "emosym: 1\nextends: preset:tiny\nname: mine\ndata: {name: emoset, params: {root: world}}\n"
    )
    capsys.readouterr()
    assert main(["spec", "check", "mine.yaml"]) == 0
    assert "emosym data check says whether these have its texts" in capsys.readouterr().err
    assert main(["data", "check", "mine.yaml", "--json"]) == 2
    (found,) = json.loads(capsys.readouterr().out)
    assert "reasoning_blind" in found["problems"][0]
    assert "knowledge: null" in found["problems"][0]


def test_knowledge_without_a_text_is_refused_before_anything_trains(
    pictures: Path, registry: Registry
) -> None:
    sets = ("data={name: image-folder, params: {root: pictures}}",)
    resolved = load_spec("preset:tiny", registry=registry, sets=sets)
    with pytest.raises(EmosymError, match=r"annotations \{field: reasoning_blind\}") as error:
        run_experiment(resolved, registry, Path("run"), smoke=True)
    assert error.value.id == "data.no-knowledge"
    assert "text_encoder: null" in error.value.hint
    assert not Path("run").exists()
