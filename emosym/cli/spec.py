"""``emosym spec``: read a spec without running it."""

from __future__ import annotations

import typer

from emosym.cli.common import SetOption, SpecArgument, resolve

app = typer.Typer(help="Read a spec without running it.", no_args_is_help=True)


@app.callback()
def _spec() -> None:
    """Read a spec without running it."""


@app.command("check")
def check(context: typer.Context, spec: SpecArgument, sets: SetOption = None) -> None:
    """Validate a spec against the installed plugins: every problem at once, with its place in the file."""
    resolved, _ = resolve(context.obj, spec, sets)
    stages = [
        name for name in ("compress", "reinforce", "unify") if getattr(resolved.spec.stages, name) is not None
    ]
    diffusion = f" · {resolved.spec.diffusion.name}" if resolved.spec.diffusion is not None else ""
    print(f"ok: {resolved.spec.name} ({resolved.spec.backbone.name}{diffusion}; {', '.join(stages)})")
