"""What may be wrong with installed plugins beyond what loading them showed; every check stands alone."""

from __future__ import annotations

import importlib
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError, Failure, Offer, Registry
from emosym_registry.cards import load_cards
from emosym_registry.discovery import Found
from emosym_registry.errors import first_line
from emosym_registry.offers import package_path

from emosym.diagnosis.metadata import metadata_troubles
from emosym.diagnosis.probe import probe_all

Trouble = tuple[str, str, str]
"""Stage, cause and what to do."""


def examine(registry: Registry, is_own_verb: Callable[[str], bool]) -> list[Failure]:
    """Every trouble of every installed plugin, those of loading first; ``is_own_verb`` says whether a command's name is one
    of emosym's own."""
    troubles = list(registry.failures)
    weights = probe_all(registry)
    commands = partial(_commands, is_own_verb=is_own_verb)
    checks = (_introduction, _metadata, _clashes, _components, _files, commands, _card)
    for id, plugin in sorted(registry.plugins.items()):
        found = [*weights[id], *(trouble for check in checks for trouble in _alone(check, registry, id))]
        troubles += [Failure(plugin, *trouble) for trouble in found]
    return troubles


def _alone(check: Callable[..., Iterator[Trouble]], *given: Any) -> Iterator[Trouble]:
    try:
        yield from check(*given)
    except (Exception, SystemExit) as error:  # what a plugin's modules raise must not hide the other checks
        yield "spec", f"{type(error).__name__}: {first_line(error)}", "report it to the plugin's authors"


def _introduction(registry: Registry, id: str) -> Iterator[Trouble]:
    name = registry.infos[id].name
    if name != id:
        cause = f"emosym_plugin_info calls it {name!r}, its entry point {id!r}, which is its id everywhere"
        yield "spec", cause, f"its authors should give both one name (in {registry.plugins[id].module})"


def _metadata(registry: Registry, id: str) -> Iterator[Trouble]:
    return metadata_troubles(registry.plugins[id])


def _clashes(registry: Registry, id: str) -> Iterator[Trouble]:
    """What another plugin offers under the same name; each of the two has a row that names the other."""
    kinds: tuple[tuple[str, list[tuple[Found, str]]], ...] = (
        ("", [(one.plugin, f"{one.spec.kind} {one.spec.name}") for one in registry.offers]),
        ("model ", [(owner, f"{one.name} of {one.kind} {one.component}") for owner, one in registry.aliases]),
        ("preset ", [(owner, one.name) for owner, one in registry.presets]),
        ("command ", [(owner, one[0]) for owner, one in registry.commands]),
    )
    for what, named in kinds:
        owners = defaultdict(list)
        for owner, name in named:
            owners[name].append(owner.id)
        for name, ids in owners.items():
            for other in ids:
                if id in ids and other != id:
                    hint = (
                        f"write {id}/… or {other}/… in specs"
                        if what in ("", "preset ")
                        else f"go without one: --no-plugin {other}"
                    )
                    yield "register", f"{what}{name} is also offered by plugin {other}", hint


def _components(registry: Registry, id: str) -> Iterator[Trouble]:
    for offer in registry.components():
        if offer.plugin.id == id:
            yield from _alone(_config, offer)
            yield from _alone(_target, offer)
            yield from _alone(_conformance, offer)


def _config(offer: Offer) -> Iterator[Trouble]:
    what, authors = f"{offer.spec.kind} {offer.spec.name}", _authors(offer.plugin)
    try:
        model = offer.load_config()
    except EmosymError as error:
        yield "spec", error.message, error.hint
        return
    if model.model_config.get("extra") != "forbid":
        cause = f"{what}: config {offer.spec.config} lets unknown keys pass, so that a typo in a spec goes unnoticed"
        yield "spec", cause, f"{authors}: subclass emosym.contracts.ComponentConfig"


