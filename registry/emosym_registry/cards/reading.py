"""What a card holds, and reading one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosym_registry.descriptors import KINDS, NAME, NAME_FORM
from emosym_registry.errors import EmosymError, first_line, unknown

_TEXTS = ("plugin", "distribution", "summary", "licence", "install", "hardware")
_GUIDE = "see docs/how-to/publish-a-plugin.md"
_KEYS = (*_TEXTS, "tested", "components")
_INSTALL = re.compile(r"^(pip|uv pip) install( [^\s;&|$`()\\]+)+$")


@dataclass(frozen=True)
class CardComponent:
    """A component that a plugin provides."""

    kind: str
    name: str
    summary: str

    @property
    def text(self) -> str:
        """What a search looks in, in lower case."""
        return f"{self.kind} {self.name} {self.summary}".lower()


@dataclass(frozen=True)
class Card:
    """What the catalogue says of a plugin.

    ``plugin`` is its id (the entry point's name), ``distribution`` the package on the index, ``install`` the
    command that brings it, ``tested`` the versions of it that were tested with this registry, ``hardware``
    what it needs, in a line.
    """

    plugin: str
    distribution: str
    summary: str
    licence: str
    install: str
    hardware: str
    tested: tuple[str, ...]
    components: tuple[CardComponent, ...]

    def provides(self, kind: str, name: str) -> bool:
        """Whether the plugin has this component."""
        return any((one.kind, one.name) == (kind, name) for one in self.components)

    @property
    def own_text(self) -> str:
        """What a search looks in, in lower case, without the components."""
        return " ".join([self.plugin, self.distribution, self.summary, self.licence, self.hardware]).lower()

    @property
    def text(self) -> str:
        """The same with the components."""
        return " ".join([self.own_text, *(one.text for one in self.components)])


def read_card(path: Path) -> Card:
    """One card; what is missing, unknown or of the wrong form is ``card.invalid``, with file and key."""
    data = _mapping(path)
    texts = {key: _text(path, data, key) for key in _TEXTS}
    plugin, install, distribution = texts["plugin"], texts["install"], texts["distribution"]
    _require(NAME.match(plugin), path, f"plugin: expected {NAME_FORM}, found {plugin!r}")
    _require(path.stem == plugin, path, f"plugin: {plugin!r} belongs into {plugin}.yaml")
    _require(_INSTALL.match(install), path, f"install: expected a pip install command, found {install!r}")
    packages = [re.split(r"[\[<>=~!@;]", word.strip("'\""))[0] for word in install.split()]
    names = f"install: expected a command that names {distribution}, found {install!r}"
    _require(distribution in packages, path, names)
    tested, listed = data.get("tested"), data.get("components")
    are_versions = isinstance(tested, list) and tested and all(isinstance(one, str) for one in tested)
    _require(are_versions, path, "tested: expected a list of versions in quotes, at least one")
    _require(isinstance(listed, list) and listed, path, "components: expected a list, at least one")
    components = tuple(_component(path, one, f"components.{i}") for i, one in enumerate(data["components"]))
    return Card(**texts, tested=tuple(data["tested"]), components=components)


def _mapping(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise EmosymError(
            "card.invalid", f"{path.name}: not YAML: {first_line(error)}", hint=_GUIDE
        ) from error
    _require(isinstance(data, dict), path, "expected keys and values")
    for key in data:
        if key not in _KEYS:
            raise unknown("card.invalid", "key", str(key), _KEYS, where=path.name)
    return dict(data)


def _component(path: Path, data: Any, place: str) -> CardComponent:
    keys = {"kind", "name", "summary"}
    _require(isinstance(data, dict) and set(data) == keys, path, f"{place}: expected kind, name and summary")
    component = CardComponent(**{key: _text(path, data, key) for key in keys})
    if component.kind not in KINDS:
        raise unknown("card.invalid", "kind", component.kind, KINDS, where=f"{path.name}: {place}")
    _require(
        NAME.match(component.name), path, f"{place}: name: expected {NAME_FORM}, found {component.name!r}"
    )
    return component


def _text(path: Path, data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    _require(isinstance(value, str) and value.strip(), path, f"{key}: expected text, found {value!r}")
    return str(value)


def _require(holds: object, path: Path, message: str) -> None:
    if not holds:
        raise EmosymError("card.invalid", f"{path.name}: {message}", hint=_GUIDE)
