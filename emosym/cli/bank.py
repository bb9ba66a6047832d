"""``emosym bank``: what the memory bank of a run holds, why, and how to take it back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from emosym_registry.errors import plural

from emosym.cli import completion
from emosym.cli.common import JsonOption, RunArgument, registry_for
from emosym.cli.group import PluginGroup
from emosym.cli.saying import say

if TYPE_CHECKING:
    from emosym.experiment.bank import Entry, OpenBank

app = typer.Typer(
    cls=PluginGroup,
    help="Look into the memory bank of a run, and take back what it did.",
    no_args_is_help=True,
)

EntryArgument = Annotated[
    str, typer.Argument(metavar="ENTRY", help="An image of the bank, as `bank show` calls it.")
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; the ledger keeps it.")]
BY_HAND = "by hand"
OPENING = "opening the bank"


@app.callback()
def _bank() -> None:
    """Look into the memory bank of a run."""


@app.command("show")
def show(
    context: typer.Context,
    run: RunArgument,
    emotion: Annotated[
        str | None,
        typer.Option("--emotion", help="Images of this emotion alone.", autocompletion=completion.emotions),
    ] = None,
    sort: Annotated[
        str, typer.Option("--sort", help="By emotion, age (oldest first) or score (worst first).")
    ] = "emotion",
    as_json: JsonOption = False,
) -> None:
    """List the images that the bank holds, with age and scores."""
    say(OPENING)
    from emosym.experiment.bank import opened

    with opened(run, registry_for(context.obj)) as one:
        found, adds = one.chosen(emotion, sort), one.bank.adds
    if as_json:
        _print_json({"adds": adds, "images": found})
        return
    if found:
        print(_table(found))
    masked = sum(entry.masked for entry in found)
    place = "beside the originals" if adds else "in place of originals"
    print(f"{plural(len(found), 'image')} {place}" + (f", {masked} masked by hand" if masked else ""))


@app.command("ledger")
def ledger(
    context: typer.Context,
    run: RunArgument,
    action: Annotated[
        str | None, typer.Option("--action", help="Lines of this action alone: admit, refuse, replace …")
    ] = None,
    entry: Annotated[
        str | None, typer.Option("--entry", metavar="ENTRY", help="Lines of this image alone.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the history of the bank: every admission, replacement, refusal and return, with its reason."""
    from emosym.cli.columns import columns

    say(OPENING)
    from emosym.experiment.bank import opened

    with opened(run, registry_for(context.obj)) as one:
        lines = one.history(action, entry)
        rows = [
            (str(line.number), str(line.step), line.action, line.image, one.named(line.label), line.reason)
            for line in lines
        ]
    if as_json:
        _print_json(lines)
        return
    print(columns(("line", "step", "action", "image", "emotion", "reason"), rows, numbers=(0, 1)))


@app.command("replay")
def replay(
    context: typer.Context,
    run: RunArgument,
    until: Annotated[
        int | None,
        typer.Option(
            "--until", metavar="LINE", min=0, help="Up to this line of the ledger; to its end by default."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what the ledger alone amounts to, and whether the bank holds just that."""
    say(OPENING)
    from emosym.experiment.bank import agrees, opened

    with opened(run, registry_for(context.obj)) as one:
        standing, found = one.standing(until), one.entries(until)
        compared = until is None and agrees(standing, one.bank)
    if as_json:
        _print_json({"refreshes": [step for _, step in standing.refreshes], "images": found})
        return
    if found:
        print(_table(found))
    steps = ", ".join(str(step) for _, step in standing.refreshes) or "none"
    print(f"{plural(len(found), 'image')}; refreshes in effect, by step: {steps}")
    if compared:
        print("the bank shows what its ledger says")


@app.command("rollback")
def rollback(
    context: typer.Context,
    run: RunArgument,
    refresh: Annotated[
        int | None,
        typer.Argument(metavar="[STEP]", help="The refresh of this step and all since; the last by default."),
    ] = None,
    reason: ReasonOption = BY_HAND,
) -> None:
    """Undo refreshes of the bank; its ledger keeps them."""
    say(OPENING)
    from emosym.experiment.bank import opened, roll_back

    with opened(run, registry_for(context.obj), write=True) as one:
        undone = roll_back(one, refresh, reason)
        left = len(one.standing().shown)
        _saved(one)
    for step in undone:
        print(f"the refresh of step {step} is undone")
    print(f"{plural(left, 'image')} left in the training set")


@app.command("mask")
def mask(
    context: typer.Context, run: RunArgument, entry: EntryArgument, reason: ReasonOption = BY_HAND
) -> None:
    """Take one image out of the training set; the original that it stands for is back."""
    say(OPENING)
    from emosym.experiment.bank import named, opened

    with opened(run, registry_for(context.obj), write=True) as one:
        image = named(one.standing(), entry)
        one.bank.mask(image, reason)
        _saved(one)
    print(f"{image} is out of the training set; bring it back with: emosym bank restore {run} {image}")


@app.command("restore")
def restore(
    context: typer.Context, run: RunArgument, entry: EntryArgument, reason: ReasonOption = BY_HAND
) -> None:
    """Bring an image back that was masked."""
    say(OPENING)
    from emosym.experiment.bank import named, opened

    with opened(run, registry_for(context.obj), write=True) as one:
        image = named(one.standing(), entry)
        one.bank.unmask(image, reason)
        _saved(one)
    print(f"{image} is in the training set again")


@app.command("export")
def export(
    context: typer.Context,
    run: RunArgument,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
) -> None:
    """Write the images in the training set as PNGs, and what is known of them as JSON lines."""
    say(OPENING)
    from emosym.experiment.bank import INDEX, export, opened

    with opened(run, registry_for(context.obj)) as one:
        count = export(one, folder)
    print(f"{plural(count, 'image')} and {INDEX} in {folder}")


def _table(found: Sequence[Entry]) -> str:
    from emosym.cli.columns import columns

    scores = list(dict.fromkeys(name for entry in found for name in entry.scores))
    header = ("image", "emotion", "age", *scores, "step", "seed", "prompt", "")
    rows = [
        (
            entry.image,
            entry.emotion,
            str(entry.age),
            *(f"{entry.scores[name]:.3f}" if name in entry.scores else "" for name in scores),
            str(entry.step),
            "" if entry.seed is None else str(entry.seed),
            entry.prompt,
            "masked" if entry.masked else "",
        )
        for entry in found
    ]
    return columns(header, rows, numbers=tuple(range(2, 5 + len(scores))))


def _saved(one: OpenBank) -> None:
    """Keep the ledger beside the bank; a run that is not done is told of what becomes of the change."""
    from emosym.experiment.bank import NOT_DONE

    one.save_ledger()
    if not one.finished:
        say(f"note: {NOT_DONE}")


def _print_json(value: Any) -> None:
    import dataclasses
    import json

    def plain(one: Any) -> Any:
        return (
            dataclasses.asdict(one)
            if dataclasses.is_dataclass(one) and not isinstance(one, type)
            else str(one)
        )

    print(json.dumps(value, indent=2, ensure_ascii=False, default=plain))
