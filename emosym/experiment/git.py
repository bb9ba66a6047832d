"""What git says of the working directory, without running anything that the directory's own configuration names."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import Any

_NOTHING = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "status.submoduleSummary": "false",
}
_QUIET = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_TERMINAL_PROMPT": "0",
}
"""No index is written, no object is fetched: a fetch would run the transport that the configuration names."""


def state() -> dict[str, Any]:
    """``commit`` and ``dirty``: the commit's hash, None outside a repository, and whether files differ from it."""
    # `git status` pipes a changed file through its clean filter, which is any command of the repository's configuration.
    filters = _git("config", "--name-only", "-z", "--get-regexp", r"^filter\..*\.(clean|process|required)$")
    values = {**_NOTHING, **dict.fromkeys(filter(None, (filters or "").split("\0")), "")}
    changed = _git("status", "--porcelain", "--ignore-submodules=all", config=values)
    return {"commit": _git("rev-parse", "HEAD"), "dirty": bool(changed)}


def _git(*words: str, config: Mapping[str, str] = _NOTHING) -> str | None:
    environment = {**os.environ, **_QUIET, "GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    try:
        done = subprocess.run(  # noqa: S603 - git, with nothing that a folder names
            ["git", *words],  # noqa: S607 - git, with nothing that a folder names
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10,
            check=True,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
