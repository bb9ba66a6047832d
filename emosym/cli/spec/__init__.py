"""``emosym spec``: write, check and read a spec without running it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emosym.cli import completion
from emosym.cli.common import JsonOption, SetOption, SpecArgument, registry_for, resolve, say_notes
from emosym.cli.group import PluginGroup
from emosym.cli.saying import say
from emosym.cli.spec.new import new

if TYPE_CHECKING:
    from emosym.spec import Resolved

app = typer.Typer(
    cls=PluginGroup, help="Write, check and read a spec without running it.", no_args_is_help=True
)
app.command("new")(new)


@app.callback()
def _spec() -> None:
    """Write, check and read a spec without running it."""


@app.command("check")
def check(
    context: typer.Context, spec: SpecArgument, sets: SetOption = None, as_json: JsonOption = False
) -> None:
    """Validate a spec against the installed plugins: every problem at once, with its place in the file."""
    from emosym.cli.spec.explain import headline
    from emosym.spec import SpecErrors

    try:
        resolved, _ = resolve(context.obj, spec, sets)
    except SpecErrors as errors:
        if as_json:
            problems = [asdict(problem) for problem in errors.problems]
            print(json.dumps({"ok": False, "problems": problems}, indent=2, ensure_ascii=False))
        raise
    if as_json:
        print(json.dumps({"ok": True, "name": resolved.spec.name, "notes": sorted(set(resolved.messages))}))
    else:
        print(f"ok: {headline(resolved)}")
    say_notes(unread_data(resolved))


def unread_data(resolved: Resolved) -> list[str]:
    """What only the data can tell: whether data of one's own have the texts that a preset takes for granted."""
    data, knowledge = (resolved.origins.get(f"{section}.name") for section in ("data", "knowledge"))
    if data is None or knowledge is None or data.kind == "preset" or knowledge.kind != "preset":
        return []
    return [
        f"knowledge is that of preset:{knowledge.name}, chosen for other data; "
        "emosym data check says whether these have its texts"
    ]


@app.command("show")
def show(
    context: typer.Context, spec: SpecArgument, sets: SetOption = None, as_json: JsonOption = False
) -> None:
    """Print the complete spec, every default filled in; what is printed is a spec itself."""
    resolved, _ = resolve(context.obj, spec, sets)
    if as_json:
        print(json.dumps(resolved.document(), indent=2, ensure_ascii=False))
    else:
        print(resolved.to_yaml(), end="")


@app.command("explain")
def explain(
    context: typer.Context,
    spec: SpecArgument,
    sets: SetOption = None,
    every: Annotated[bool, typer.Option("--all", help="Also list values that nobody set.")] = False,
    against: Annotated[
        str,
        typer.Option(
            metavar="PRESET|FILE",
            autocompletion=completion.presets,
            help="What to compare the method with: paper, official, emosym, tiny, a file …",
        ),
    ] = "paper",
    vram: Annotated[
        bool, typer.Option("--vram", help="Say instead what memory each stage needs, and what card has it.")
    ] = False,
    cost: Annotated[
        bool,
        typer.Option(
            "--cost", help="Say instead what each stage computes, and how long a card takes for it."
        ),
    ] = False,
    card: Annotated[str, typer.Option("--card", metavar="NAME", help="The card of --cost.")] = "h100",
    share: Annotated[
        float,
        typer.Option("--share", metavar="0…1", help="Share of the card's peak that --cost reckons with."),
    ] = 0.4,
    pictures: Annotated[
        int | None,
        typer.Option(
            "--pictures",
            min=1,
            metavar="N",
            help="Training pictures that --cost reckons with; by default the data are counted.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say where every value came from, what is not as in a preset, and what plugins and licences it uses."""
    from emosym.cli.spec.explain import components_section, deviations_section, headline, values_section

    resolved, registry = resolve(context.obj, spec, sets)
    sections = []
    if vram:
        say("measuring the models without their weights")
        from emosym.cli.spec.vram import vram_section

        sections.append(vram_section(resolved, registry))
    if cost:
        from emosym.cli.spec.cost import cost_section

        sections.append(cost_section(resolved, registry, card, share, pictures))
    if not sections:
        sections = [
            values_section(resolved, every),
            deviations_section(resolved, registry, against),
            components_section(resolved, registry),
        ]
    if as_json:
        data = {"name": resolved.spec.name, **{section.key: section.data for section in sections}}
        print(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        print("\n\n".join([headline(resolved), *(section.text for section in sections)]))


@app.command("schema")
def schema(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it there instead of printing it.")
    ] = None,
) -> None:
    """Write a JSON Schema of specs for the installed plugins, with which an editor completes and checks."""
    from emosym.spec import schema as schema_of
    from emosym.toolkit import write_json

    document = schema_of(registry_for(context.obj))
    if out is None:
        print(json.dumps(document, indent=2))
    else:
        write_json(out, document)
        print(f"written: {out}")
