"""``emosym plugins``: who offers what."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emosym.cli.columns import columns
from emosym.cli.common import registry_for
from emosym.cli.plugins.check import check
from emosym.cli.plugins.doctor import doctor
from emosym.cli.plugins.new import new
from emosym.cli.plugins.search import search_plugins
from emosym.cli.plugins.show import show_plugin

if TYPE_CHECKING:
    from emosym_registry import Registry

app = typer.Typer(help="Who offers what.", no_args_is_help=True)


@app.callback()
def _plugins() -> None:
    """Who offers what."""


app.command("show")(show_plugin)
app.command("search")(search_plugins)
app.command("doctor")(doctor)
app.command("check")(check)
app.command("new")(new)


@app.command("list")
def list_plugins(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List installed plugins and their components, without importing an implementation."""
    registry = registry_for(context.obj)
    if as_json:
        print(json.dumps(as_dict(registry), indent=2))
    else:
        _print_table(registry)


def as_dict(registry: Registry) -> dict[str, Any]:
    """The registry as JSON shows it."""
    plugins = []
    for id, found in sorted(registry.plugins.items()):
        info = registry.infos[id]
        components = [offer.spec for offer in registry.components() if offer.plugin.id == id]
        plugins.append(
            {
                "id": id,
                "distribution": found.distribution,
                "version": found.version,
                "api_version": info.api_version,
                "summary": info.summary,
                "components": [
                    {
                        "kind": spec.kind,
                        "name": spec.name,
                        "summary": spec.summary,
                        "capabilities": list(spec.capabilities),
                    }
                    for spec in components
                ],
                "aliases": sorted(
                    f"{alias.kind} {alias.component} {alias.name}"
                    for owner, alias in registry.aliases
                    if owner.id == id
                ),
                "presets": sorted(preset.name for owner, preset in registry.presets if owner.id == id),
                "commands": sorted(command[0] for owner, command in registry.commands if owner.id == id),
            }
        )
    failed = [
        {"id": failure.plugin.id, "stage": failure.stage, "cause": failure.cause, "hint": failure.hint}
        for failure in registry.failures
    ]
    return {"plugins": plugins, "failed": failed, "blocked": dict(sorted(registry.blocked.items()))}


def _print_table(registry: Registry) -> None:
    rows, previous = [], ""
    for offer in registry.components():
        spec = offer.spec
        rows.append(("" if spec.kind == previous else spec.kind, spec.name, offer.plugin.id, spec.summary))
        previous = spec.kind
    print(columns(("kind", "name", "plugin", "what"), rows))
    versions = ", ".join(f"{id} {found.version}" for id, found in sorted(registry.plugins.items()))
    print(f"\n{len(registry.plugins)} plugins: {versions or 'none'}")
    for owner, (name, _, summary) in registry.commands:
        print(f"command: emosym {name} ({owner.id}): {summary}")
    for id, why in sorted(registry.blocked.items()):
        print(f"blocked: {id} ({why})")
