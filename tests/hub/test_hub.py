"""Systems on the hub, against a stand-in on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from emosym_registry import EmosymError
from huggingface_hub import constants
from PIL import Image

from emosym.hub import CARD, FILES, fetched, pushed, require_public, write_portable
from emosym.reasons import FILE, KnowledgeIndex
from emosym.system import System

from .server import COMMIT, Hub

PHOTO = Image.linear_gradient("L").convert("RGB")


def written(folder: Path) -> str:
    """All text of a saved system."""
    return "".join(path.read_text() for path in folder.iterdir() if path.suffix in (".yaml", ".json", ".md"))


def test_a_pushed_system_comes_back_the_same_by_its_id(hub: Hub, system: System) -> None:
    assert system.push_to_hub("me/tiny") == f"{hub.url}/me/tiny/commit/{COMMIT}"
    files = hub.repositories["me/tiny"]
    assert CARD in files
    assert set(files) <= {*FILES, CARD, ".gitattributes"}
    assert 'from_pretrained("me/tiny")' in files[CARD].decode()
    again = System.from_pretrained("me/tiny", device="cpu", precision="fp32")
    assert again.fingerprint() == system.fingerprint()
    assert again.understand(PHOTO) == system.understand(PHOTO)


def test_texts_of_the_training_data_go_along_unless_they_are_to_stay(
    hub: Hub, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = "Ann, who lives in the house by the sea"
    index = KnowledgeIndex((private,), torch.zeros(1, 8, dtype=torch.float16))
    monkeypatch.setattr(system, "knowledge", index)
    system.push_to_hub("me/told")
    system.push_to_hub("me/silent", knowledge=False)
    told, silent = hub.repositories["me/told"], hub.repositories["me/silent"]
    assert set(told) - set(silent) == {FILE}
    assert f"`{FILE}` holds texts" in told[CARD].decode()
    assert "No text of the training data is inside" in silent[CARD].decode()
    assert private.encode() not in b"".join(silent.values())
    again = System.from_pretrained("me/told", device="cpu").knowledge
    assert again is not None
    assert list(again.texts) == [private]
    assert System.from_pretrained("me/silent", device="cpu").knowledge is None
    system.push_to_hub("me/told", knowledge=False)
    assert FILE not in hub.repositories["me/told"]


def test_a_card_that_somebody_wrote_stays_and_parts_that_are_gone_go(hub: Hub, system: System) -> None:
    hub.repositories["me/tiny"] = {CARD: b"mine", "knowledge.parquet": b"old", "photo.jpg": b"theirs"}
    system.push_to_hub("me/tiny")
    files = hub.repositories["me/tiny"]
    assert files[CARD] == b"mine"
    assert "knowledge.parquet" not in files
    assert files["photo.jpg"] == b"theirs"


def test_nothing_but_a_saved_systems_own_files_is_fetched(hub: Hub, system: System, tmp_path: Path) -> None:
    folder = system.save(tmp_path / "system")
    hub.repositories["me/odd"] = {path.name: path.read_bytes() for path in folder.iterdir()} | {
        "modeling.py": b"raise SystemExit",
        "weights.bin": b"pickle",
    }
    there = fetched("me/odd")
    assert {path.name for path in there.iterdir()} == {path.name for path in folder.iterdir()}
    assert not any("modeling" in one or "weights.bin" in one for one in hub.asked)


@pytest.mark.parametrize(
    ("name", "options", "id", "said"),
    [
        ("me/none", {}, "hub.no-such-system", "no folder me/none here"),
        ("me/tiny", {"revision": "v9"}, "hub.no-such-revision", "no revision 'v9'"),
        ("me/shut", {}, "hub.no-access", "hf auth login"),
        ("no such folder", {}, "system.not-found", "no such folder"),
        ("me/new", {"local_files_only": True}, "hub.unreachable", "local_files_only was given"),
    ],
)
def test_what_cannot_be_had_is_one_sentence(hub: Hub, name: str, options: dict, id: str, said: str) -> None:
    hub.repositories |= {"me/tiny": {"spec.yaml": b"emosym: 1"}, "me/shut": {"spec.yaml": b""}}
    hub.private.add("me/shut")
    with pytest.raises(EmosymError) as caught:
        fetched(name, token=False, **options)
    assert caught.value.id == id
    assert said in str(caught.value)


def test_a_token_opens_what_is_private(hub: Hub) -> None:
    hub.repositories["me/shut"] = {"spec.yaml": b"emosym: 1"}
    hub.private.add("me/shut")
    assert (fetched("me/shut", token="secret", revision="main") / "spec.yaml").read_bytes() == b"emosym: 1"


def test_a_hub_that_is_gone_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(EmosymError, match="check the network and HF_ENDPOINT") as caught:
        fetched("me/tiny", cache_dir=tmp_path, token=False)
    assert caught.value.id == "hub.unreachable"
    with pytest.raises(EmosymError, match="OWNER/NAME"):
        pushed(tmp_path, "tiny")


@pytest.mark.parametrize("offline", [True, False])
def test_offline_is_one_error_unless_it_is_in_the_cache(hub: Hub, tmp_path: Path, offline: bool) -> None:
    """In a process of its own: the hub's library reads its variables when it is imported."""
    hub.repositories["me/tiny"] = {"spec.yaml": b"emosym: 1", "system.json": b"{}"}
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
    }
    code = "from emosym.hub import fetched\ntry:\n    print(sorted(p.name for p in fetched('me/tiny').iterdir()))\n"
    code += "except Exception as error:\n    print(error.id, error)"

    def run(**more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], env={**environment, **more}, capture_output=True, text=True, timeout=200, check=True
        )  # fmt: skip
        return done.stdout

    if offline:
        refused = run(HF_HUB_OFFLINE="1")
        assert refused.startswith("hub.unreachable me/tiny on ")
        assert "HF_HUB_OFFLINE is set" in refused
        assert "load it once with a network" in refused
        return
    assert run() == run(HF_HUB_OFFLINE="1") == "['spec.yaml', 'system.json']\n"


def test_a_portable_folder_says_nothing_of_this_machine(system: System, tmp_path: Path) -> None:
    folder = system.save(tmp_path / "system")
    assert "source" in written(folder)
    write_portable(folder, system.resolved)
    assert str(Path.home()) not in written(folder)
    assert "/plugins/" not in written(folder)
    assert System.load(folder, device="cpu", precision="fp32").fingerprint() == system.fingerprint()


def test_a_system_that_starts_from_a_folder_of_this_machine_is_not_pushed(
    system: System, tmp_path: Path
) -> None:
    require_public(system.resolved)
    config = system.resolved.spec.model_copy(deep=True)
    assert config.backbone is not None
    config.backbone.params["model"] = str(tmp_path)
    local = type(system.resolved)(config, {}, {}, [], {})
    with pytest.raises(EmosymError, match=r"backbone\.params\.model") as caught:
        require_public(local)
    assert caught.value.id == "hub.local-model"
