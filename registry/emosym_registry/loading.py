"""Loading plugins, each on its own: one that fails is recorded and never stops another."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from typing import Any

import pluggy

from emosym_registry.collecting import CollectingHooks
from emosym_registry.components import RegisteredComponent
from emosym_registry.discovery import InstalledPlugin, discover
from emosym_registry.errors import PluginDeprecationWarning, did_you_mean, first_line
from emosym_registry.plugins import Failure, LoadedPlugin
from emosym_registry.refusals import (
    AUTHORS,
    Refused,
    check_entry_point,
    check_hooks,
    check_version,
    mend,
    version_clash,
)
from emosym_registry.registry import Registry


def warn(failure: Failure) -> None:
    """One line on stderr."""
    print(f"warning: {failure}; {failure.hint}", file=sys.stderr)


def load_registry(
    *,
    only: Iterable[str] | None = None,
    disabled: Iterable[str] = (),
    strict: bool | None = None,
    installed: Iterable[InstalledPlugin] | None = None,
    on_failure: Callable[[Failure], None] = warn,
) -> Registry:
    """Discover, import and register plugins.

    ``only`` is an allow-list of plugin ids, ``disabled`` (with ``EMOSYM_DISABLE_PLUGINS``, comma separated) a
    block-list; a blocked plugin is not imported. ``strict`` (or ``EMOSYM_STRICT_PLUGINS=1``) makes the first
    failure an error. ``installed`` takes the place of what is discovered.
    """
    strict = os.environ.get("EMOSYM_STRICT_PLUGINS") == "1" if strict is None else strict
    registry = Registry(strict=strict, report=on_failure)
    variable = [word.strip() for word in os.environ.get("EMOSYM_DISABLE_PLUGINS", "").split(",")]
    blocked, allowed = set(disabled), None if only is None else set(only)
    plugins = discover() if installed is None else list(installed)
    ids = [plugin.id for plugin in plugins]
    for words, by in ((blocked, "--no-plugin"), (allowed or (), "plugins.only")):
        registry.unknown_ids += [_no_such(word, by, ids) for word in sorted(words) if word not in ids]
    for plugin in plugins:
        if plugin.id in variable:
            registry.blocked[plugin.id] = "EMOSYM_DISABLE_PLUGINS"
        elif plugin.id in blocked:
            registry.blocked[plugin.id] = "--no-plugin"
        elif allowed is not None and plugin.id not in allowed:
            registry.blocked[plugin.id] = "plugins.only"
        else:
            _load(registry, plugin, plugins)
    return registry


def _no_such(id: str, by: str, ids: Iterable[str]) -> str:
    return f"{by}: no plugin {id!r} is installed; {did_you_mean(id, ids)}".rstrip("; ")


def _load(registry: Registry, plugin: InstalledPlugin, installed: Iterable[InstalledPlugin]) -> None:
    """Add one plugin to the registry, with all that it offers or, recorded as a failure, with nothing."""
    try:
        # What a plugin prints must not get into what a command prints.
        with redirect_stdout(sys.stderr), _deprecations() as deprecated:
            loaded = _register(registry, plugin, installed)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything, SystemExit too; the others must go on
        refused = error if isinstance(error, Refused) else Refused("register", first_line(error), AUTHORS)
        refused = version_clash(plugin, refused) or refused
        cause = error.__cause__ or error
        registry.fail(Failure(plugin, refused.stage, refused.cause, refused.hint, cause))
    else:
        registry.plugins[plugin.id] = replace(loaded, deprecated=tuple(dict.fromkeys(deprecated)))


def _register(
    registry: Registry, plugin: InstalledPlugin, installed: Iterable[InstalledPlugin]
) -> LoadedPlugin:
    """Ask a plugin for all that it offers; its hooks are registered last, when nothing else can refuse it."""
    check_entry_point(registry.plugins, plugin, installed)
    started = time.perf_counter()
    module = _import(plugin)
    seconds = time.perf_counter() - started
    hooks = CollectingHooks(module)
    info = hooks.info()
    if info is not None:  # before all else: a hook that is unknown here may be one of a newer API
        check_version(plugin, info)
    check_hooks(module)
    if info is None:
        raise Refused("spec", "the hook emosym_plugin_info is missing; it says who the plugin is", AUTHORS)
    loaded = LoadedPlugin(
        plugin,
        info,
        components=tuple(RegisteredComponent(plugin, spec) for spec in hooks.components()),
        aliases=hooks.aliases(),
        presets=hooks.presets(),
        commands=hooks.commands(),
        cards=hooks.cards(),
        seconds=seconds,
    )
    _register_hooks(registry.manager, plugin, module)
    return loaded


def _import(plugin: InstalledPlugin) -> Any:
    try:
        return plugin.load()
    except KeyboardInterrupt:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{plugin.module}.".startswith(f"{error.name}."):
            cause = f"its entry point names module {plugin.module!r}, and there is no {error.name!r}"
            raise Refused("import", cause, mend(plugin)) from error
        hint = f"pip install --upgrade {plugin.distribution} brings what it requires, if it says so"
        raise Refused("import", f"ModuleNotFoundError: {first_line(error)}", hint) from error
    except BaseException as error:
        upgrade = f"pip install --upgrade {plugin.distribution}, or pip uninstall {plugin.distribution}"
        hint = f"mend it in {plugin.folder}" if plugin.folder else upgrade
        raise Refused("import", f"{type(error).__name__}: {first_line(error)}", hint) from error


def _register_hooks(manager: pluggy.PluginManager, plugin: InstalledPlugin, module: Any) -> None:
    """Register with pluggy, which checks the arguments and warns of deprecated hooks."""
    try:
        manager.register(module, name=plugin.id)
    except pluggy.PluginValidationError as error:
        manager.unregister(name=plugin.id)
        cause = "; ".join(str(error).split("\n")[1:]) or str(error)
        hint = "the arguments of each hook are in emosym_registry.hookspecs"
        raise Refused("register", cause, hint) from error
    except ValueError as error:
        cause = f"module {plugin.module!r} is already another plugin"
        raise Refused("register", cause, "give each entry point a module of its own") from error


@contextmanager
def _deprecations() -> Iterator[list[str]]:
    """Collect the sentences of deprecations; any other warning is shown as it would have been."""
    sentences: list[str] = []
    try:
        with warnings.catch_warnings(record=True) as recorded:
            warnings.simplefilter("always", PluginDeprecationWarning)
            yield sentences
    finally:
        for one in recorded:
            if issubclass(one.category, PluginDeprecationWarning):
                sentences.append(str(one.message))
            else:
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
