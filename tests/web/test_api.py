"""The page's HTTP API: the example of the documentation, word for word, and the password."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from emosym.web.room import Room

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "web.md"


def test_the_example_of_the_page_runs(
    address: str, room: Room, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.open(photo).save("my-photo.jpg")
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(example.replace("http://127.0.0.1:7860", address), names)
    readings, (png,) = names["readings"], names["files"]  # type: ignore[misc]
    assert [one["image"] for one in readings] == ["my-photo.jpg"]  # type: ignore[attr-defined]
    recipe = json.loads(Image.open(str(png)).text["emosym"])  # type: ignore[attr-defined]
    assert (recipe["emotion"], recipe["seed"]) == ("awe", 0)
    with room.lock:  # the cancelled painting has let go of the model
        pass


def test_a_mistake_is_told_to_programs_too(address: str, tmp_path: Path) -> None:
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    (tmp_path / "broken.jpg").write_text("no picture")
    client = Client(address, verbose=False)
    with pytest.raises(AppError, match=r"broken\.jpg: not a readable image"):
        client.predict([handle_file(str(tmp_path / "broken.jpg"))], 0, False, api_name="/understand")


def test_programs_find_its_description(address: str) -> None:
    with urllib.request.urlopen(f"{address}gradio_api/openapi.json") as answer:
        paths = json.load(answer)["paths"]
    for name in ("understand", "create", "transfer", "bank_mask", "bank_restore", "compare", "study"):
        assert any(path.endswith(f"/{name}") for path in paths), name


def test_with_a_password_nobody_enters_without_it(room: Room) -> None:
    from gradio_client import Client

    from emosym.web.app import launched

    page, url = launched(room, "127.0.0.1", None, "secret")
    try:
        with pytest.raises(Exception, match="401|auth|login|credentials"):
            Client(url, verbose=False).predict(["x"], api_name="/compare")
        Client(url, auth=("anyone", "secret"), verbose=False)
    finally:
        page.close()
