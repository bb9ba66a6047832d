"""A spec with everything filled in, and where each value came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError, Offer, Registry, did_you_mean
from pydantic import BaseModel
from ruamel.yaml import YAML

from emosym.spec.layers import PRESET, apply_sets, fill_stages, read_source
from emosym.spec.model import STAGE_PRESETS, Spec
from emosym.spec.nodes import Node, Origin, dotted
from emosym.spec.reader import read_file
from emosym.spec.validate import validate


@dataclass
class Resolved:
    """What :func:`load_spec` gives.

    ``spec`` has the parameters of every component completed by its config model; ``offers`` says by path ("backbone",
    "rewards.0", "judges.bank") who offers a component; ``origins`` says by dotted path where a value was written (a path
    that is not there has its default); ``messages`` are for people (migrations, dropped parameters).
    """

    spec: Spec
    offers: dict[str, Offer]
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

    def origin(self, path: str) -> Origin:
        """Where the value at a dotted path came from."""
        return self.origins.get(path, Origin("default"))

    def data(self) -> dict[str, Any]:
        """Plain dicts, lists and scalars; validates again to the same spec."""
        return self.spec.model_dump(mode="json")

    def to_yaml(self) -> str:
        """A complete spec that loads again to the same thing."""
        data = self.data()
        for name, stage in data["stages"].items():
            if stage is not None:
                _keep_removed(STAGE_PRESETS[name][stage["preset"]], stage)
        yaml: Any = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False
        yaml.sort_base_mapping_type_on_output = False
        yaml.allow_unicode = True
        yaml.width = 10_000
        stream = StringIO()
        yaml.dump(data, stream)
        return stream.getvalue()


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
    for text in reversed(sets):
        if text.partition("=")[0].strip() in ("plugins.only", "plugins"):
            value = apply_sets(Node({}, Origin("set", "--set")), [text]).at(("plugins", "only"))
            return _words(value.plain() if value else None)
    name, seen = str(source), set[Path]()
    folder = base or Path()
    while not name.startswith(PRESET):
        file = (folder / name).resolve()
        if file in seen:
            return None  # load_spec says so, with the place
        seen.add(file)
        root = read_file(file, Origin("file", str(folder / name)))
        only = root.at(("plugins", "only"))
        if only is not None:
            return _words(only.plain())
        extends = root.fields.get("extends")
        if extends is None or not isinstance(extends.value, str):
            return None
        name, folder = extends.value, file.parent
        if not name.startswith(PRESET) and not (folder / name).is_file():
            return None
    return None


def _words(value: Any) -> list[str] | None:
    """A list of words; anything else is left for ``load_spec`` to complain about."""
    fits = isinstance(value, Iterable) and not isinstance(value, str | dict)
    return [item for item in value if isinstance(item, str)] if fits else None
