"""The verbs put together. Importing this module imports no torch, no pydantic and no plugin."""

from __future__ import annotations

from typing import Annotated

import typer

from emosym.cli import (
    ablate,
    bank,
    cache,
    compare,
    data,
    env,
    evaluate,
    generate,
    plugins,
    report,
    run,
    score,
    spec,
    study,
    understand,
    web,
)
from emosym.cli.globals import HELP
from emosym.cli.group import PluginGroup

UNSET = {"help": False, "install_completion": False, "show_completion": False}
"""Typer asks pydantic about a flag without a value; one that is False already spares `plugins list` that import."""

app = typer.Typer(
    name="emosym",
    cls=PluginGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "default_map": {**UNSET, "plugins": {**UNSET, "list": UNSET}},
    },
    help="Understand and generate the emotions of images, by latent reasoning.",
    epilog=f"{HELP}\nInstalled plugins may add commands; `emosym plugins list` shows them.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from emosym import __version__

        print(f"emosym {__version__}")
        raise typer.Exit


@app.callback()
def _globals(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Understand and generate the emotions of images, by latent reasoning."""


app.command("run")(run.run)
app.command("train")(run.train)
app.command("evaluate")(evaluate.evaluate)
app.command("report")(report.report)
app.command("score")(score.score)
app.command("compare")(compare.compare)
app.command("understand")(understand.understand)
app.command("generate")(generate.generate)
app.command("ablate")(ablate.ablate)
app.command("web")(web.web)
app.command("env")(env.env)
app.add_typer(bank.app, name="bank")
app.add_typer(cache.app, name="cache")
app.add_typer(study.app, name="study")
app.add_typer(spec.app, name="spec")
app.add_typer(data.app, name="data")
app.add_typer(plugins.app, name="plugins")
