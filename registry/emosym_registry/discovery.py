"""Finding plugins: the only file that knows the ``entrypoints`` library."""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import entrypoints

GROUP = "emosym.plugins"


@dataclass(frozen=True)
class InstalledPlugin:
    """An entry point by its name, ``id``, with the distribution that declares it and its version.

    ``problem`` says why it cannot even be tried, as when it is not of the form ``id = "package.module"``. ``folder`` is where
    its pyproject.toml lies, of one that is not installed.
    """

    id: str
    module: str
    distribution: str
    version: str
    problem: str = ""
    folder: str = ""

    @property
    def package(self) -> str:
        """The distribution with its version, for people."""
        return f"{self.distribution} {self.version}"

    def load(self) -> Any:
        """Import the plugin's light module."""
        return entrypoints.EntryPoint(self.id, self.module, None).load()


def discover() -> list[InstalledPlugin]:
    """All plugins installed on ``sys.path``, sorted by id, each once.

    A distribution that is found on several folders of the path counts where Python would import it from: the
    first.
    """
    found: dict[tuple[str, str, str], InstalledPlugin] = {}
    seen: set[str] = set()
    for folder in dict.fromkeys(sys.path):
        here = list(_declared(folder))
        if len({one.distribution for one in here}) < len(here):  # a leftover, perhaps
            here.sort(key=_newest, reverse=True)
        for one in here:
            if one.distribution not in seen:
                found.setdefault((one.id, one.module, one.distribution), one)
        seen |= {one.distribution for one in here}
    return sorted(found.values(), key=lambda one: (one.id, one.distribution))


def _newest(one: InstalledPlugin) -> tuple[bool, Any, str]:
    """0.10 after 0.9; what is no version comes before all."""
    from packaging.version import InvalidVersion, Version

    try:
        return True, Version(one.version), one.version
    except InvalidVersion:
        return False, Version("0"), one.version


def canonical(distribution: str) -> str:
    """A distribution's name as package indexes write it: ``Emosym_VLM`` is ``emosym-vlm``."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _declared(folder: str) -> Iterator[InstalledPlugin]:
    try:
        files = list(entrypoints.iter_files_distros(path=[folder], repeated_distro="all"))
    except (configparser.Error, UnicodeDecodeError):
        yield from _one_by_one(Path(folder))
        return
    for config, owner in files:
        yield from _points(config, owner)


def _one_by_one(folder: Path) -> Iterator[InstalledPlugin]:
    """The same where some package of the folder has an unreadable file: the others must not suffer."""
    for path in sorted(folder.glob("*-info/entry_points.txt")):
        owner = entrypoints.Distribution.from_name_version(path.parent.stem)
        config = entrypoints.CaseSensitiveConfigParser(delimiters=("=",))
        try:
            config.read([path], encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            if GROUP in path.read_text(encoding="utf-8", errors="replace"):
                problem = f"entry_points.txt cannot be read: {' '.join(str(error).split())}"
                yield _installed(owner, canonical(owner.name), "", problem)
            continue
        yield from _points(config, owner)


def _points(config: Any, owner: Any) -> Iterator[InstalledPlugin]:
    for id, text in config.items(GROUP, raw=True) if GROUP in config else ():
        yield _installed(owner, id, *parsed(id, text))


def parsed(id: str, text: str) -> tuple[str, str]:
    """The module that an entry point names, and why it cannot be tried."""
    try:
        point = entrypoints.EntryPoint.from_string(text, id)
        module, problem = point.module_name, point.object_name and "names an object, not a module"
    except entrypoints.BadEntryPoint:
        module, problem = text, "is no module's name"
    return module, f"the entry point {text!r} {problem}, such as 'package.plugin'" if problem else ""


def _installed(owner: Any, id: str, module: str, problem: str) -> InstalledPlugin:
    name, version = (owner.name, owner.version) if owner is not None else ("", "")
    if not name and not problem:
        problem = f"the entry point {module!r} is of a package without a name (a leftover *.dist-info folder)"
    return InstalledPlugin(id, module, canonical(name) if name else id, version or "unknown", problem)
