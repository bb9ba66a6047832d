"""What is kept of the components of a spec that is saved, in ``components.json`` beside it, so that it still loads when
plugins have changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path as FilePath
from typing import Any, NotRequired, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from emosym_registry import (
    Alias,
    EmosymError,
    InstalledPlugin,
    LoadedPlugin,
    RegisteredComponent,
    Registry,
)
from emosym_registry.errors import first_line
from emosym_registry.registry import ALIAS
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from emosym.contracts.config import ComponentConfig
from emosym.spec.errors import Problem, fail
from emosym.spec.nodes import Node, Path, components, dotted, of_plain, same_component
from emosym.toolkit.files import read_json


class SavedOffer(TypedDict):
    """What a plugin offered when a spec was saved; plain data, for JSON."""

    name: str
    """``plugin-id/name``."""
    distribution: str
    """The package of its plugin."""
    version: str
    """Version of that package."""
    source: NotRequired[str]
    """The folder or file that it was installed from, where it came from no index."""


class SavedComponent(SavedOffer):
    """A component as it was when its spec was saved."""

    written: list[str]
    """Parameters that somebody wrote, dotted; the others were filled in from defaults."""
    weights: NotRequired[SavedOffer]
    """The alias that its ``model`` was."""


Saved = Mapping[str, SavedComponent]
"""By path: "backbone", "rewards.0", "judges.bank"."""
FILE = "components.json"
_SAVED = TypeAdapter(dict[str, SavedComponent])


def read_saved(folder: FilePath) -> Saved:
    """What was saved beside the spec of a folder; nothing where nothing was.

    Errors: ``spec.damaged-components``.
    """
    file = folder / FILE
    try:
        return _SAVED.validate_python(read_json(file))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it does not say which components were saved"
        raise EmosymError(
            "spec.damaged-components",
            f"{file} cannot be read: {why}",
            hint="restore it, or delete it to load the spec as if it were new",
        ) from error


def record(
    offer: RegisteredComponent, params: Node | None, weights: tuple[LoadedPlugin, Alias] | None
) -> SavedComponent:
    """What to keep of a component with these parameters, whose ``model`` is these weights of a plugin."""
    leaves = _leaves(params) if params and params.fields else ()
    written = {dotted(path) for path, node in leaves if node.origin.kind != "default"}
    written |= {"model"} if weights else set()  # another default would be other weights
    kept = cast(SavedComponent, {**_offered(offer.qualified, offer.plugin), "written": sorted(written)})
    if weights is not None:
        kept["weights"] = _offered(weights[0].qualified(weights[1].name), weights[0].installed)
    return kept


def _offered(name: str, by: InstalledPlugin) -> SavedOffer:
    offer = SavedOffer(name=name, distribution=by.distribution, version=by.version)
    source = source_of(by.distribution)
    return {**offer, "source": source} if source else offer


def revive(root: Node, registry: Registry, saved: Saved, used: Callable[[Path, Node], bool]) -> Node:
    """The tree of a saved spec for the versions that are installed: parameters that nobody wrote are defaults
    that may be dropped, and a component of another version that is ``used`` has brought its parameters up to its own.

    Errors: ``spec.migration`` where its ``migrate`` fails.
    """
    for path, kind, node in components(root):
        was, params, name = saved.get(dotted(path)), node.fields.get("params"), node.fields.get("name")
        if was is None or params is None or name is None or not same_component(str(name.value), was["name"]):
            continue
        if not used(path, node):
            continue
        params = _with_defaults(params, was, ())
        root = root.put((*path, "params"), _migrated(params, kind, was, registry, dotted(path)))
    return root


def _with_defaults(node: Node, was: SavedComponent, path: Path) -> Node:
    at = dotted(path)
    if at in was["written"]:
        return node
    value = node.value
    if isinstance(value, dict):
        value = {key: _with_defaults(item, was, (*path, key)) for key, item in value.items()}
    if any(written.startswith(f"{at}." if at else "") for written in was["written"]):
        return replace(node, value=value)
    default, key = replace(node.origin, kind="default"), node.key and replace(node.key, kind="default")
    return Node(value, default, key, f"was a default of {was['distribution']} {was['version']}")


def _migrated(params: Node, kind: str, was: SavedComponent, registry: Registry, path: str) -> Node:
    try:
        offer = registry.find(kind, was["name"])
        model = offer.load_config()
    except EmosymError:
        return params  # validation says so, unless another component takes its place
    if offer.plugin.version == was["version"] or not issubclass(model, ComponentConfig):
        return params
    if stranger(offer.plugin, was):
        return params  # validation says so
    before = params.plain()
    try:
        after: dict[str, Any] = model.migrate(deepcopy(before), was["version"])
        if not isinstance(after, dict):
            raise TypeError(f"migrate returned {after!r}, no parameters")
    except Exception as error:
        what = f"{offer.qualified} {offer.plugin.version} cannot take over what {was['version']} saved"
        message = f"{what}: {type(error).__name__}: {first_line(error)}"
        fail(params.where, "spec.migration", message, install(was), path=f"{path}.params")
    same = {key for key, value in after.items() if key in before and before[key] == value}
    place = params.where
    if all(node.origin.kind == "default" for key, node in params.fields.items() if key not in same):
        place = replace(place, kind="default")  # what was made of defaults is one
    fields = {
        key: params.fields[key] if key in same else of_plain(value, place, place)
        for key, value in after.items()
    }
    return replace(params, value=fields)


def absent(
    error: EmosymError, what: str, name: str, was: SavedOffer | None, registry: Registry
) -> EmosymError:
    """Why a component or its weights (``what``, by ``name``) cannot be found, in the words of what was saved where that
    knows more."""
    if was is None or not error.id.startswith("spec.unknown-") or not was_called(name, was):
        return error
    if was["name"].partition("/")[0] in registry.blocked:
        return error
    package = was["distribution"]
    there = [
        one.installed.version for one in registry.plugins.values() if one.installed.distribution == package
    ]
    state = f"is installed as {there[0]} and has it no more" if there else "is not installed"
    back = install(was, *there[:1])
    return EmosymError(
        error.id, f"{what} {was['name']!r} was saved with {package} {was['version']}, which {state}: {back}"
    )


def stranger(plugin: InstalledPlugin, was: SavedOffer) -> bool:
    """Whether what was saved is of another package than this plugin's."""
    return plugin.distribution != was["distribution"]


