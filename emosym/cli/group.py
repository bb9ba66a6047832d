"""Command groups that plugins extend: an unknown word is looked up among the commands that plugins offer."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import typer
from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from typer.core import TyperGroup

from emosym.cli.plain import first_sentence, plain


class Offer(NamedTuple):
    """A word that a plugin puts into a group; without a target it is a group of its own."""

    word: str
    target: str
    summary: str
    plugin: str


class PluginGroup(TyperGroup):
    """A group whose own verbs come first; plugins are discovered only when a word is none of them.

    A plugin's command named ``"data make"`` extends the group ``data``, one named ``"serve"`` the top level; the group
    ``poll`` of ``"poll start"`` is made where nobody has it. Where two plugins offer one command, ``plugin-id/serve`` is
    that of one. The top level's own help leaves discovery out, so that it stays instant.
    """

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return plain(own)
        id, _, word = cmd_name.rpartition("/")
        found = [one for one in _offers(ctx) if one.word == word and id in ("", one.plugin)]
        if not found:
            return None
        if not any(one.target for one in found):
            return _group(cmd_name, dict.fromkeys(one.plugin for one in found))
        if len(found) > 1:
            plugins = dict.fromkeys(one.plugin for one in found)
            choices = " or ".join(f"{ctx.command_path} {plugin}/{word}" for plugin in plugins)
            message = f"command {word!r} is offered by several plugins"
            raise EmosymError("plugin.ambiguous-command", message, hint=f"write {choices}")
        return _load(found[0], cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        own = super().list_commands(ctx)
        return [*own, *sorted(set(_listed(ctx)) - set(own))] if ctx.parent is not None else own


def _listed(context: Any) -> list[str]:
    """The words to write for what plugins offer to this group: those that mean several commands with their plugins."""
    offers = _offers(context)
    twice = {
        one.word
        for one in offers
        for other in offers
        if one.word == other.word and one.target and one != other
    }
    return [f"{one.plugin}/{one.word}" if one.word in twice else one.word for one in offers]


def _offers(context: Any) -> list[Offer]:
    """What plugins offer to this group, or the one plugin that the words so far name."""
    from emosym.cli.common import registry_for

    path = [word.rpartition("/") for word in context.command_path.split()[1:]]
    group, ids = [word for _, _, word in path], {id for id, _, _ in path if id}
    found = {}
    for plugin, (name, target, summary) in registry_for(context.obj).commands():
        words = name.split()
        here, below = words[: len(group)], words[len(group) :]
        if here == group and below and ids <= {plugin.id}:
            offer = Offer(below[0], "" if below[1:] else target, summary, plugin.id)
            found[offer.word, bool(offer.target), offer.plugin] = offer
    return list(found.values())


def _group(word: str, plugins: Iterable[str]) -> PluginGroup:
    group = PluginGroup(name=word, help=f"Commands of plugin {', '.join(plugins)}.", no_args_is_help=True)
    group.rich_markup_mode = None
    return group


def _load(offer: Offer, word: str) -> Any:
    module, _, attribute = offer.target.partition(":")
    try:
        command: Any = typer.main.get_command(getattr(importlib.import_module(module), attribute))
    except Exception as error:
        raise EmosymError(
            "plugin.bad-command",
            f"command {offer.word!r} of plugin {offer.plugin} cannot be loaded: {type(error).__name__}: "
            f"{first_line(error)}",
            hint=f"go on without it: emosym --no-plugin {offer.plugin} …",
        ) from error
    command.name, command.short_help, command.rich_markup_mode = word, first_sentence(offer.summary), None
    command.params = [
        one for one in command.params if one.name not in ("install_completion", "show_completion")
    ]
    invoke = command.invoke

    def invoking(context: Any) -> Any:
        try:
            return invoke(context)
        except Exception as error:
            error.add_note(f"in command {offer.word!r} of plugin {offer.plugin}")
            raise

    command.invoke = invoking
    return plain(command)
