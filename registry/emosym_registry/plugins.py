"""What is kept of a plugin: all that it offers where it loaded, and what went wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from emosym_registry.components import RegisteredComponent
from emosym_registry.descriptors import Alias, Cards, PluginInfo, Preset
from emosym_registry.discovery import InstalledPlugin


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin that loaded.

    ``commands`` are (name, ``"package.module:typer_app"``, help); ``seconds`` is how long the import of its
    light module took; ``deprecated`` holds a sentence for each outdated part of the plugin API that it uses.
    """

    installed: InstalledPlugin
    info: PluginInfo
    components: tuple[RegisteredComponent, ...] = ()
    aliases: tuple[Alias, ...] = ()
    presets: tuple[Preset, ...] = ()
    commands: tuple[tuple[str, str, str], ...] = ()
    cards: tuple[Cards, ...] = ()
    seconds: float = 0.0
    deprecated: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The name of its entry point."""
        return self.installed.id

    def qualified(self, name: str) -> str:
        """``plugin-id/name`` of something that it offers, which stays unique whatever else is installed."""
        return f"{self.id}/{name}"


@dataclass(frozen=True)
class Failure:
    """What went wrong with a plugin, and what to do.

    ``stage``: discover, import, register, spec or version, which leave the plugin out; ``run`` is a lifecycle
    hook that raised and ``cards`` a card that cannot be read, which leave the plugin in.
    """

    plugin: InstalledPlugin
    stage: str
    cause: str
    hint: str
    error: BaseException | None = None

    @property
    def leaves_out(self) -> bool:
        """Whether the plugin is not there because of it."""
        return self.stage not in ("run", "cards")

    def __str__(self) -> str:
        return f"plugin {self.plugin.id} ({self.plugin.package}) failed at {self.stage}: {self.cause}"
