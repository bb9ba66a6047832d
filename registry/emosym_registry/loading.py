"""Loading plugins, each on its own: one that fails is recorded and never stops another."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from typing import Any

import pluggy

from emosym_registry.descriptors import Alias, ComponentSpec, PluginInfo, Preset
from emosym_registry.discovery import Found, discover
from emosym_registry.errors import EmosymError, PluginDeprecationWarning, did_you_mean, first_line
from emosym_registry.manager import Registry
from emosym_registry.offers import Failure, Offer
from emosym_registry.refusals import (
    AUTHORS,
    Refused,
    check_command,
    check_entry_point,
    check_hooks,
    check_version,
    mend,
    version_clash,
)


def warn(failure: Failure) -> None:
    """One line on stderr."""
    print(f"warning: {failure}; {failure.hint}", file=sys.stderr)


def load_registry(
    *,
    only: Iterable[str] | None = None,
    disabled: Iterable[str] = (),
    strict: bool | None = None,
    found: Iterable[Found] | None = None,
    on_failure: Callable[[Failure], None] = warn,
) -> Registry:
    """Discover, import and register plugins.

    ``only`` is an allow-list of plugin ids, ``disabled`` (with ``EMOSYM_DISABLE_PLUGINS``, comma separated) a block-list;
    a blocked plugin is not imported. ``strict`` (or ``EMOSYM_STRICT_PLUGINS=1``) makes the first failure an error.
    """
    strict = os.environ.get("EMOSYM_STRICT_PLUGINS") == "1" if strict is None else strict
    registry = Registry(strict=strict, report=on_failure)
    variable = [word.strip() for word in os.environ.get("EMOSYM_DISABLE_PLUGINS", "").split(",")]
    blocked, allowed = set(disabled), None if only is None else set(only)
    installed = discover() if found is None else list(found)
    ids = [plugin.id for plugin in installed]
    for words, by in ((blocked, "--no-plugin"), (allowed or (), "plugins.only")):
        registry.unknown += [_no_such(word, by, ids) for word in sorted(words) if word not in ids]
    for plugin in installed:
        if plugin.id in variable:
            registry.blocked[plugin.id] = "EMOSYM_DISABLE_PLUGINS"
        elif plugin.id in blocked:
            registry.blocked[plugin.id] = "--no-plugin"
        elif allowed is not None and plugin.id not in allowed:
            registry.blocked[plugin.id] = "plugins.only"
        else:
            _load_one(registry, plugin)
    return registry


def _no_such(id: str, by: str, ids: Iterable[str]) -> str:
    return f"{by}: no plugin {id!r} is installed; {did_you_mean(id, ids)}".rstrip("; ")


def _load_one(registry: Registry, plugin: Found) -> None:
    try:
        with redirect_stdout(sys.stderr):  # what a plugin prints must not get into what a command prints
            _register(registry, plugin)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything, SystemExit too; the others must go on
        refused = error if isinstance(error, Refused) else Refused("register", first_line(error), AUTHORS)
        refused = version_clash(plugin, refused) or refused
        failure = Failure(plugin, refused.stage, refused.cause, refused.hint, error.__cause__ or error)
        if registry.strict:
            raise EmosymError("plugin.failed", str(failure), hint=failure.hint) from error
        registry.failures.append(failure)
        registry.report(failure)


def _register(registry: Registry, plugin: Found) -> None:
    check_entry_point(registry.plugins, plugin)
    started = time.perf_counter()
    module = _import(plugin)
    registry.seconds[plugin.id] = time.perf_counter() - started
    # The version comes first: a hook that is unknown here may be one of a newer API.
    introduce = getattr(module, "emosym_plugin_info", None)
    info = _ask("emosym_plugin_info", introduce)
    if isinstance(info, PluginInfo):
        check_version(plugin, info)
    check_hooks(module)
    if introduce is None:
        raise Refused("spec", "the hook emosym_plugin_info is missing; it says who the plugin is", AUTHORS)
    if not isinstance(info, PluginInfo):
        raise Refused("spec", "emosym_plugin_info must return PluginInfo", AUTHORS)
    try:
        _enrol(registry, plugin, module, info)
    except BaseException:
        if registry.manager.has_plugin(plugin.id):
            registry.manager.unregister(name=plugin.id)
        raise


def _import(plugin: Found) -> Any:
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
        hint = f"pip install --upgrade {plugin.distribution}, or pip uninstall {plugin.distribution}"
        raise Refused("import", f"{type(error).__name__}: {first_line(error)}", hint) from error


def _enrol(registry: Registry, plugin: Found, module: Any, info: PluginInfo) -> None:
    """Register the module and take in all it offers, or none of it."""
    deprecated = _register_hooks(registry, plugin, module)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", PluginDeprecationWarning)
        components = _offered(
            registry, plugin, "emosym_components", ComponentSpec, lambda one: (one.kind, one.name)
        )
        aliases = _offered(
            registry, plugin, "emosym_aliases", Alias, lambda one: (one.kind, one.component, one.name)
        )
        presets = _offered(registry, plugin, "emosym_presets", Preset, lambda one: (one.name,))
        commands = _offered(registry, plugin, "emosym_commands", tuple, lambda one: one[:1])
    for command in commands:
        check_command(command)
    deprecated += _deprecations(said)
    registry.plugins[plugin.id] = plugin
    registry.infos[plugin.id] = info
    registry.offers += [Offer(plugin, spec) for spec in components]
    registry.aliases += [(plugin, alias) for alias in aliases]
    registry.presets += [(plugin, preset) for preset in presets]
    registry.commands += [(plugin, command) for command in commands]
    registry.deprecated += [(plugin, sentence) for sentence in dict.fromkeys(deprecated)]


def _register_hooks(registry: Registry, plugin: Found, module: Any) -> list[str]:
    """Register with pluggy, which checks the arguments and warns of deprecated hooks; returns those warnings."""
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            registry.manager.register(module, name=plugin.id)
    except pluggy.PluginValidationError as error:
        cause = "; ".join(str(error).split("\n")[1:]) or str(error)
        raise Refused(
            "register", cause, "the arguments of each hook are in emosym_registry.hookspecs"
        ) from error
    except ValueError as error:
        cause = f"module {plugin.module!r} is already another plugin"
        raise Refused("register", cause, "give each entry point a module of its own") from error
    return _deprecations(said)


def _deprecations(said: list[warnings.WarningMessage]) -> list[str]:
    """The sentences of deprecations; any other warning is shown as it would have been."""
    sentences = []
    for one in said:
        if issubclass(one.category, PluginDeprecationWarning):
            sentences.append(str(one.message))
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return sentences


def _ask(hook: str, function: Callable[[], Any] | None) -> Any:
    """What one hook of one plugin answers; None where it has none."""
    try:
        answer = None if function is None else function()
        return answer if answer is None or isinstance(answer, PluginInfo) else list(answer)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # what a plugin's own hook raises
        hint = error.hint if isinstance(error, EmosymError) and error.hint else AUTHORS
        about_version = isinstance(error, EmosymError) and error.id == "plugin.bad-api-version"
        cause = f"{hook}: {first_line(error)}"
        raise Refused("version" if about_version else "spec", cause, hint) from error


def _offered(
    registry: Registry, plugin: Found, hook: str, kind: type, key: Callable[[Any], tuple[str, ...]]
) -> list[Any]:
    calls = getattr(registry.manager.hook, hook).get_hookimpls()
    own = next((call.function for call in calls if call.plugin_name == plugin.id), None)
    items = _ask(hook, own) or []
    for item in items:
        if not isinstance(item, kind):
            raise Refused("spec", f"{hook} must yield {kind.__name__}, got {type(item).__name__}", AUTHORS)
    keys = [key(item) for item in items]
    for twice in keys:
        if keys.count(twice) > 1:
            words = " ".join([*twice[:-1], repr(twice[-1])])
            raise Refused("spec", f"{hook}: {words} is offered twice", "rename one of them")
    return list(items)
