"""A spec with everything filled in, and where each value came from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError, RegisteredComponent, Registry, did_you_mean
from pydantic import BaseModel

from emosym.spec.layers import PRESET, apply_sets, fill_stages, read_source
from emosym.spec.model import STAGE_PRESETS, Spec
from emosym.spec.nodes import Node, Origin, dotted
from emosym.spec.reader import read_file
from emosym.spec.text import block
from emosym.spec.validate import validate


@dataclass
class Resolved:
    """What :func:`load_spec` gives.

    ``spec`` has the parameters of every component completed by its config model; ``offers`` says by path ("backbone",
    "rewards.0", "judges.bank") who offers a component; ``origins`` says by dotted path where a value was written (a path
    that is not there has its default); ``messages`` are for people (migrations, dropped parameters).
    """

    spec: Spec
    offers: dict[str, RegisteredComponent]
    origins: dict[str, Origin]
    messages: list[str]
    configs: dict[str, BaseModel] = field(repr=False)

    def config(self, path: str) -> BaseModel:
        """The validated parameters of the component at "backbone", "rewards.0", "judges.bank" …"""
        if path not in self.configs:
            known = sorted(self.configs)
            hint = did_you_mean(path, known) or f"components: {', '.join(known)}"
            raise EmosymError("spec.no-component", f"the spec has no component at {path!r}", hint=hint)
        return self.configs[path]

    def component(self, path: str) -> str:
        """The bare name of the component at a path, as people read it; the spec may name its plugin too."""
        return self.offers[path].spec.name

    def needs(self, path: str) -> tuple[str, ...]:
        """What the component at a path needs with its parameters, as its plugin says."""
        declared: tuple[str, ...] = getattr(self.offers[path].spec, "needs", ())
        return declared

    def origin(self, path: str) -> Origin:
        """Where the value at a dotted path came from."""
        return self.origins.get(path, Origin("default"))

    def data(self) -> dict[str, Any]:
        """Plain dicts, lists and scalars; validates again to the same spec."""
        return self.spec.model_dump(mode="json")

    def document(self) -> dict[str, Any]:
        """:meth:`data` as it has to be written down to load again to the same thing."""
        data = self.data()
        for name, stage in data["stages"].items():
            if stage is not None:
                _keep_removed(STAGE_PRESETS[name][stage["preset"]], stage)
        return data

    def to_yaml(self) -> str:
        """A complete spec that loads again to the same thing."""
        return block(self.document())


def _keep_removed(preset: dict[str, Any], given: dict[str, Any]) -> None:
    """Write null for what the preset has and the spec removed, or the preset would fill it in again."""
    for key, value in preset.items():
        if isinstance(value, dict) and isinstance(given.get(key), dict):
            _keep_removed(value, given[key])
        else:
            given.setdefault(key, None)


def load_spec(
    source: Path | str, *, registry: Registry, sets: Sequence[str] = (), base: Path | None = None
) -> Resolved:
    """Read, complete and validate a spec.

    ``source`` is a YAML file (relative to ``base``, by default the working directory) or ``preset:NAME``; ``sets`` are
    ``key.path=value`` overrides. Raises :class:`SpecErrors` with everything that is wrong, each at its place.
    """
    messages: list[str] = []
    root = read_source(source, registry, messages, base)
    valid = validate(fill_stages(apply_sets(root, sets)), registry, messages)
    return Resolved(valid.spec, valid.offers, _origins(valid.root), messages, valid.configs)


def _origins(root: Node) -> dict[str, Origin]:
    return {dotted(path): node.where for path, node in root.walk() if path}


def plugins_only(source: Path | str, sets: Sequence[str] = (), base: Path | None = None) -> list[str] | None:
    """The allow-list ``plugins.only`` of a spec, read before any plugin is loaded; None where there is none.

    Follows ``extends`` through files; a preset belongs to a plugin, so what it says of plugins cannot count here.
    """
    root = apply_sets(_written(source, base or Path()), [text for text in sets if _about_plugins(text)])
    only = root.at(("plugins", "only"))
    return _words(only.plain()) if only is not None else None


def _written(source: Path | str, folder: Path) -> Node:
    """What the nearest of the files of a spec says of plugins. A file that is missing or extends itself ends the search:
    load_spec says so, with the place."""
    name, seen = str(source), set[Path]()
    while not name.startswith(PRESET):
        file = folder / name
        if (seen and not os.path.isfile(file)) or file.resolve() in seen:
            break
        seen.add(file.resolve())
        root = read_file(file, Origin("file", os.path.normpath(folder / name)))
        plugins = root.fields.get("plugins")
        if plugins is not None and (plugins.value is None or "only" in plugins.fields):
            return Node({"plugins": plugins}, root.origin)
        extends = root.fields.get("extends")
        if extends is None or not isinstance(extends.value, str):
            break
        name, folder = extends.value, file.parent
    return Node({}, Origin("default"))


def _about_plugins(text: str) -> bool:
    key = text.partition("=")[0].strip()
    return key == "plugins" or key.startswith("plugins.")


def _words(value: Any) -> list[str] | None:
    """A list of words; anything else is left for ``load_spec`` to complain about."""
    fits = isinstance(value, Iterable) and not isinstance(value, str | dict)
    return [item for item in value if isinstance(item, str)] if fits else None
