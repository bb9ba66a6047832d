"""``emosym spec``: write, check and read a spec without running it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from emosym.cli.common import SetOption, SpecArgument, registry_for, resolve
from emosym.cli.group import PluginGroup
from emosym.cli.spec.new import new

app = typer.Typer(
    cls=PluginGroup, help="Write, check and read a spec without running it.", no_args_is_help=True
)
app.command("new")(new)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _spec() -> None:
    """Write, check and read a spec without running it."""


@app.command("check")
def check(context: typer.Context, spec: SpecArgument, sets: SetOption = None) -> None:
    """Validate a spec against the installed plugins: every problem at once, with its place in the file."""
    from emosym.cli.spec.explain import headline

    resolved, _ = resolve(context.obj, spec, sets)
    print(f"ok: {headline(resolved)}")


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
