"""A spec with everything filled in, and where each value came from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from emosym_registry import Alias, EmosymError, LoadedPlugin, RegisteredComponent, Registry, did_you_mean
from emosym_registry.registry import ALIAS
from pydantic import BaseModel

from emosym.spec.checks import needs_of
from emosym.spec.errors import Problem, SpecErrors
from emosym.spec.layers import (
    PRESET,
    Set,
    Source,
    apply_sets,
    parse_set,
    preset_file,
    read_source,
    stage_preset,
)
from emosym.spec.model import Spec
from emosym.spec.nodes import Node, Origin, dotted, key_path
from emosym.spec.saved import FILE, Saved, SavedComponent, misfit, read_saved, record, revive
from emosym.spec.text import block
from emosym.spec.validate import Used, validate
from emosym.toolkit.files import json_text, written_whole

TINY = "tiny"
"""By which alias every component with small weights inside a plugin has them."""


@dataclass
class Resolved:
    """What :func:`load_spec` gives.

    ``spec`` has the parameters of every component completed by its config model; ``offers`` says by path
    ("backbone", "rewards.0", "judges.bank") who offers a component; ``origins`` says by dotted path where a
    value was written (a path that is not there has its default); ``messages`` are for people (dropped
    parameters); ``aliases`` are the aliases that the ``model`` of components is, each with its plugin; ``saved`` is what
    is kept of components beside a spec that is saved, ``before`` what was kept when this one was. A component that was not
    to be used is in ``spec`` alone.
    """

    spec: Spec
    offers: dict[str, RegisteredComponent]
    origins: dict[str, Origin]
    messages: list[str]
    configs: dict[str, BaseModel] = field(repr=False)
    aliases: dict[str, tuple[LoadedPlugin, Alias]] = field(default_factory=dict, repr=False)
    saved: dict[str, SavedComponent] = field(default_factory=dict, repr=False)
    before: Saved = field(default_factory=dict, repr=False)

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

    def embedded(self, *paths: str) -> bool:
        """Whether a component at one of these paths has the small weights inside a plugin (``model: tiny``)."""
        return any(path in self.aliases and self.aliases[path][1].name == TINY for path in paths)

    def needs(self, path: str) -> tuple[str, ...]:
        """What the component at a path needs with its parameters."""
        return needs_of(self.offers[path], self.configs[path])

    def misfit(self, path: str, why: str) -> EmosymError:
        """The error for saved weights that do not fit the part of a system at ``path``."""
        if path not in self.offers:
            hint = "use the spec they were saved with"
            return EmosymError(
                "system.does-not-fit", f"the saved weights do not fit the {path}: {why}", hint=hint
            )
        return misfit(self.offers[path], self.before.get(path), why)

    def origin(self, path: str) -> Origin:
        """Where the value at a dotted path came from."""
        return self.origins.get(path, Origin("default"))

    def data(self) -> dict[str, Any]:
        """Plain dicts, lists and scalars; validates again to the same spec."""
        return self.spec.model_dump(mode="json")

    def document(self, *, qualified: bool = False) -> dict[str, Any]:
        """:meth:`data` as it has to be written down to load again to the same thing.

        ``qualified`` names the plugin of every component and of every alias, and writes paths in full, so that it stays the
        same thing whatever else is installed and wherever it is read.
        """
        data = self.data()
        for name, stage in data["stages"].items():
            if stage is not None:
                _keep_removed(stage_preset(stage["preset"], name).plain(), stage)
        for path, offer in self.offers.items() if qualified else ():
            part: Any = data
            for key in key_path(path):
                part = part[key]
            part["name"] = offer.qualified
            if path in self.aliases:
                plugin, alias = self.aliases[path]
                part["params"]["model"] = f"{ALIAS}{plugin.qualified(alias.name)}"
            part["params"] = _absolute(part["params"], self.configs[path].model_dump())
        return data

    def to_yaml(self, *, qualified: bool = False) -> str:
        """:meth:`document` as YAML: a complete spec that loads again to the same thing."""
        return block(self.document(qualified=qualified))

    def save(self, folder: Path, *, qualified: bool = False) -> None:
        """``spec.yaml`` and ``components.json`` in a folder, which :func:`load_spec` reads together."""
        for name, text in ((FILE, json_text(self.saved)), ("spec.yaml", self.to_yaml(qualified=qualified))):
            with written_whole(folder / name) as partial:
                partial.write_text(text, encoding="utf-8")


def _absolute(value: Any, typed: Any) -> Any:
    """Relative paths in full: what a config calls one (in ``typed``), and text that leads somewhere now; the rest as it is."""
    if isinstance(value, dict) and isinstance(typed, dict):
        return {key: _absolute(item, typed.get(key)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(typed, list | tuple):
        return [_absolute(item, one) for item, one in zip(value, typed, strict=True)]
    if isinstance(typed, Path):
        return str(typed.expanduser().absolute())
    if isinstance(value, str) and ("/" in value or value.startswith(".")) and "://" not in value:
        path = Path(value).expanduser()
        return str(path.absolute()) if path.exists() else value
    return value


def _keep_removed(preset: dict[str, Any], given: dict[str, Any]) -> None:
    """Write null for what the preset has and the spec removed, or the preset would fill it in again."""
    for key, value in preset.items():
        if isinstance(value, dict) and isinstance(given.get(key), dict):
            _keep_removed(value, given[key])
        else:
            given.setdefault(key, None)


def load_spec(
    source: Source,
    *,
    registry: Registry,
    sets: Sequence[Set] = (),
    base: Path | None = None,
    use: Collection[str] | None = None,
    saved: Saved | None = None,
    resumes: bool = False,
) -> Resolved:
    """Read, complete and validate a spec.

    ``source`` is a YAML file (relative to ``base``, by default the working directory), ``preset:NAME``, or a mapping of what
    a file holds, for this version of specs where it says none;
    ``sets`` are overrides, ``key.path=value`` or as :func:`apply_sets` takes them. Of the sections in ``use`` ("backbone", "rewards",
    "judges.bank") alone must the components be there; those of others are kept as they are written. ``saved``
    is what was kept of the components when the spec was saved, as plugins may have changed since: by default what
    lies beside the file. ``resumes`` is for a run that goes on: ``sets`` are of then too, and advice keeps to it.
    Raises :class:`SpecErrors` with everything that is wrong, each at its place.
    """
    root = read_source(source, registry, base)
    if saved is None and not isinstance(source, Mapping) and not str(source).startswith(PRESET):
        saved = read_saved(((base or Path()) / source).parent)
    return resolve(
        root,
        registry,
        sets,
        lambda path, _: use is None or bool({path[0], dotted(path)} & {*use}),
        saved,
        resumes=resumes,
    )


def resolve(
    root: Node,
    registry: Registry,
    sets: Sequence[Set],
    used: Used,
    saved: Saved | None = None,
    *,
    resumes: bool = False,
) -> Resolved:
    """The tree of a spec with its layers, resolved where a component is ``used``."""
    messages: list[str] = []
    saved = saved or {}
    if resumes:
        root = revive(apply_sets(root, sets), registry, saved, used)
    else:
        root = apply_sets(revive(root, registry, saved, used), sets)
    valid, spec = validate(root, registry, messages, used, saved, resumes=resumes)
    kept = {
        path: was for path, was in saved.items() if valid.root.at(key_path(path)) and path not in valid.offers
    }
    kept |= {
        path: record(one, valid.root.at((*key_path(path), "params")), valid.aliases.get(path))
        for path, one in valid.offers.items()
    }
    origins = _origins(valid.root)
    return Resolved(spec, valid.offers, origins, messages, valid.configs, valid.aliases, kept, saved)


def check_preset(name: str, registry: Registry) -> list[Problem]:
    """Everything that is wrong with a preset, each at a place in the preset's own file.

    Errors: ``spec.unknown-preset``, ``spec.ambiguous-preset``.
    """
    file = str(preset_file(name, registry))
    try:
        load_spec(f"{PRESET}{name}", registry=registry)
    except SpecErrors as error:
        return [_in_file(problem, file) for problem in error.problems]
    return []


def _in_file(problem: Problem, file: str) -> Problem:
    """The problem in ``file``, which extends the one that has it."""
    if problem.file == file:
        return problem
    message = f"{problem.message} (at {problem.file}:{problem.line}:{problem.column})"
    return replace(problem, file=file, line=1, column=1, message=message)


def _origins(root: Node) -> dict[str, Origin]:
    return {dotted(path): node.where for path, node in root.walk() if path}


def plugins_only(source: Source, sets: Sequence[Set] = (), base: Path | None = None) -> list[str] | None:
    """The allow-list ``plugins.only`` of a spec, read before any plugin is loaded; None where there is none.

    Follows ``extends`` through files; a preset belongs to a plugin, so what it says of plugins cannot count
    here. Anything but a list of words is left for :func:`load_spec` to complain about.
    """
    about = [one for one in sets if (parse_set(one) if isinstance(one, str) else one)[0][0] == "plugins"]
    only = apply_sets(read_source(source, None, base), about).at(("plugins", "only"))
    return [item.value for item in only.items if isinstance(item.value, str)] if only and only.items else None


def spec_name(source: Path | str, registry: Registry, sets: Sequence[str] = ()) -> str:
    """The ``name`` of a spec, whatever may be wrong with the rest; empty where it has none."""
    name = apply_sets(read_source(source, registry), sets).at(("name",))
    return str(name.value) if name and name.value else ""
