"""Command groups that plugins extend: an unknown word is looked up among the commands that plugins offer."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import typer
from emosym_registry import EmosymError
from typer.core import TyperGroup


class PluginGroup(TyperGroup):
    """A group whose own verbs come first; plugins are discovered only when a word is none of them.

    A plugin's command named ``"data make"`` extends the group ``data``, one named ``"serve"`` the top level; the group
    ``poll`` of ``"poll start"`` is made where nobody has it. The top level's own help leaves discovery out, so that it
    stays instant.
    """

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        for word, target, summary, plugin in _offers(ctx):
            if word == cmd_name:
                return _load(target, word, summary, plugin) if target else _group(word, plugin)
        return None

    def list_commands(self, ctx: Any) -> list[str]:
        own = super().list_commands(ctx)
        offered = [word for word, *_ in _offers(ctx)] if ctx.parent is not None else []
        return [*own, *sorted(set(offered) - set(own))]


def _offers(context: Any) -> Iterator[tuple[str, str, str, str]]:
    """Word, target, summary and plugin of each command that plugins offer to this group; no target for a group."""
    from emosym.cli.common import registry_for

    group = context.command_path.split()[1:]
    for plugin, (name, target, summary) in registry_for(context.obj).commands():
        words = name.split()
        here, below = words[: len(group)], words[len(group) :]
        if here == group and below:
            yield below[0], "" if below[1:] else target, summary, plugin.id


def _group(word: str, plugin: str) -> PluginGroup:
    group = PluginGroup(name=word, help=f"Commands of plugin {plugin}.", no_args_is_help=True)
    group.rich_markup_mode = None
    return group


def _load(target: str, word: str, summary: str, plugin: str) -> Any:
    module, _, attribute = target.partition(":")
    try:
        command: Any = typer.main.get_command(getattr(importlib.import_module(module), attribute))
    except Exception as error:
        raise EmosymError(
            "plugin.bad-command",
            f"command {word!r} of plugin {plugin} cannot be loaded: {type(error).__name__}: {error}",
            hint=f"go on without it: emosym --no-plugin {plugin} …",
        ) from error
    command.name, command.short_help, command.rich_markup_mode = word, summary, None
    command.params = [
        one for one in command.params if one.name not in ("install_completion", "show_completion")
    ]
    return command
