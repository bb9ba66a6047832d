"""How the page ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path


def test_nothing_that_was_dropped_on_the_page_stays_when_it_ends(runs: Path, tmp_path: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-c", "import sys; from emosym.cli import main; sys.exit(main())"]
    page = subprocess.Popen(
        [*command, "web", str(runs / "mine"), "--port", str(port)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
    )
    assert page.stdout is not None
    assert page.stdout.readline().startswith("emosym: http")
    assert len([*tmp_path.glob("emosym-web-*")]) == 1
    page.send_signal(signal.SIGTERM)
    assert page.wait(60) == 0
    assert [*tmp_path.glob("emosym-web-*")] == []
