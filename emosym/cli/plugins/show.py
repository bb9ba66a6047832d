"""``emosym plugins show``: one plugin, or one component with its parameters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from emosym.cli import completion
from emosym.cli.columns import columns
from emosym.cli.common import JsonOption, registry_for


def show_plugin(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A plugin, a component, kind/component or plugin/component.",
            autocompletion=completion.components,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Show a plugin and what it offers, or a component and its parameters; also of what is not installed."""
    from emosym.diagnosis.facts import look_up

    about = look_up(registry_for(context.obj), name)
    if as_json:
        print(json.dumps(about, indent=2, ensure_ascii=False))
        return
    if about["plugin"] is not None:
        _print_plugin(about["plugin"])
    for place, component in enumerate(about["components"]):
        if place:
            print()
        _print_component(component)


def _print_plugin(about: dict[str, Any]) -> None:
    version = f" {about['version']}" if about["version"] else ""
    print(f"{about['id']}{version}: {about['summary']}".rstrip(": "))
    facts = [("status", about["status"])]
    if about["failure"] is not None:
        facts += [("cause", about["failure"]["cause"]), ("what to do", about["failure"]["hint"])]
    facts.append(("package", about["distribution"]))
    if about["status"] == "not installed":
        facts.append(("to install", about["install"]))
    named = (
        ("plugin API", "api_version"),
        ("module", "module"),
        ("licence", "licence"),
        ("hardware", "hardware"),
    )
    facts += [(title, about[key]) for title, key in named if about[key]]
    _print_facts(facts)
    if about["components"]:
        rows = [(f"{one['kind']}/{one['name']}", one["summary"], _more(one)) for one in about["components"]]
        print(f"\n{columns(('component', 'what', 'capabilities'), rows)}")
    for alias in about["aliases"]:
        licence = f" ({alias['licence']})" if alias["licence"] else ""
        print(f"weights: model: {alias['name']} of {alias['kind']} {alias['component']}{licence}")
    for preset in about["presets"]:
        print(f"preset: extends: preset:{preset['name']}: {preset['summary']}".rstrip(": "))
    for command in about["commands"]:
        print(f"command: emosym {command['name']}: {command['summary']}")


def _more(component: dict[str, Any]) -> str:
    needs = [f"needs {name}" for name in component["requires"]]
    return ", ".join([*component["capabilities"], *needs])


def _print_component(about: dict[str, Any]) -> None:
    print(f"{about['kind']}/{about['name']}: {about['summary']}".rstrip(": "))
    version = about["version"] or about["status"]
    facts = [("plugin", f"{about['plugin']} ({version})")]
    if about["parameters"] is None:
        facts.append(("to install" if about["status"] == "not installed" else "what to do", about["install"]))
    for title, key in (("capabilities", "capabilities"), ("requires", "requires")):
        if about.get(key):
            facts.append((title, ", ".join(about[key])))
    facts += [(title, about[title]) for title in ("licence", "hardware") if about[title]]
    facts += [("code", about["target"])] if about.get("target") else []
    _print_facts(facts)
    for alias in about.get("aliases", ()):
        print(f"weights: model: {alias['name']} ({alias['plugin']}): {alias['summary']}".rstrip(": "))
    if about["parameters"]:
        rows = [(one["name"], one["type"], one["default"], one["meaning"]) for one in about["parameters"]]
        print(f"\n{columns(('parameter', 'type', 'default', 'meaning'), rows)}")
    elif about["parameters"] == []:
        print("no parameters")


def _print_facts(facts: Sequence[tuple[str, str | None]]) -> None:
    given = [(title, value) for title, value in facts if value]
    width = max(len(title) for title, _ in given)
    for title, value in given:
        print(f"  {title.ljust(width)}  {value}")
