"""``emosym plugins new`` and ``add``: a complete plugin package whose checks pass as generated, and one more component in it."""

from __future__ import annotations

import ast
import importlib.util
import json
import keyword
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from emosym_registry import KINDS as KIND_NAMES, EmosymError
from emosym_registry.errors import unknown

from emosym.cli import completion
from emosym.cli.common import registry_for

if TYPE_CHECKING:
    from emosym_registry import Registry

TEMPLATES = Path(__file__).parent / "scaffold"
HOOKS = "hooks"
"""What stands in place of a kind for a package that only listens to runs."""
_NAME = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")


@dataclass(frozen=True)
class Kind:
    """What the scaffold of a kind needs beside its templates, from its ``kind.yaml``: what the component does, how a spec
    names it, packages it builds on, the folder of embedded weights that its ``model: tiny`` stands for, the parameters it
    is checked with, what it needs beside it, and its capabilities.
    """

    summary: str
    usage: str
    builds_on: Sequence[str] = ()
    weights: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    needs: Sequence[str] = ()
    capabilities: Sequence[str] = ()


KINDS = (*KIND_NAMES, HOOKS)


@cache
def read_kind(kind: str) -> Kind:
    """The scaffold of a kind. Errors: ``cli.unknown-kind``."""
    from ruamel.yaml import YAML

    if kind not in KINDS:
        raise unknown("cli.unknown-kind", "kind", kind, KINDS)
    return Kind(**YAML(typ="safe", pure=True).load(TEMPLATES / "kinds" / kind / "kind.yaml"))


KindOption = Annotated[
    str,
    typer.Option(
        "--kind",
        metavar="KIND",
        help=f"What it offers: {', '.join(KINDS)}.",
        autocompletion=completion.kinds,
    ),
]
ComponentOption = Annotated[
    str | None, typer.Option("--component", help="The component's name; NAME by default.")
]


def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The package to make, as in my-plugin.")],
    kind: KindOption,
    component: ComponentOption = None,
    license: Annotated[
        str, typer.Option("--license", help="An SPDX expression, such as MIT.")
    ] = "Apache-2.0",
) -> None:
    """Make a plugin package in the folder NAME, here: entry point, config, implementation, conformance test, README."""
    from emosym.toolkit import written_whole

    folder, kind, component = Path(name), kind.replace("-", "_"), component or name
    files = render(name, kind, component, license)
    registry = registry_for(context.obj)
    _check_free(registry, folder, name)
    with written_whole(folder) as partial:
        _write(partial, files)
    for path in files:
        print(folder / path)
    _warn_of_clash(registry, kind, component, name)
    print(f"\nnext:\n  emosym plugins check ./{name}\n  pip install -e ./{name}")


def add(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder of a plugin package, as ./my-plugin.")
    ],
    component: Annotated[str, typer.Argument(metavar="COMPONENT", help="The new component's name.")],
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            metavar="KIND",
            help=f"Its kind: {', '.join(KIND_NAMES)}.",
            autocompletion=completion.kinds,
        ),
    ],
) -> None:
    """Add a component to a plugin package: a folder of its own, a line in the package's light module, and its test."""
    from emosym.testing.folders import plugins_in

    kind = kind.replace("-", "_")
    plugin = plugins_in(folder)[0]
    package = plugin.module.partition(".")[0]
    root = next(place for place in (folder / "src", folder) if (place / package).is_dir())
    module = component.replace("-", "_")
    files = {
        f"{root.relative_to(folder)}/{path}" if path.startswith(package) else path: text
        for path, text in render_component(plugin.id, package, kind, component, f"{package}.{module}").items()
    }
    there = [path for path in files if (folder / path).exists()]
    if there:
        raise EmosymError(
            "cli.folder-exists",
            f"{folder / there[0]}: there is something already",
            hint="choose another name",
        )
    light = root / f"{plugin.module.replace('.', '/')}.py"
    files[str(light.relative_to(folder))] = extended(
        light.read_text(encoding="utf-8"),
        offer(plugin.id, kind, component, f"{package}.{module}"),
        light,
    )
    _write(folder, files)
    for path in files:
        print(folder / path)
    _warn_of_clash(registry_for(context.obj), kind, component, plugin.id)
    for one in read_kind(kind).builds_on:
        print(f"note: add {one!r} to the dependencies in {folder / 'pyproject.toml'}", file=sys.stderr)
    print(f"\nnext:\n  emosym plugins check {folder if folder.is_absolute() else f'./{folder}'}")


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def render(name: str, kind: str, component: str, license: str = "Apache-2.0") -> dict[str, str]:
    """The files of a plugin by their path."""
    from emosym_registry import API_VERSION

    from emosym import __version__

    _check_words(package=name, component=component)
    package, known = name.replace("-", "_"), read_kind(kind)
    bounds = f">={__version__},<1"
    values = {
        **_values(name, package, kind, component, package),
        "license": license,
        "api_version": API_VERSION,
        "offer": "" if kind == HOOKS else offer(name, kind, component, package),
        "dependencies": [f"{one}{bounds}" for one in ("emosym", "emosym-registry", *known.builds_on)],
    }
    where = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        ".gitignore": "gitignore",
        f"{package}/__init__.py": "init.py",
        f"{package}/py.typed": "py.typed",
        f"{package}/plugin.py": "plugin.py",
    }
    if kind == HOOKS:
        where["tests/test_hooks.py"] = "test_hooks.py"
    files = _rendered(kind, where, values)
    return files if kind == HOOKS else files | render_component(name, package, kind, component, package)


