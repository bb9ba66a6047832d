"""What the shell completes beside verbs and options: emotions, presets, kinds, components, runs. Imports no torch.

A function here gets the context and the word so far, and returns all that may stand there; typer keeps what begins with the word.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from emosym_registry import Registry

    from emosym.cli.globals import Globals

COMPLETING = "_EMOSYM_COMPLETE"
"""The environment variable by which a shell asks for completions."""
RUNS, STUDIES = Path("runs"), Path("studies")
BREAKS = (":", "=")
"""At which bash breaks words, so that it wants only what comes after them."""


def complete(app: Any, settings: Globals) -> int:
    """Print what can stand where the cursor is, and nothing at all where something is wrong."""
    begun = _join_words() if os.environ[COMPLETING] == "complete_bash" else ""
    out, status = io.StringIO(), 0
    try:
        with redirect_stdout(out), redirect_stderr(io.StringIO()):
            app(args=[], prog_name="emosym", standalone_mode=False, obj=settings)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    except Exception:
        return 1
    for line in out.getvalue().splitlines():
        print(line.removeprefix(begun) if begun else line)
    return status


def _join_words() -> str:
    """Put words together again that bash broke at ``:`` and ``=``; what it does not want of the last of them."""
    words = os.environ.get("COMP_WORDS", "").split("\n")
    place = int(os.environ.get("COMP_CWORD", "0"))
    joined, index = list[str](), 0
    for number, word in enumerate(words):
        goes_on = word in BREAKS or (
            bool(joined) and joined[-1].endswith(BREAKS) and not word.startswith("--")
        )
        if joined and goes_on:
            joined[-1] += word
        else:
            joined.append(word)
        if number == place:
            index = len(joined) - 1
    os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = "\n".join(joined), str(index)
    last = joined[index] if index < len(joined) else ""
    value = last.partition("=")[2] if last.startswith("--") else last
    return value[: max(value.rfind(mark) for mark in BREAKS) + 1]


def emotions(context: typer.Context, incomplete: str) -> list[str]:
    """Those of the system that the line names, else of the newest run, else Mikels' eight."""
    from emosym.contracts.labels import LABEL_SETS, MIKELS_8

    given = context.params.get("system") or context.params.get("run")
    for folder in [Path(given)] if given else reversed(run_folders()):
        for file in (folder / "system" / "spec.yaml", folder / "spec.yaml"):
            labels = _labels(file)
            if isinstance(labels, str):
                return list(LABEL_SETS.get(labels, MIKELS_8))
            if labels:
                return list(labels)
    return list(MIKELS_8)


def _labels(file: Path) -> Any:
    from ruamel.yaml import YAML

    try:
        return YAML(typ="safe", pure=True).load(file)["labels"]
    except Exception:
        return None


def presets(context: typer.Context, incomplete: str) -> list[str]:
    """Names of presets."""
    from emosym.spec.layers import preset_names

    return preset_names(_registry(context))


def specs(context: typer.Context, incomplete: str) -> list[str]:
    """YAML files and ``preset:NAME``."""
    return [*_files(incomplete), *(f"preset:{name}" for name in presets(context, incomplete))]


def studies(context: typer.Context, incomplete: str) -> list[str]:
    """YAML files, presets, and the folders of studies that were begun."""
    begun = sorted(str(one.parent) for one in STUDIES.glob("*/study.json"))
    return [*begun, *(one for one in specs(context, incomplete) if one.rstrip("/") not in begun)]


def kinds(context: typer.Context, incomplete: str) -> list[str]:
    """Kinds of components, and what a plugin without one is made as."""
    from emosym_registry import KINDS

    return [*KINDS, "hooks"]


def components(context: typer.Context, incomplete: str) -> list[str]:
    """Plugins and their components."""
    registry = _registry(context)
    return [*sorted(registry.plugins), *_names(registry, None)]


def of_kind(kind: str) -> Any:
    """Components of one kind."""

    def names(context: typer.Context, incomplete: str) -> list[str]:
        return _names(_registry(context), kind)

    return names


def overrides(context: typer.Context, incomplete: str) -> list[str]:
    """``KEY.name=COMPONENT`` for every section that names one."""
    from emosym.spec.model import COMPONENT_KEYS

    key, equals, _ = incomplete.partition("=")
    sections = {f"{section}.name": kind for section, kind in COMPONENT_KEYS.items()}
    if not equals:
        return [f"{section}=" for section in sections]
    return [f"{key}={name}" for name in _names(_registry(context), sections[key])] if key in sections else []


def stages(context: typer.Context, incomplete: str) -> list[str]:
    """Stages of training."""
    return ["compress", "reinforce", "unify"]


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """Run folders, the newest first."""
    return [str(folder) for folder in reversed(run_folders())]


def run_folders() -> list[Path]:
    """Folders under ``runs/`` in which a run was begun, the newest last."""
    files = RUNS.glob("*/run.json") if RUNS.is_dir() else ()
    return [one.parent for one in sorted(files, key=lambda file: (file.stat().st_mtime, file))]


def is_smoke(run: Path) -> bool:
    """Whether a run only looked whether its spec runs at all."""
    try:
        return json.loads((run / "run.json").read_text(encoding="utf-8")).get("smoke") is True
    except (OSError, ValueError, AttributeError):
        return False


def _registry(context: typer.Context) -> Registry:
    from emosym_registry import load_registry

    loaded: dict[Any, Registry] = context.obj.registries
    if None not in loaded:
        loaded[None] = load_registry(disabled=context.obj.no_plugin, on_failure=lambda failure: None)
    return loaded[None]


def _names(registry: Registry, kind: str | None) -> list[str]:
    return list(dict.fromkeys(one.spec.name for one in registry.components(kind)))


def _files(incomplete: str) -> Iterator[str]:
    """YAML files where the word points, and folders to go on in."""
    folder, _, start = incomplete.rpartition("/")
    base = Path(folder or ("/" if incomplete.startswith("/") else "."))
    for one in _listed(base):
        if one.name.startswith(start) and not (one.name.startswith(".") and not start):
            shown = f"{folder}/{one.name}" if "/" in incomplete else one.name
            if one.is_dir():
                yield f"{shown}/"
            elif one.suffix in (".yaml", ".yml"):
                yield shown


def _listed(folder: Path) -> Iterable[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return ()
