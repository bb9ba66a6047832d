"""Asking a plugin what it offers: one typed method for each collecting hook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from emosym_registry.descriptors import TARGET, Alias, Cards, ComponentSpec, PluginInfo, Preset
from emosym_registry.errors import first_line
from emosym_registry.refusals import AUTHORS, Refused, hooks_of

_Descriptor = TypeVar("_Descriptor")
_Command = tuple[str, str, str]


class CollectingHooks:
    """The collecting hooks of one plugin's light module; an answer of another form refuses the plugin."""

    def __init__(self, module: Any) -> None:
        self._implementations = {name: function for name, function, _ in hooks_of(module)}

    def info(self) -> PluginInfo | None:
        """Who the plugin is; None where it does not say."""
        info = self._ask("emosym_plugin_info")
        if info is None or isinstance(info, PluginInfo):
            return info
        raise Refused("spec", "emosym_plugin_info must return PluginInfo", AUTHORS)

    def components(self) -> tuple[ComponentSpec, ...]:
        return self._collect("emosym_components", ComponentSpec, lambda one: (one.kind, one.name))

    def aliases(self) -> tuple[Alias, ...]:
        return self._collect("emosym_aliases", Alias, lambda one: (one.kind, one.component, one.name))

    def presets(self) -> tuple[Preset, ...]:
        return self._collect("emosym_presets", Preset, lambda one: (one.name,))

    def cards(self) -> tuple[Cards, ...]:
        return self._collect("emosym_cards", Cards, lambda one: (one.package, one.path))

    def commands(self) -> tuple[_Command, ...]:
        commands: tuple[_Command, ...] = self._collect("emosym_commands", tuple, lambda one: one[:1])
        for command in commands:
            _check_command(command)
        names = [" ".join(name.split()) for name, _, _ in commands]
        for name in names:
            group = next((other for other in names if other.startswith(f"{name} ")), "")
            if group:
                cause = f"emosym_commands: {name!r} is a command, and a group because of {group!r}"
                raise Refused("spec", cause, "rename one of them")
        return commands

    def _collect(
        self, hook: str, kind: type[_Descriptor], key: Callable[[_Descriptor], tuple[str, ...]]
    ) -> tuple[_Descriptor, ...]:
        items = self._ask(hook, tuple) or ()
        for item in items:
            if not isinstance(item, kind):
                raise Refused(
                    "spec", f"{hook} must yield {kind.__name__}, got {type(item).__name__}", AUTHORS
                )
        keys = [key(item) for item in items]
        for twice in keys:
            if keys.count(twice) > 1:
                words = " ".join([*twice[:-1], repr(twice[-1])])
                raise Refused("spec", f"{hook}: {words} is offered twice", "rename one of them")
        return items

    def _ask(self, hook: str, read: Callable[[Any], Any] = lambda answer: answer) -> Any:
        """What the plugin answers, None where it has no such hook; what it raises refuses it."""
        try:
            answer = self._implementations[hook]() if hook in self._implementations else None
            return None if answer is None else read(answer)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # what a plugin's own hook raises
            about_version = getattr(error, "id", "") == "plugin.bad-api-version"
            hint = getattr(error, "hint", "") or AUTHORS
            raise Refused(
                "version" if about_version else "spec", f"{hook}: {first_line(error)}", hint
            ) from error


def _check_command(command: tuple[Any, ...]) -> None:
    is_command = len(command) == 3 and all(isinstance(word, str) for word in command)
    if not is_command or not command[0].split() or not TARGET.match(command[1]):
        hint = 'for example: ("data make", "package.module:typer_app", "Make data.")'
        raise Refused("spec", f"emosym_commands: {command!r} is not (name, target, help)", hint)
