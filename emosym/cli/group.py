"""Command groups that plugins extend: an unknown word is looked up among the commands that plugins offer."""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperGroup


class PluginGroup(TyperGroup):
    """A group whose own verbs come first; plugins are discovered only when a word is none of them.

    A plugin's command named ``"data make"`` extends the group ``data``, one named ``"serve"`` the top level.
    """

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        own = super().get_command(ctx, cmd_name)
        return own if own is not None else _plugin_command(ctx, cmd_name)


def _plugin_command(context: Any, word: str) -> Any:
    from emosym.cli.common import registry_for

    wanted = " ".join([*context.command_path.split()[1:], word])
    for plugin, (name, target, summary) in registry_for(context.obj).commands:
        if name == wanted:
            return _load(target, name, plugin.id, summary)
    return None


def _load(target: str, name: str, plugin: str, summary: str) -> Any:
    module, _, attribute = target.partition(":")
    try:
        command = typer.main.get_command(getattr(importlib.import_module(module), attribute))
    except Exception as error:
        from emosym_registry import EmosymError

        raise EmosymError(
            "plugin.bad-command",
            f"command {name!r} of plugin {plugin} cannot be loaded: {type(error).__name__}: {error}",
            hint=f"go on without it: emosym --no-plugin {plugin} …",
        ) from error
    command.name, command.short_help = name.split()[-1], summary
    return command
