"""Reading cards and looking things up in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from emosym_registry.descriptors import KINDS
from emosym_registry.errors import EmosymError, did_you_mean

FOLDER = Path(__file__).parent
_WORDS = ("plugin", "distribution", "summary", "licence", "install", "hardware")
_NAME = re.compile(r"^[a-z0-9][a-z0-9.-]*$")
_INSTALL = re.compile(r"^(pip|uv pip) install \S+( \S+)*$")


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

    ``plugin`` is its id (the entry point's name), ``distribution`` the package on the index, ``install`` the command that
    brings it, ``tested`` the versions of it that were tested with this registry, ``hardware`` what it needs, in a line.
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


@cache
def load_cards(folder: Path = FOLDER) -> tuple[Card, ...]:
    """All cards of a folder, sorted by plugin; two of one plugin are an error."""
    cards = [read_card(path) for path in sorted(folder.glob("*.yaml"))]
    ids = [card.plugin for card in cards]
    for twice in sorted({one for one in ids if ids.count(one) > 1}):
        raise EmosymError(
            "card.invalid", f"{folder}: two cards are of plugin {twice!r}", hint="keep one of them", ours=True
        )
    return tuple(sorted(cards, key=lambda card: card.plugin))


def find_card(kind: str, name: str) -> Card | None:
    """The plugin that provides a component, None where no card knows."""
    return next((card for card in load_cards() if card.provides(kind, name)), None)


def search_cards(words: str) -> list[Card]:
    """Cards that hold every one of the words, anywhere, without case; all cards for no word."""
    wanted = words.lower().split()
    return [card for card in load_cards() if all(word in card.text for word in wanted)]


def read_card(path: Path) -> Card:
    """One card; anything missing, unknown or of the wrong form is an error that names file and key."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        _refuse(path, f"not YAML: {str(error).splitlines()[0]}")
    if not isinstance(data, dict):
        _refuse(path, "expected keys and values")
    known = (*_WORDS, "tested", "components")
    for key in data:
        if key not in known:
            _refuse(
                path, f"unknown key {key!r}", did_you_mean(str(key), known) or f"keys: {', '.join(known)}"
            )
    words = {key: _word(path, data, key) for key in _WORDS}
    if not _NAME.match(words["plugin"]):
        _refuse(
            path, f"plugin: expected lower case letters, digits, dots and dashes, found {words['plugin']!r}"
        )
    if path.stem != words["plugin"]:
        _refuse(path, f"plugin: {words['plugin']!r} belongs into {words['plugin']}.yaml")
    if not _INSTALL.match(words["install"]):
        _refuse(path, f"install: expected a pip install command, found {words['install']!r}")
    packages = [
        re.split(r"[\[<>=~!@;]", part)[0]
        for part in words["install"].replace("'", "").replace('"', "").split()
    ]
    if words["distribution"] not in packages:
        _refuse(
            path,
            f"install: expected a command that names {words['distribution']}, found {words['install']!r}",
        )
    tested = data.get("tested")
    if not isinstance(tested, list) or not tested or not all(isinstance(one, str) for one in tested):
        _refuse(path, "tested: expected a list of versions in quotes, at least one")
    listed = data.get("components")
    if not isinstance(listed, list) or not listed:
        _refuse(path, "components: expected a list, at least one")
    components = tuple(_component(path, one, i) for i, one in enumerate(listed))
    return Card(**words, tested=tuple(tested), components=components)


def _word(path: Path, data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value.strip():
        _refuse(path, f"{key}: expected text, found {value!r}")
    return value


def _component(path: Path, data: Any, index: int) -> CardComponent:
    where = f"components.{index}"
    if not isinstance(data, dict) or set(data) != {"kind", "name", "summary"}:
        _refuse(path, f"{where}: expected kind, name and summary")
    kind, name, summary = (_word(path, data, key) for key in ("kind", "name", "summary"))
    if kind not in KINDS:
        _refuse(
            path, f"{where}: unknown kind {kind!r}", did_you_mean(kind, KINDS) or f"kinds: {', '.join(KINDS)}"
        )
    if not _NAME.match(name):
        _refuse(
            path,
            f"{where}: a component's name has lower case letters, digits, dots and dashes, found {name!r}",
        )
    return CardComponent(kind, name, summary)


def _refuse(path: Path, message: str, hint: str = "") -> NoReturn:
    raise EmosymError("card.invalid", f"{path.name}: {message}", hint=hint or "see CONTRIBUTING.md on cards")