def foreign(what: str, name: str, plugin: InstalledPlugin, was: SavedOffer) -> EmosymError:
    """Another package's plugin would stand in for what was saved."""
    return EmosymError(
        "spec.other-package",
        f"{what} {was['name']!r} was saved with {was['distribution']} {was['version']}, and here plugin {plugin.id} "
        f"comes from {plugin.package}: pip uninstall {plugin.distribution}, then {install(was)}",
        hint=f"or trust {plugin.distribution} to be the same: --set {name}",
    )


def was_called(name: str, was: SavedOffer) -> bool:
    """Whether a name, bare or not, is that of what was saved."""
    return same_component(name.removeprefix(ALIAS), was["name"])


def advice(
    problem: Problem, offer: RegisteredComponent, was: SavedComponent | None, *, resumes: bool
) -> Problem:
    """A mistake in parameters that another version of the component had saved, with what can be done: a run that goes on
    (``resumes``) cannot do without them. What somebody sets now is no such parameter."""
    if was is None or was["version"] == offer.plugin.version or not problem.line:
        return problem
    if was["name"] not in (offer.qualified, *offer.former):
        return problem
    value = "null" if problem.message.startswith("unknown key") else "VALUE"
    versions = f"saved with {was['distribution']} {was['version']}, installed {offer.plugin.version}"
    or_else = "start a new run with --out" if resumes else f"--set {problem.path}={value}"
    return replace(problem, hint=f"{versions}: {install(was)}, or {or_else}")


def install(was: SavedOffer, installed: str = "") -> str:
    """What brings back the version that was saved, where another is ``installed``, or the same was changed since."""
    changed = installed == was["version"]
    command = f"pip install {'--force-reinstall ' if changed else ''}{was['distribution']}=={was['version']}"
    facts = [f"it was installed from {was['source']}"] if was.get("source") else []
    facts += ["it has changed without a new version"] if changed else []
    return f"{command} ({', and '.join(facts)})" if facts else command


def misfit(offer: RegisteredComponent, was: SavedOffer | None, why: str) -> EmosymError:
    """Saved weights that do not fit a component: another version of it had saved them, or the spec is another."""
    if was is None:
        message = f"the saved weights do not fit {offer.described}: {why}"
        return EmosymError("system.does-not-fit", message, hint="use the spec they were saved with")
    saved, version = f"{was['distribution']} {was['version']}", offer.plugin.version
    message = f"{offer.described} does not take the weights that were saved with {saved} ({why})"
    if version != was["version"]:
        return EmosymError("plugin.other-version", f"{message}: {install(was)}")
    hint = f"use the spec they were saved with; if that is the same: {install(was, version)}"
    return EmosymError("system.does-not-fit", message, hint=hint)


@cache
def source_of(distribution: str) -> str:
    """The folder or file that a package was installed from, by what pip wrote of it; empty where it came from an index."""
    try:
        text = metadata.distribution(distribution).read_text("direct_url.json")
        url = str(json.loads(text)["url"]) if text else ""
    except (metadata.PackageNotFoundError, ValueError, KeyError, TypeError):
        return ""
    return url2pathname(urlsplit(url).path) if url.startswith("file:") else url


def _leaves(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Values of nested mappings; a list is one value."""
    if not node.fields:
        yield path, node
    for key, item in node.fields.items():
        yield from _leaves(item, (*path, key))