def _target(offer: Offer) -> Iterator[Trouble]:
    from emosym import contracts

    what, authors = f"{offer.spec.kind} {offer.spec.name}", _authors(offer.plugin)
    contract = getattr(contracts, contracts.CONTRACTS[offer.spec.kind])
    try:
        target = offer.load()
    except EmosymError as error:
        yield "spec", error.message, error.hint
        return
    if not (isinstance(target, type) and issubclass(target, contract)):
        yield (
            "spec",
            f"{what}: {offer.spec.target} is no subclass of emosym.contracts.{contract.__name__}",
            authors,
        )
    elif inspect.isabstract(target):
        missing = ", ".join(sorted(getattr(target, "__abstractmethods__", ())))
        yield "spec", f"{what}: {offer.spec.target} is abstract, it lacks {missing}", authors


def _conformance(offer: Offer) -> Iterator[Trouble]:
    from emosym.testing import suite_for

    if offer.spec.conformance:
        try:
            suite_for(offer)
        except EmosymError as error:
            yield "spec", error.message, error.hint or _authors(offer.plugin)


def _files(registry: Registry, id: str) -> Iterator[Trouble]:
    named = [
        (f"weights {one.name!r} of {one.kind} {one.component}", one.package, one.path)
        for owner, one in registry.aliases
        if owner.id == id
    ]
    named += [
        (f"preset {one.name!r}", one.package, one.path) for owner, one in registry.presets if owner.id == id
    ]
    reinstall = f"pip install --force-reinstall {registry.plugins[id].distribution}"
    for what, package, path in named:
        try:
            place: Path = package_path(package) / path
        except EmosymError as error:
            yield "spec", f"{what}: {error.message}", reinstall
            continue
        if not place.exists():
            yield "spec", f"{what}: there is no {place}", reinstall
        elif what.startswith("preset "):
            yield from _preset(what, place, registry.plugins[id])
    offered = {(offer.spec.kind, offer.spec.name) for offer in registry.components()}
    offered |= {(one.kind, one.name) for card in load_cards() for one in card.components}
    for owner, alias in registry.aliases:
        if owner.id == id and (alias.kind, alias.component) not in offered:
            cause = f"weights {alias.name!r} are of {alias.kind} {alias.component}, which no plugin offers"
            yield "spec", cause, _authors(owner)


def _preset(what: str, file: Path, plugin: Found) -> Iterator[Trouble]:
    """Whether a preset's file is YAML; what it says is looked at when a spec extends it."""
    from emosym.spec.errors import SpecErrors
    from emosym.spec.nodes import Origin
    from emosym.spec.reader import read_file

    try:
        read_file(file, Origin("preset", str(file)))
    except SpecErrors as error:
        for problem in error.problems:
            yield "spec", f"{what}: {problem}", _authors(plugin)


def _commands(registry: Registry, id: str, is_own_verb: Callable[[str], bool]) -> Iterator[Trouble]:
    import typer

    for owner, (name, target, _) in registry.commands:
        if owner.id != id:
            continue
        module, _, attribute = target.partition(":")
        try:
            command = getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            cause = (
                f"command {name!r}: {target} cannot be imported: {type(error).__name__}: {first_line(error)}"
            )
            yield "spec", cause, _authors(owner)
            continue
        if not isinstance(command, typer.Typer):
            yield "spec", f"command {name!r}: {target} is no typer.Typer", _authors(owner)
        if is_own_verb(name):
            yield (
                "register",
                f"command {name!r} is never reached: emosym has a verb of that name",
                _authors(owner),
            )


def _card(registry: Registry, id: str) -> Iterator[Trouble]:
    """Where the catalogue says otherwise than the plugin; a spec that names the component follows the catalogue."""
    card = next((card for card in load_cards() if card.plugin == id), None)
    if card is None:
        return
    claimed = {f"{one.kind} {one.name}" for one in card.components}
    offered = {f"{one.spec.kind} {one.spec.name}" for one in registry.components() if one.plugin.id == id}
    plugin = registry.plugins[id]
    if claimed - offered:
        cause = (
            f"its card lists {', '.join(sorted(claimed - offered))}, which {plugin.version} does not offer"
        )
        yield "spec", cause, f"pip install --upgrade {plugin.distribution}, or mend the card"
    if offered - claimed:
        cause = f"its card does not list {', '.join(sorted(offered - claimed))}"
        yield "spec", cause, "pip install --upgrade emosym-registry, or add it to the card"


def _authors(plugin: Found) -> str:
    return f"reinstall {plugin.distribution} {plugin.version}, or report it to its authors"
