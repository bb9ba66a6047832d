"""Plugins in folders, before they are installed. Imports no torch."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from emosym_registry import EmosymError
from emosym_registry.discovery import GROUP, InstalledPlugin, parsed


def plugins_in(folder: Path) -> list[InstalledPlugin]:
    """The plugins of a package's folder that is not installed, read from its pyproject.toml and put on
    ``sys.path``."""
    file = folder / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        points = project["entry-points"][GROUP]
    except FileNotFoundError as error:
        raise EmosymError(
            "plugin.no-project", f"{folder}: no pyproject.toml in it", hint="name a plugin's folder"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EmosymError("plugin.bad-project", f"{file}: {error}", hint="mend it") from error
    except KeyError as error:
        raise EmosymError(
            "plugin.no-entry-point",
            f"{file}: no entry point in the group {GROUP!r}",
            hint=f'add [project.entry-points."{GROUP}"] with a line: my-plugin = "my_plugin.plugin"',
        ) from error
    source = folder / "src"
    sys.path.insert(0, str((source if source.is_dir() else folder).resolve()))
    version = str(project.get("version", "unknown"))
    name = str(project.get("name", ""))
    return [
        InstalledPlugin(id, module, name or id, version, problem, str(folder))
        for id, text in points.items()
        for module, problem in [parsed(id, str(text))]
    ]
