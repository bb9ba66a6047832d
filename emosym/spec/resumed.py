"""A spec given again for a run that goes on: it must say what the run began with, whatever became of plugins since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError, Registry

from emosym.spec.errors import SpecErrors
from emosym.spec.nodes import leaves
from emosym.spec.resolved import Resolved, load_spec
from emosym.spec.saved import Saved, install, read_saved
from emosym.spec.text import inline

MOST = 5
"""Differences that a message lists."""


def load_again(source: Path | str, registry: Registry, sets: Sequence[str], saved: Saved) -> Resolved:
    """:func:`load_spec`, of what may have been written for the versions of plugins that the run began with.

    ``saved`` is what was kept of the run's components. Errors: :class:`SpecErrors`, in words of what was kept.
    """
    try:
        return load_spec(source, registry=registry, sets=sets)
    except SpecErrors:
        return load_spec(source, registry=registry, sets=sets, saved=saved, resumes=True)


def begun_with(file: Path, given: Resolved, registry: Registry) -> Resolved:
    """The spec of a run that goes on, from its own ``file``, for the plugins that are installed now.

    What a plugin's earlier version had as a default stays, which ``messages`` say. Errors: ``run.spec-changed`` where
    ``given`` says otherwise, with what differs.
    """
    own = load_spec(file, registry=registry, resumes=True)
    own.messages.clear()  # those of the spec that is given are said already
    wrong = []
    for path, there, here in _differences(own.document(qualified=True), given.document(qualified=True)):
        if own.origin(path).kind == given.origin(path).kind == "default":
            own.messages.append(
                f"{path} stays {there}, which was a default when the run began; it is {here} now"
            )
        else:
            wrong.append((path, f"{path} is {there} there, {here} here"))
    if wrong:
        listed = "; ".join(words for _, words in wrong[:MOST])
        more = f"; and {len(wrong) - MOST} more" if len(wrong) > MOST else ""
        raise EmosymError(
            "run.spec-changed",
            f"{file} differs from the spec given, so the run cannot be continued with it: {listed}{more}",
            hint="; ".join(
                [
                    *_upgrades(file, given, [path for path, _ in wrong]),
                    f"go on with the run's own spec (emosym run {file} --out {file.parent} --resume), or start a new run with --out",
                ]
            ),
        )
    return own


def _differences(own: dict[str, Any], given: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Path, value there and value here of what is not the same in two documents."""
    there, here = (dict(leaves(document)) for document in (own, given))
    for path in dict.fromkeys([*there, *here]):
        if path not in here or path not in there or there[path] != here[path]:
            yield path, _shown(there, path), _shown(here, path)


def _shown(values: dict[str, Any], path: str) -> str:
    return inline(values[path]) if path in values else "not"


def _upgrades(file: Path, given: Resolved, paths: Sequence[str]) -> Iterator[str]:
    """What to install where a component that differs is of another version than the run began with."""
    for at, was in read_saved(file.parent).items():
        offer = given.offers.get(at)
        if offer and offer.plugin.version != was["version"] and any(p.startswith(f"{at}.") for p in paths):
            yield f"{was['name']} was {was['version']} then and is {offer.plugin.version} now: {install(was)}"
