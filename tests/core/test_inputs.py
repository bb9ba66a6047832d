"""Pictures in the forms that people have them, and what is none."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from emosym_registry import EmosymError
from PIL import Image

from emosym import download, inputs
from emosym.inputs import Given, as_source, from_array, from_tensor, given, is_one

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


@pytest.mark.parametrize(
    "array",
    [
        GREY,
        np.stack([GREY] * 3, -1),
        np.stack([GREY] * 4, -1),
        GREY[:, ::-1],
        GREY / 255,
        (GREY / 255).astype("f2"),
    ],
)
def test_an_array_is_the_picture_of_its_numbers(array: np.ndarray) -> None:
    shown = np.asarray(from_array(array), float)
    assert shown == pytest.approx(
        np.asarray(array, float) * (1 if array.dtype == np.uint8 else 255), abs=0.51
    )


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 4, 2)), r"an array \[3, 4, 2\]"),
        (np.zeros((3, 40, 40)), r"transpose\(1, 2, 0\)"),
        (np.zeros((2, 4, 4, 3)), r"list\(batch\)"),
        (np.zeros((0, 4)), r"an array \[0, 4\]"),
        (np.zeros(5), r"an array \[5\]"),
        (np.full((3, 3), 255.0), "from 255 to 255"),
        (np.full((3, 3), -0.1), "from -0.1"),
        (np.full((3, 3), np.nan), "from nan"),
        (np.zeros((3, 3), int), "an array of int64"),
        (np.zeros((3, 3), bool), "an array of bool"),
        (np.array([["a"]]), "an array of <U1"),
        (np.broadcast_to(np.uint8(0), (20_000, 20_000)), "of more than 100,000,000 pixels"),
    ],
)
def test_an_array_that_is_no_picture_says_why(array: np.ndarray, said: str) -> None:
    with pytest.raises(EmosymError, match=said) as caught:
        from_array(array)
    assert caught.value.id in ("data.bad-array", "data.large-image")


def test_a_tensor_has_its_channels_first() -> None:
    rows = torch.tensor(np.stack([GREY, GREY // 2, GREY // 3]))
    wanted = np.stack([GREY, GREY // 2, GREY // 3], -1)
    assert (np.asarray(from_tensor(rows)) == wanted).all()
    assert (np.asarray(from_tensor(rows[:1])) == GREY).all()
    half = np.asarray(from_tensor((rows / 255).to(torch.bfloat16)), float)
    assert half == pytest.approx(wanted, abs=1.01)
    for wrong in (rows[None], rows[0], rows.permute(1, 2, 0)[:2]):
        with pytest.raises(EmosymError, match="a tensor"):
            from_tensor(wrong)


def test_what_is_one_and_what_is_several(tmp_path: Path) -> None:
    ones = [
        "a.jpg",
        Path("a.jpg"),
        b"",
        Image.new("L", (1, 1)),
        GREY,
        torch.zeros(3, 1, 1),
        "https://x/y.png",
    ]
    assert all(map(is_one, ones))
    assert not any(map(is_one, [[], (), tmp_path, str(tmp_path), iter(ones)]))
    for name in ("b.png", "a.png", "c/d.png", "no.txt", ".hidden.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / name, "PNG")
    found = list(given(["x.jpg", tmp_path, GREY]))
    names = ["x.jpg", *(tmp_path / name for name in ("a.png", "b.png", "c/d.png"))]
    assert [one.picture for one in found[:4]] == names
    assert [one.named for one in found] == [True, False, False, False, True]
    assert found[4].sample().id == "image-4"
    with pytest.raises(EmosymError) as caught:
        as_source(7)
    assert caught.value.id == "data.no-picture"


@pytest.fixture
def web() -> Iterator[str]:
    """A server with a picture, and with much that is none."""
    picture = BytesIO()
    Image.new("RGB", (5, 4), "teal").save(picture, "PNG")

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path in ("/file", "/moved"):
                self.send_response(302)
                self.send_header("Location", "file:///etc/passwd" if path == "/file" else "/a.png")
                self.end_headers()
                return
            self.send_response(200 if path in ("/a.png", "/page", "/slow", "/large") else 404)
            self.end_headers()
            try:
                if path == "/a.png":
                    self.wfile.write(picture.getvalue())
                elif path == "/page":
                    self.wfile.write(b"<html>")
                elif path == "/large":
                    self.wfile.write(bytes(5000))
                while path == "/slow":
                    self.wfile.write(b"x")
                    time.sleep(0.05)
            except OSError:
                pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["/a.png", "/moved"])
def test_a_picture_is_fetched_from_its_address(web: str, path: str) -> None:
    sample = Given(web + path).sample()
    assert sample.id == web + path
    assert sample.open()[0].size == (5, 4)


@pytest.mark.parametrize(
    ("path", "id", "said"),
    [
        ("/none", "data.download-failed", "404 Not Found"),
        ("/page", "data.bad-image", "not a readable image"),
        ("/slow", "data.download-failed", "not there after 0.2 seconds"),
        ("/large", "data.large-download", "more than"),
        ("/file", "data.download-failed", "302"),
    ],
)
def test_an_address_with_no_picture_is_one_error_that_names_it(
    web: str, path: str, id: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LARGEST", 4000)
    monkeypatch.setattr(download, "PATIENCE", 0.2)
    with pytest.raises(EmosymError) as caught:
        Given(web + path).sample().open()
    assert caught.value.id == id
    assert web + path in caught.value.message
    assert said in caught.value.message


def test_a_server_that_is_not_there_is_said() -> None:
    for url in ("http://127.0.0.1:9/a.png", "https://127.0.0.1:9/a.png", "http://"):
        with pytest.raises(EmosymError) as caught:
            inputs.as_source(url)
        assert caught.value.id == "data.download-failed"
