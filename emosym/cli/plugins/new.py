"""``emosym plugins new``: a complete plugin package whose conformance checks pass as generated."""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from emosym_registry import EmosymError, did_you_mean

from emosym.cli.common import registry_for

TEMPLATES = Path(__file__).parent / "scaffold"
_NAME = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")


@dataclass(frozen=True)
class Kind:
    """What the scaffold of a kind needs beside its templates: what the component does, how a spec names it, packages
    it builds on, the folder of embedded weights that its ``model: tiny`` stands for, and the parameters it is checked with.
    """

    summary: str
    usage: str
    needs: tuple[str, ...] = ()
    alias: str = ""
    params: str = ""


TINY = '{"model": "tiny"}'
WEIGHTED = "{{name: {0}, params: {{model: tiny}}}}"
KINDS: Mapping[str, Kind] = {
    "backbone": Kind("A backbone of the SmolVLM family", f"backbone: {WEIGHTED}", ("emosym-vlm", "emosym-tiny"), "smolvlm", TINY),
    "compressor": Kind("A compressor by cosine distance", "compressor: {{name: {0}, params: {{tokens: 4}}}}"),
    "reward": Kind("A reward that knows positive from negative emotions", "rewards: [{{name: {0}, weight: 0.5}}]"),
    "diffusion": Kind("Stable Diffusion with Huber's loss", f"diffusion: {WEIGHTED}", ("emosym-diffusion", "emosym-tiny"), "sd", TINY),
    "memory": Kind("A memory bank that minds contrast", "memory: {{name: {0}}}", ("emosym-memory",)),
    "dataset": Kind("A dataset listed in a CSV file", "data: {{name: {0}, params: {{folder: pictures}}}}"),
    "knowledge": Kind("Sentences from annotated attributes", "knowledge: {{name: {0}}}"),
    "text_encoder": Kind("An open_clip text encoder with a template", f"text_encoder: {WEIGHTED}", ("emosym-metrics", "emosym-tiny"), "clip", TINY),
    "judge": Kind("An image classifier with a temperature", f"judges: {{{{evaluate: {WEIGHTED}}}}}", ("emosym-metrics", "emosym-tiny"), "judge-resnet", TINY),
    "reinforcer": Kind("REINFORCE with a baseline", "reinforcer: {{name: {0}, params: {{tries: 8}}}}"),
    "fusion": Kind("A gated fusion", "fusion: {{name: {0}, params: {{vectors: 2}}}}"),
    "emotion_space": Kind("Round Gaussians", "emotion_space: {{name: {0}}}"),
    "metric": Kind("Accuracy among the k likeliest emotions", "metrics: [accuracy, {{name: {0}, params: {{k: 2}}}}]"),
}  # fmt: skip


def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The package to make, as in my-plugin.")],
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help=f"What it offers: {', '.join(KINDS)}.")],
    component: Annotated[
        str | None, typer.Option("--component", help="The component's name; NAME by default.")
    ] = None,
) -> None:
    """Make a plugin package in the folder NAME, here: entry point, config, implementation, conformance test, README."""
    from emosym.toolkit import written_whole

    folder = Path(name)
    files = render(name, kind.replace("-", "_"), component or name)
    _check_free(context, folder, name)
    with written_whole(folder) as partial:
        for path, text in files.items():
            (partial / path).parent.mkdir(parents=True, exist_ok=True)
            (partial / path).write_text(text, encoding="utf-8")
    for path in files:
        print(folder / path)
    print(f"\nnext:\n  emosym plugins check ./{name}\n  pip install -e ./{name}")


def render(name: str, kind: str, component: str) -> dict[str, str]:
    """The files of a plugin by their path."""
    from emosym_registry import API_VERSION
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from emosym import __version__
    from emosym.testing import SUITES

    _check_words(name, kind, component)
    known = KINDS[kind]
    package = name.replace("-", "_")
    values = {
        "name": name,
        "package": package,
        "component": component,
        "kind": kind,
        "kind_words": kind.replace("_", " "),
        "cls": "".join(word.capitalize() for word in re.split(r"[-.]", component)),
        "suite": SUITES.name(kind),
        "summary": known.summary,
        "usage": known.usage.format(component),
        "alias": known.alias,
        "params": known.params,
        "api_version": API_VERSION,
        "dependencies": [f"{one}>={__version__}" for one in ("emosym", "emosym-registry", *known.needs)],
    }
    jinja = Environment(
        loader=FileSystemLoader([TEMPLATES / "kinds" / kind, TEMPLATES / "common"]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,
    )
    where = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        ".gitignore": "gitignore",
        f"{package}/__init__.py": "init.py",
        f"{package}/plugin.py": "plugin.py",
        f"{package}/config.py": "config.py",
        f"{package}/{kind}.py": f"{kind}.py",
        f"{package}/conformance.py": "conformance.py",
        "tests/test_conformance.py": "test_conformance.py",
    }
    return {path: jinja.get_template(f"{template}.jinja").render(values) for path, template in where.items()}


def _check_words(name: str, kind: str, component: str) -> None:
    if kind not in KINDS:
        raise EmosymError(
            "cli.unknown-kind",
            f"unknown kind {kind!r}; {did_you_mean(kind, KINDS)}".rstrip("; "),
            hint=f"kinds: {', '.join(KINDS)}",
        )
    for word, what in ((name, "package"), (component, "component")):
        if not _NAME.match(word) or keyword.iskeyword(word):
            raise EmosymError(
                "cli.bad-name",
                f"{word!r} cannot name a {what}",
                hint=f"use lower case letters, digits and single dashes, beginning with a letter: my-{what}",
            )


def _check_free(context: typer.Context, folder: Path, name: str) -> None:
    if folder.exists():
        raise EmosymError(
            "cli.folder-exists", f"{folder}: there is something already", hint="choose another NAME"
        )
    if (
        name in registry_for(context.obj).plugins
        or importlib.util.find_spec(name.replace("-", "_")) is not None
    ):
        raise EmosymError(
            "cli.name-taken",
            f"a package {name.replace('-', '_')!r} is already installed",
            hint="choose another NAME: two packages of one name hide each other",
        )
