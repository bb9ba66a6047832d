"""Finished stages that several runs share: each lies in a folder named after all that its result comes from."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError

from emosym.experiment.folder import RunFolder
from emosym.experiment.lock import locked
from emosym.report import METRICS, ROLLOUTS
from emosym.spec import Resolved
from emosym.spec.nodes import leaves
from emosym.spec.reads import KEY, stage_keys
from emosym.storage import State, read_state, size_of, write_state
from emosym.toolkit import json_text, read_json, read_json_lines, written_whole
from emosym.toolkit.files import write_json_lines

READ = ("adapters", "compressor", "head")
"""Parts of a system that the stages before unify train."""
POLL = 0.5
"""Seconds between looks at a stage that somebody else is training."""
LEFT: Mapping[str, tuple[str, ...]] = {
    "reinforce": (ROLLOUTS,),
    "unify": ("ledger.jsonl", "sheets/bank.png", "sheets/bank.json"),
}
"""What a stage leaves in a run folder for people, beside its figures."""


def keys_of(
    resolved: Resolved, *, data: str, device: str, precision: str, smoke: bool, texts: str = ""
) -> dict[str, str]:
    """By stage, a name for its result: a hash of what it reads (:func:`stage_keys`), which stays the same where nothing is
    loaded yet, and behind a dash one of data, weights and arithmetic.

    ``texts`` is a hash of those that knowledge has made: they count, and the file that they are kept in, and that other
    runs add to, does not.
    """
    beside, files = stage_keys(resolved), contents(resolved)
    made = {"texts": texts} if texts else {}
    if texts:
        files = {path: content for path, content in files.items() if not path.startswith("knowledge.")}
    exact = stage_keys(resolved, files, data=data, device=device, precision=precision, smoke=smoke, **made)
    return {stage: f"{beside[stage][:KEY]}-{exact[stage][:KEY]}" for stage in exact}


class SharedStage:
    """The folder of one stage's result. It is there whole or not at all, under a lock while somebody trains it."""

    def __init__(self, store: Path, stage: str, key: str) -> None:
        self.stage, self.key = stage, key
        self.folder = store / f"{stage}-{key}"

    @property
    def result(self) -> Path:
        return self.folder / "result"

    @property
    def finished(self) -> bool:
        return (self.result / "stage.json").is_file()

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Own the folder, after waiting for whoever trains the stage."""
        with ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(locked(self.folder))
                    break
                except EmosymError as error:
                    if error.id != "run.locked":
                        raise
                time.sleep(POLL)
            yield

    def keep(self, run: RunFolder, state: State, facts: Mapping[str, Any]) -> None:
        """Put what a run has trained here: weights, facts, its lines of ``metrics.jsonl``, its evaluation."""
        parts = {name: part for name, part in state.items() if self.stage == "unify" or name in READ}
        with written_whole(self.result, size_of(parts)) as partial:
            (partial / "parts").mkdir(parents=True)
            files = write_state(partial / "parts", parts)
            lines = [line for line in read_json_lines(run.path / METRICS) if line.get("stage") == self.stage]
            _copy_some(run.path, partial, [self._gradients, *LEFT.get(self.stage, ())])
            whole = {"stage": self.stage, "run": str(run.path), "files": files, "facts": dict(facts)}
            (partial / "stage.json").write_text(json_text({**whole, "lines": lines}), encoding="utf-8")

    def take(self, run: RunFolder) -> tuple[State, dict[str, Any]]:
        """Weights and facts of the finished stage; what a run folder says of it is put into ``run``.

        Errors: ``store.damaged``.
        """
        try:
            kept = read_json(self.result / "stage.json")
            state = read_state(self.result / "parts", kept["files"])
            if missing := sorted({Path(name).stem for name in kept["files"]} - set(state)):
                raise ValueError(f"{missing[0]}.safetensors is missing")
            facts, lines = dict(kept["facts"]), list(kept["lines"])
        except (OSError, ValueError, KeyError, TypeError, EmosymError) as error:
            what = error.message if isinstance(error, EmosymError) else f"{self.result}: {error}"
            raise EmosymError(
                "store.damaged", what, hint=f"delete {self.folder}; the stage is trained again then"
            ) from error
        others = [line for line in read_json_lines(run.path / METRICS) if line.get("stage") != self.stage]
        write_json_lines(run.path / METRICS, [*others, *lines])
        _copy_some(self.result, run.path, [self._gradients, *LEFT.get(self.stage, ())])
        return state, facts

    def keep_figures(self, run: RunFolder, key: str) -> None:
        """Keep what a run has measured of the stage, for runs that measure the same: ``key`` of :func:`evaluation_key`."""
        with written_whole(self._measured(key)) as partial:
            _copy_some(run.path, partial, [f"evaluation/{name}" for name in self._figures])

    def take_figures(self, run: RunFolder, key: str) -> bool:
        """Put what another run has measured of the stage into ``run``; False where nobody has."""
        there = self._measured(key)
        _copy_some(there, run.path, [f"evaluation/{name}" for name in self._figures])
        return there.is_dir()

    def _measured(self, key: str) -> Path:
        return self.folder / "measured" / key[:KEY]

    @property
    def _figures(self) -> tuple[str, str]:
        return f"{self.stage}.json", f"{self.stage}-readings.parquet"

    @property
    def _gradients(self) -> str:
        return f"evaluation/gradients-{self.stage}.json"


def _copy_some(source: Path, target: Path, names: Sequence[str]) -> None:
    """Copy those of some files that are there."""
    for name in names:
        if (source / name).is_file():
            with written_whole(target / name) as partial:
                shutil.copyfile(source / name, partial)


def contents(resolved: Resolved) -> dict[str, str]:
    """What the files hold that components of a spec name, by path of the spec: weights, knowledge.

    Data have a fingerprint of their own, and the bank's database is what a run makes.
    """
    found = {}
    for path, offer in resolved.offers.items():
        if offer.spec.kind in ("dataset", "memory", "metric"):
            continue
        for name, value in leaves(resolved.config(path).model_dump(mode="json")):
            if name == "model" and path in resolved.aliases:
                found[path] = content_of(resolved.aliases[path][1].location)
            elif isinstance(value, str) and value:
                found[f"{path}.{name}"] = _named(value)
    return {path: content for path, content in found.items() if content}


def _named(text: str) -> str:
    """The content of the file or folder that a parameter names, or the commit of the hub's model; empty for neither."""
    with suppress(OSError, ValueError):
        place = Path(text).expanduser()
        if place.exists() and ("/" in text or place.is_file()):
            return content_of(place)
        return _commit(text) if text.count("/") == 1 else ""
    return ""


def content_of(place: Path) -> str:
    """sha256 over a file, or over all files of a folder; a file that has not changed since is not read again."""
    digest = hashlib.sha256()
    root, found = (place, sorted(place.rglob("*"))) if place.is_dir() else (place.parent, [place])
    for file in (one for one in found if one.is_file()):
        known = file.stat()
        digest.update(f"{file.relative_to(root)}\n".encode())
        digest.update(_file(str(file.resolve()), known.st_size, known.st_mtime_ns).encode())
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _file(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _commit(model: str) -> str:
    """The commit of a hub's model that lies in the cache of this machine; empty for none."""
    from huggingface_hub import try_to_load_from_cache

    for name in ("config.json", "model_index.json", "open_clip_config.json"):
        file = try_to_load_from_cache(model, name)
        if isinstance(file, str):
            return Path(file).parent.name
    return ""
