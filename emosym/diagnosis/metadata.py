"""Whether what pip wrote of a plugin fits its code and the environment."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from emosym_registry.discovery import GROUP, InstalledPlugin, canonical
from emosym_registry.requirements import requirements_of, unmet


def metadata_troubles(plugin: InstalledPlugin) -> Iterator[tuple[str, str, str]]:
    """Stage, cause and what to do of each thing wrong with the metadata of a plugin's distribution."""
    yield from _requirements(plugin)
    yield from _twice(plugin)
    yield from _stale(plugin)


def _requirements(plugin: InstalledPlugin) -> Iterator[tuple[str, str, str]]:
    for clash in unmet(requirements_of(plugin.distribution)):
        cause = f"{plugin.package} {clash.words}"
        yield "version", cause, f"pip install {clash.quoted}, or another version of {plugin.distribution}"


def _twice(plugin: InstalledPlugin) -> Iterator[tuple[str, str, str]]:
    """Two sets of metadata in one folder, as an upgrade leaves them that was cut short."""
    folders: dict[str, set[str]] = {}
    for one in metadata.distributions(name=plugin.distribution):
        folders.setdefault(str(one.locate_file("")), set()).add(one.version)
    for folder, versions in folders.items():
        if len(versions) > 1:
            cause = f"{plugin.distribution} is installed as {' and as '.join(sorted(versions))} in {folder}"
            yield (
                "discover",
                cause,
                f"pip uninstall {plugin.distribution} until it is gone, then install it again",
            )


def _stale(plugin: InstalledPlugin) -> Iterator[tuple[str, str, str]]:
    """An editable installation whose pyproject.toml has changed since: pip's copy of it has not."""
    folder = _source(plugin.distribution)
    if folder is None or not (folder / "pyproject.toml").is_file():
        return
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    declared = project.get("entry-points", {}).get(GROUP, {})
    again = f"pip install --no-deps -e {folder}"
    if declared and declared.get(plugin.id) != plugin.module:
        there = ", ".join(f"{id} = {module}" for id, module in sorted(declared.items()))
        yield "discover", f"installed as {plugin.id} = {plugin.module}, but {folder} now says {there}", again
    version = project.get("version")
    if version is not None and plugin.version not in (version, "unknown"):
        yield "discover", f"installed as {plugin.version}, but {folder} is now {version}", again


def nearly() -> Iterator[tuple[InstalledPlugin, tuple[str, str, str]]]:
    """Entry points in a group whose name is nearly that of plugins', which nobody reads."""
    points: list[tuple[metadata.Distribution, metadata.EntryPoint]] = []
    for one in metadata.distributions():
        with suppress(ValueError):  # a file that cannot be read is another trouble
            points += [(one, point) for point in one.entry_points]
    for one, point in points:
        near = re.sub(r"[\W_]", "", point.group).lower().rstrip("s") == "emosymplugin"
        if near and point.group != GROUP:
            plugin = InstalledPlugin(point.name, point.value, canonical(one.name), one.version)
            cause = f"{plugin.package} has its entry point in the group {point.group!r}, which nobody reads"
            yield plugin, ("discover", cause, f"its authors should write the group {GROUP!r}")


def _source(distribution: str) -> Path | None:
    """The folder of an editable installation."""
    try:
        text = metadata.distribution(distribution).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    origin = json.loads(text) if text else {}
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(url2pathname(urlsplit(origin["url"]).path))
