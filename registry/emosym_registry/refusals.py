"""What a plugin is refused for; each refusal names the stage, the cause and what to do."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import emosym_registry.hookspecs as hookspecs
from emosym_registry.descriptors import API_VERSION, PluginInfo
from emosym_registry.discovery import InstalledPlugin
from emosym_registry.errors import did_you_mean
from emosym_registry.plugins import LoadedPlugin

AUTHORS = "see docs/how-to/write-a-plugin.md, or report it to the plugin's authors"
_PREFIX = f"{hookspecs.PROJECT}_"


class Refused(Exception):  # noqa: N818
    def __init__(self, stage: str, cause: str, hint: str) -> None:
        super().__init__(cause)
        self.stage, self.cause, self.hint = stage, cause, hint


def check_entry_point(
    plugins: Mapping[str, LoadedPlugin], plugin: InstalledPlugin, installed: Iterable[InstalledPlugin]
) -> None:
    """Refuse an entry point that leads to no module, and one whose id another package has too: neither stands in for the
    other."""
    if plugin.problem:
        raise Refused("discover", plugin.problem, mend(plugin))
    for other in installed:
        if other.id == plugin.id and other.distribution != plugin.distribution and not other.problem:
            cause = f"{other.package} has a plugin {plugin.id!r} too, so neither is loaded"
            raise Refused("discover", cause, f"pip uninstall {other.distribution}, or {plugin.distribution}")
    if plugin.id in plugins:
        other = plugins[plugin.id].installed
        cause = f"{plugin.distribution} is installed twice, as {other.version} and {plugin.version}"
        raise Refused("discover", cause, mend(plugin))


def mend(plugin: InstalledPlugin) -> str:
    """For metadata that does not fit the code, as an editable installation keeps it after a rename."""
    if plugin.folder:
        return f"mend the entry point in {plugin.folder}/pyproject.toml"
    return f"pip install --force-reinstall {plugin.distribution}, or pip uninstall {plugin.distribution}"


def hooks_of(module: Any) -> Iterator[tuple[str, Callable[..., Any], dict[str, Any] | None]]:
    """Hook implementations of a module and their options, None for one that somebody forgot to mark."""
    for name, value in vars(module).items():
        options = getattr(value, f"{_PREFIX}impl", None) if inspect.isroutine(value) else None
        if isinstance(options, dict):
            yield options.get("specname") or name, value, options
        elif name.startswith(_PREFIX) and inspect.isfunction(value):
            yield name, value, None


def check_hooks(module: Any) -> None:
    """Refuse a module for everything that is wrong with its hooks, in one sentence each."""
    wrong = [mistake for hook in hooks_of(module) for mistake in _mistakes(*hook)]
    if wrong:
        causes, hints = (dict.fromkeys(words) for words in zip(*wrong, strict=True))
        raise Refused("register", "; ".join(causes), "; ".join(hints))


def _mistakes(
    name: str, function: Callable[..., Any], options: dict[str, Any] | None
) -> Iterator[tuple[str, str]]:
    """What is wrong with one hook, each with what to do."""
    known = sorted(name for name in vars(hookspecs) if name.startswith(_PREFIX))
    if options is None:
        yield f"function {name} is not marked with @hookimpl", "write @hookimpl above it"
    elif options.get("wrapper") or options.get("hookwrapper"):
        cause = f"{name} is a wrapper around other plugins' hooks, which each stand alone here"
        yield cause, "write it as a plain @hookimpl"
    if name not in known:
        yield f"unknown hook {name}", did_you_mean(name, known) or f"hooks: {', '.join(known)}"
        return
    arguments = list(inspect.signature(getattr(hookspecs, name)).parameters)
    for argument in _required(function):
        if argument not in arguments:
            given = f"{name} is given {', '.join(arguments) or 'nothing'}"
            yield f"hook {name} has no argument {argument!r}", did_you_mean(argument, arguments) or given


def _required(function: Callable[..., Any]) -> list[str]:
    """Names of the arguments that a caller has to give."""
    return [
        one.name
        for one in inspect.signature(function).parameters.values()
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]


def check_version(plugin: InstalledPlugin, info: PluginInfo) -> None:
    """Refuse a plugin that was written for another major version of the API, or a newer minor one."""
    wanted, ours = (tuple(int(part) for part in text.split(".")) for text in (info.api_version, API_VERSION))
    if wanted[0] != ours[0] or wanted > ours:
        older = "emosym emosym-registry" if wanted > ours else plugin.distribution
        cause = f"written for plugin API {info.api_version}, this is {API_VERSION}"
        raise Refused("version", cause, f"pip install --upgrade {older}")


def version_clash(plugin: InstalledPlugin, refused: Refused) -> Refused | None:
    """Another cause where the plugin asks for another registry: that explains whatever went wrong."""
    if refused.stage in ("discover", "version"):
        return None
    from emosym_registry.requirements import unmet_of_ours

    for requirement in unmet_of_ours(plugin.distribution):
        cause = f"{plugin.package} {requirement.words} ({refused.cause})"
        hint = f"pip install {requirement.quoted}, or another version of {plugin.distribution}"
        return Refused("version", cause, hint)
    return None
