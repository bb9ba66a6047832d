"""The page as the README opens it, and how it ends."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from emosym_registry import EmosymError

from emosym.cli.web import require_free
from tests.web.conftest import TEXTS

README = Path(__file__).parents[2] / "README.md"


def test_the_one_more_command_of_the_readme_opens_the_page_for_one_s_own_photo_and_leaves_nothing(
    runs: Path, photo: Path, tmp_path: Path
) -> None:
    from gradio_client import Client, handle_file

    (words,) = re.findall(r"```console\n(\.venv/bin/emosym web.*)\n```", README.read_text(encoding="utf-8"))
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    kept = tmp_path / "kept"
    kept.mkdir()
    shutil.copytree(runs / "mine", tmp_path / "clone" / "runs" / "tiny")  # as make demo leaves it
    page = subprocess.Popen(
        [
            *(sys.executable, "-c", "import sys; from emosym.cli import main; sys.exit(main())"),
            *(*shlex.split(words)[1:], "--port", str(port)),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(kept)},
        cwd=tmp_path / "clone",
    )
    assert page.stdout is not None
    assert page.stdout.readline() == f"emosym: http://127.0.0.1:{port}/\n"
    client = Client(f"http://127.0.0.1:{port}", verbose=False, download_files=str(tmp_path / "own"))
    ((reading,), shown) = client.predict([handle_file(str(photo))], 1, False, api_name="/understand")
    assert reading["image"] == photo.name
    assert reading["reasons"][0]["text"] in TEXTS
    assert f"read as {reading['emotion']}" in shown
    client.close()
    page.send_signal(signal.SIGTERM)
    assert page.wait(60) == 0
    assert [*kept.glob("emosym-web-*")] == []


def test_a_port_that_is_taken_is_told_with_another_to_take() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(EmosymError) as caught:
            require_free("127.0.0.1", port)
    assert caught.value.id == "web.port-taken"
    assert f"127.0.0.1, port {port}: address already in use" in caught.value.message
    require_free("127.0.0.1", port)  # free again
