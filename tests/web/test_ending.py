"""How the page ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_nothing_that_was_dropped_on_the_page_stays_when_it_ends(
    asked: signal.Signals, runs: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", "import sys; from emosym.cli import main; sys.exit(main())"]
    page = subprocess.Popen(
        [*command, "web", str(runs / "mine")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
    )
    assert page.stdout is not None
    assert page.stdout.readline().startswith("emosym: http")
    assert len([*tmp_path.glob("emosym-web-*")]) == 1
    page.send_signal(asked)
    assert page.wait(60) == 0
    assert [*tmp_path.glob("emosym-web-*")] == []
