"""The embedded world as a dataset: drawn on first use, then read like any folder in EmoSet's layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from emosym_data import EmoSet, EmoSetConfig
from emosym_registry import EmosymError
from filelock import FileLock

from emosym.contracts import POSITIVE, Context
from emosym.toolkit import cache_folder as cache_root
from emosym_tiny.config import TinyWorldConfig

LICENCE = "Apache-2.0"
MADE_OF = ("train", "val", "test", "seed", "size", "wrong")
"""The parameters that decide what is drawn."""


class TinyWorld(EmoSet):
    """Rendered pictures whose best possible reading is known exactly (``facts()["bayes_accuracy"]``)."""

    config: TinyWorldConfig
    name = "tiny-world"

    def __init__(self, config: TinyWorldConfig, context: Context) -> None:
        self._root: Path | None = None
        reading = config.model_dump(include=set(EmoSetConfig.model_fields) - {"root"})
        super().__init__(EmoSetConfig(root=config.root or cache_folder(config), **reading), context)
        self.config = config

    def root(self) -> Path:
        if self._root is None:
            self._root = ensure(super().root(), self.config)
        return self._root

    def facts(self) -> Mapping[str, Any]:
        manifest = json.loads((self.root() / "world.json").read_text(encoding="utf-8"))
        return {
            "bayes_accuracy": bayes_accuracy(self.context.labels.names),
            "sha256": manifest["sha256"],
            "licence": LICENCE,
            "wrong": manifest["wrong"],
        }


def make(out: Path | str, **params: Any) -> dict[str, Any]:
    """Write a world of these ``params`` into the new or empty folder ``out`` and return its manifest."""
    return _write(Path(out).expanduser(), TinyWorldConfig.model_validate(params))


def bayes_accuracy(names: tuple[str, ...]) -> float:
    """Accuracy of the best possible reader: over the eight emotions, or over positive and negative."""
    from emosym_tiny.world import EMOTIONS, World

    world = World()
    if set(names) == set(EMOTIONS):
        return world.bayes_accuracy
    positive = np.isin(EMOTIONS, list(POSITIVE))
    best = np.maximum(world.likelihood[positive].sum(0), world.likelihood[~positive].sum(0))
    return float(best.sum() / len(EMOTIONS))


def cache_folder(config: TinyWorldConfig) -> Path:
    """The folder of this world: other parameters, or other drawing code, get another."""
    identity = json.dumps([_identity(config), _code_version()], sort_keys=True)
    return cache_root() / "worlds" / hashlib.sha256(identity.encode()).hexdigest()[:16]


def ensure(folder: Path, config: TinyWorldConfig) -> Path:
    """``folder`` with the world in it, drawn now if it is not there, by one of those that ask at once."""
    if not (folder / "world.json").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if not (folder / "world.json").exists():
                _write(folder, config)
    manifest = json.loads((folder / "world.json").read_text(encoding="utf-8"))
    there, here = {**manifest, **manifest["splits"]}, _identity(config)
    differing = [
        f"{key} {there[key]} there, {value} here" for key, value in here.items() if there[key] != value
    ]
    if differing:
        raise EmosymError(
            "data.other-world",
            f"{folder} holds another world: {', '.join(differing)}",
            hint="choose another data.params.root",
        )
    return folder


def _write(folder: Path, config: TinyWorldConfig) -> dict[str, Any]:
    from emosym_tiny.world import write_emoset

    try:
        return write_emoset(folder, **_identity(config), workers=config.workers)
    except OSError as error:
        raise EmosymError(
            "data.cannot-write-world",
            f"{folder}: {error}",
            hint="name a new or empty folder on a disk with space",
        ) from error


def _identity(config: TinyWorldConfig) -> dict[str, Any]:
    return config.model_dump(include=set(MADE_OF))


def _code_version() -> str:
    """A hash of the code and the phrases, so that a cached world is never one that they would not make."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent / "world"
    for file in sorted([*folder.glob("*.py"), *folder.glob("*.toml")]):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()
