"""``emosym plugins``: who offers what."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import typer
from emosym_registry.errors import plural

from emosym.cli.columns import columns
from emosym.cli.common import JsonOption, registry_for
from emosym.cli.group import PluginGroup
from emosym.cli.plugins.check import check
from emosym.cli.plugins.doctor import doctor, own_verb
from emosym.cli.plugins.new import add, new
from emosym.cli.plugins.search import search_plugins
from emosym.cli.plugins.show import show_plugin

if TYPE_CHECKING:
    from emosym_registry import LoadedPlugin, Registry

app = typer.Typer(
    cls=PluginGroup, help="List, search, check and make plugins and their components.", no_args_is_help=True
)


@app.callback()
def _plugins() -> None:
    """List, search, check and make plugins and their components."""


app.command("show")(show_plugin)
app.command("search")(search_plugins)
app.command("doctor")(doctor)
app.command("check")(check)
app.command("new")(new)
app.command("add")(add)


@app.command("list")
def list_plugins(
    context: typer.Context,
    as_json: JsonOption = False,
) -> None:
    """List installed plugins and their components, without importing an implementation."""
    registry = registry_for(context.obj)
    if as_json:
        print(json.dumps(as_dict(registry), indent=2))
    else:
        _print_table(registry, partial(own_verb, context.find_root().command))


def as_dict(registry: Registry) -> dict[str, Any]:
    """The registry as JSON shows it."""
    failed = [
        {"id": failure.plugin.id, "stage": failure.stage, "cause": failure.cause, "hint": failure.hint}
        for failure in registry.failures
    ]
    return {
        "plugins": [_plugin_as_dict(plugin) for _, plugin in sorted(registry.plugins.items())],
        "failed": failed,
        "blocked": dict(sorted(registry.blocked.items())),
    }


def _plugin_as_dict(plugin: LoadedPlugin) -> dict[str, Any]:
    specs = sorted((one.spec for one in plugin.components), key=lambda spec: (spec.kind, spec.name))
    return {
        "id": plugin.id,
        "distribution": plugin.installed.distribution,
        "version": plugin.installed.version,
        "api_version": plugin.info.api_version,
        "summary": plugin.info.summary,
        "components": [
            {
                "kind": spec.kind,
                "name": spec.name,
                "summary": spec.summary,
                "needs": list(spec.needs),
                "capabilities": list(spec.capabilities),
            }
            for spec in specs
        ],
        "aliases": sorted(f"{alias.kind} {alias.component} {alias.name}" for alias in plugin.aliases),
        "presets": sorted(preset.name for preset in plugin.presets),
        "commands": sorted(name for name, _, _ in plugin.commands),
    }


def _print_table(registry: Registry, verbs: Callable[[str], str | None]) -> None:
    from emosym.diagnosis.examine import typed

    rows, previous = [], ""
    for component in registry.components():
        spec = component.spec
        kind = "" if spec.kind == previous else spec.kind
        rows.append((kind, spec.name, component.plugin.id, spec.summary))
        previous = spec.kind
    print(columns(("kind", "name", "plugin", "what"), rows))
    versions = ", ".join(
        f"{id} {plugin.installed.version}" for id, plugin in sorted(registry.plugins.items())
    )
    print(f"\n{plural(len(registry.plugins), 'plugin')}: {versions or 'none'}")
    for plugin, (name, _, summary) in registry.commands():
        print(f"command: {typed(plugin, name, verbs(name))} ({plugin.id}): {summary}")
    for id, why in sorted(registry.blocked.items()):
        print(f"blocked: {id} ({why})")