def render_component(plugin: str, package: str, kind: str, component: str, module: str) -> dict[str, str]:
    """The files of one component in ``module`` of a package, by their path."""
    _check_words(component=component)
    if kind == HOOKS:
        raise EmosymError("cli.no-component", "hooks are no component", hint="write them in the light module")
    place = module.replace(".", "/")
    where = {
        f"{place}/config.py": "config.py",
        f"{place}/{kind}.py": f"{kind}.py",
        f"{place}/conformance.py": "conformance.py",
        f"tests/test_{'conformance' if module == package else module.rpartition('.')[2]}.py": "test_conformance.py",
    }
    if module != package:
        where = {f"{place}/__init__.py": "init.py", **where}
    return _rendered(kind, where, _values(plugin, package, kind, component, module))


def offer(plugin: str, kind: str, component: str, module: str) -> str:
    """The ``ComponentSpec`` of a component, and its alias where it has weights, as the hooks of a light module yield them."""
    return _rendered(
        kind, {"offer": "offer.py"}, _values(plugin, module.partition(".")[0], kind, component, module)
    )["offer"]


def _values(plugin: str, package: str, kind: str, component: str, module: str) -> dict[str, Any]:
    from emosym.testing import SUITES

    known = read_kind(kind)
    return {
        "name": plugin,
        "package": package,
        "module": module,
        "component": component,
        "kind": kind,
        "kind_words": kind.replace("_", " "),
        "cls": "".join(word.capitalize() for word in re.split(r"[-.]", component)),
        "suite": "" if kind == HOOKS else SUITES.name(kind),
        "summary": known.summary,
        "usage": known.usage.replace("NAME", component),
        "alias": known.weights,
        "params": json.dumps(_qualified(known.params, plugin)) if known.params else "",
        "needs": known.needs,
        "capabilities": known.capabilities,
    }


def _qualified(params: Mapping[str, str], plugin: str) -> dict[str, str]:
    """Parameters with the plugin's own weights named in full, as another plugin may have a ``tiny`` too."""
    return {key: f"alias:{plugin}/{value}" if key == "model" else value for key, value in params.items()}


def _rendered(kind: str, where: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    jinja = Environment(
        loader=FileSystemLoader([TEMPLATES / "kinds" / kind, TEMPLATES / "common"]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - Python, no HTML
    )
    return {path: jinja.get_template(f"{template}.jinja").render(values) for path, template in where.items()}


def extended(source: str, offer: str, file: Path) -> str:
    """A light module whose ``emosym_components`` (and ``emosym_aliases``) yield what ``offer`` yields too."""
    for function in ast.parse(offer).body:
        assert isinstance(function, ast.FunctionDef)
        own = {one.name: one for one in ast.parse(source).body if isinstance(one, ast.FunctionDef)}
        lines = source.rstrip("\n").split("\n")
        block = offer.split("\n")[function.lineno : function.end_lineno]
        there = own.get(function.name)
        if there is None:
            whole = offer.split("\n")[function.lineno - 2 : function.end_lineno]
            source = "\n".join([*lines, "", "", *whole]) + "\n"
        elif any(isinstance(one, ast.Return) for one in there.body):
            raise EmosymError(
                "cli.returns-offers",
                f"{file}: {function.name} returns what it offers, so nothing can be added at its end",
                hint=f"let it yield its items, or add these lines yourself:\n{chr(10).join(block)}",
            )
        else:
            end = there.end_lineno
            source = "\n".join([*lines[:end], *block, *lines[end:]]) + "\n"
    return _importing(source, sorted(set(re.findall(r"\b(Alias|ComponentSpec)\b", offer))))


def _importing(source: str, names: list[str]) -> str:
    """The module with what it needs of the registry and of ``collections.abc`` imported."""
    imported = {
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    missing = [name for name in names if name not in imported]
    lines = [f"from emosym_registry import {', '.join(missing)}"] if missing else []
    lines += ["from collections.abc import Iterable"] if "Iterable" not in imported else []
    if not lines:
        return source
    future = "from __future__ import annotations\n"
    before, there, after = source.partition(future)
    return f"{before}{there}\n{chr(10).join(lines)}\n{after}" if there else "\n".join([*lines, source])


def _check_words(**words: str) -> None:
    for what, word in words.items():
        if not _NAME.match(word) or keyword.iskeyword(word):
            raise EmosymError(
                "cli.bad-name",
                f"{word!r} cannot name a {what}",
                hint=f"use lower case letters, digits and single dashes, beginning with a letter: my-{what}",
            )


def _check_free(registry: Registry, folder: Path, name: str) -> None:
    if folder.exists():
        raise EmosymError(
            "cli.folder-exists",
            f"{folder}: there is something already",
            hint=f"choose another NAME, or add a component to it: emosym plugins add ./{folder} COMPONENT --kind KIND",
        )
    package = name.replace("-", "_")
    if name in registry.plugins or importlib.util.find_spec(package) is not None:
        raise EmosymError(
            "cli.name-taken",
            f"a package {package!r} is already installed",
            hint="choose another NAME: two packages of one name hide each other",
        )


def _warn_of_clash(registry: Registry, kind: str, component: str, plugin: str) -> None:
    """A bare name that a plugin besides `plugin` offers makes every spec that uses it ambiguous."""
    for other in sorted({*_same(registry, kind, component)} - {plugin}):
        print(
            f"note: {kind} {component!r} is also offered by {other}: specs will have to name the plugin",
            file=sys.stderr,
        )


def _same(registry: Registry, kind: str, component: str) -> Iterator[str]:
    yield from (one.plugin.id for one in registry.components(kind) if one.spec.name == component)
    cards = (card for id, card in registry.catalogue.items() if id not in registry.plugins)
    yield from (card.plugin for card in cards if card.provides(kind, component))
