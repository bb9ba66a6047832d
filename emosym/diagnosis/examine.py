"""What may be wrong with installed plugins beyond what loading them showed; every check stands alone."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from emosym_registry import EmosymError, Failure, LoadedPlugin, RegisteredComponent, Registry
from emosym_registry.cards import Card
from emosym_registry.descriptors import NAME, NAME_FORM, Alias, Preset
from emosym_registry.errors import first_line

from emosym.diagnosis.metadata import metadata_troubles, nearly
from emosym.diagnosis.probe import probe_all

Trouble = tuple[str, str, str]
"""Stage, cause and what to do."""
Verbs = Callable[[str], str | None]
"""Which of emosym's own verbs a command's name would run, or stand behind; None for a name that is free."""


def examine(registry: Registry, verbs: Verbs) -> list[Failure]:
    """Every trouble of every installed plugin, those of loading first."""
    heavy = probe_all(registry)
    catalogue = registry.catalogue  # reading it notes the cards that cannot be read
    troubles = list(registry.failures)
    for id, plugin in sorted(registry.plugins.items()):
        checks = (
            introduction,
            lambda plugin: metadata_troubles(plugin.installed),
            lambda plugin: _clashes(registry, plugin),
            lambda plugin: chain.from_iterable(_alone(_component, one) for one in plugin.components),
            lambda plugin: offers(registry, plugin, verbs),
            lambda plugin: _card(catalogue.get(plugin.id), plugin),
        )
        seen = [*heavy[id], *(trouble for check in checks for trouble in _alone(check, plugin))]
        troubles += [Failure(plugin.installed, *trouble) for trouble in seen]
    return [*troubles, *(Failure(plugin, *trouble) for plugin, trouble in nearly())]


def offers(registry: Registry, plugin: LoadedPlugin, verbs: Verbs) -> Iterator[Trouble]:
    """What is wrong with the aliases, presets and commands of a plugin."""
    for one in (*plugin.aliases, *plugin.presets):
        yield from _alone(_files, plugin, one, registry)
    yield from _lonely_aliases(registry, plugin)
    yield from _commands(registry, plugin, verbs)


def _alone(check: Callable[..., Iterable[Trouble]], *given: object) -> Iterator[Trouble]:
    try:
        yield from check(*given)
    except (Exception, SystemExit) as error:  # what a plugin's modules raise must not hide the other checks
        yield "spec", f"{type(error).__name__}: {first_line(error)}", "report it to the plugin's authors"


def _authors(plugin: LoadedPlugin) -> str:
    return f"report it to the authors of {plugin.installed.package}"


def introduction(plugin: LoadedPlugin) -> Iterator[Trouble]:
    """What is wrong with the id of a plugin, and with the name that it gives itself."""
    if not NAME.match(plugin.id):
        cause = f"its id {plugin.id!r} is not {NAME_FORM}, as names in specs are"
        yield "spec", cause, "its authors should give its entry point another name"
    if plugin.info.name != plugin.id:
        cause = (
            f"emosym_plugin_info calls it {plugin.info.name!r}, its entry point {plugin.id!r}, "
            "which is its id everywhere"
        )
        yield "spec", cause, f"its authors should give both one name (in {plugin.installed.module})"


def _clashes(registry: Registry, plugin: LoadedPlugin) -> Iterator[Trouble]:
    """What another plugin offers under the same name; each of the two has a row that names the other."""
    own = dict(_names(plugin))
    for other in registry.plugins.values():
        for name, qualified in _names(other) if other is not plugin else ():
            if name in own:
                choose = f"write {own[name]} or {qualified}, or go without one: --no-plugin {other.id}"
                yield "register", f"{name} is also offered by plugin {other.id}", choose


def _names(plugin: LoadedPlugin) -> Iterator[tuple[str, str]]:
    """What a plugin offers, and how it is named where another offers it too."""
    for one in plugin.components:
        yield f"{one.spec.kind} {one.spec.name}", one.qualified
    for alias in plugin.aliases:
        yield f"model {alias.name} of {alias.kind} {alias.component}", f"alias:{plugin.qualified(alias.name)}"
    for preset in plugin.presets:
        yield f"preset {preset.name}", f"preset:{plugin.qualified(preset.name)}"
    for name, _, _ in plugin.commands:
        first, last = name.split()[:-1], name.split()[-1]
        yield f"command {name}", " ".join(["emosym", *first, plugin.qualified(last)])


def _component(component: RegisteredComponent) -> Iterator[Trouble]:
    for check in (_config, _target, _conformance):
        yield from _alone(check, component)


def _config(component: RegisteredComponent) -> Iterator[Trouble]:
    try:
        model = component.load_config()
    except EmosymError as error:
        yield "spec", error.message, error.hint
        return
    if model.model_config.get("extra") != "forbid":
        what, config = f"{component.spec.kind} {component.spec.name}", component.spec.config
        cause = f"{what}: config {config} lets unknown keys pass, so that a typo in a spec goes unnoticed"
        yield "spec", cause, "its authors should subclass emosym.contracts.ComponentConfig"


def _target(component: RegisteredComponent) -> Iterator[Trouble]:
    from emosym import contracts

    spec = component.spec
    contract: Any = getattr(contracts, contracts.CONTRACTS[spec.kind])
    authors = f"report it to the authors of {component.plugin.package}"
    try:
        target: Any = component.load()
    except EmosymError as error:
        yield "spec", error.message, error.hint
        return
    what = f"{spec.kind} {spec.name}: {spec.target} is"
    if not (isinstance(target, type) and issubclass(target, contract)):
        yield "spec", f"{what} no subclass of emosym.contracts.{contract.__name__}", authors
    elif inspect.isabstract(target):
        missing = ", ".join(sorted(getattr(target, "__abstractmethods__", ())))
        yield "spec", f"{what} abstract, it lacks {missing}", authors
    elif set(needs := getattr(target, "needs", ())) != set(spec.needs):
        cause = f"{what} a class that needs {needs}, its ComponentSpec says {spec.needs}"
        yield "spec", cause, authors


def _conformance(component: RegisteredComponent) -> Iterator[Trouble]:
    from emosym.testing import suite_for

    if component.spec.conformance:
        try:
            suite_for(component)
        except EmosymError as error:
            authors = f"report it to the authors of {component.plugin.distribution}"
            yield "spec", error.message, error.hint or authors


def _files(plugin: LoadedPlugin, item: Alias | Preset, registry: Registry) -> Iterator[Trouble]:
    """Weights and presets that are not where the plugin says, and presets that are no sound spec."""
    if isinstance(item, Preset):
        what = f"preset {item.name!r}"
    else:
        what = f"weights {item.name!r} of {item.kind} {item.component}"
    distribution, module = plugin.installed.distribution, plugin.installed.module
    mend = f"its author puts it there or mends {module}, then pip install --force-reinstall {distribution}"
    try:
        place = item.location
    except EmosymError as error:
        yield "spec", f"{what}: {error.message}", mend
        return
    if not place.exists():
        yield "spec", f"{what}: there is no {place}", mend
    elif isinstance(item, Preset):
        yield from _preset(what, item, plugin, registry)


def _preset(what: str, preset: Preset, plugin: LoadedPlugin, registry: Registry) -> Iterator[Trouble]:
    from emosym.spec import check_preset

    for problem in check_preset(f"{plugin.id}/{preset.name}", registry):
        yield "spec", f"{what}: {problem}", _authors(plugin)


def _lonely_aliases(registry: Registry, plugin: LoadedPlugin) -> Iterator[Trouble]:
    for alias in plugin.aliases:
        components = registry.components(alias.kind)
        offered = any(alias.component in (one.spec.name, *one.spec.formerly) for one in components)
        if not offered and registry.find_card(alias.kind, alias.component) is None:
            cause = f"weights {alias.name!r} are of {alias.kind} {alias.component}, which no plugin offers"
            yield "spec", cause, _authors(plugin)


def _commands(registry: Registry, plugin: LoadedPlugin, verbs: Verbs) -> Iterator[Trouble]:
    import typer

    offered = [name for _, (name, _, _) in registry.commands()]
    for name, target, _ in plugin.commands:
        module, _, attribute = target.partition(":")
        try:
            command = getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            cause = f"{target} cannot be imported: {type(error).__name__}: {first_line(error)}"
            yield "spec", f"command {name!r}: {cause}", _authors(plugin)
            continue
        if not isinstance(command, typer.Typer):
            yield "spec", f"command {name!r}: {target} is no typer.Typer", _authors(plugin)
        verb = verbs(name)
        if verb is not None:
            cause = f"command {name!r} is reached as `{typed(plugin, name, verb)}` alone: emosym has a verb {verb!r}"
            yield "register", cause, f"its authors should give it another name (in {plugin.installed.module})"
        for other in offered:
            if name.startswith(f"{other} "):
                cause = f"command {name!r} and command {other!r} hide one another"
                yield "register", cause, f"{other!r} is a command or a group, not both: rename one"


def typed(plugin: LoadedPlugin, name: str, verb: str | None) -> str:
    """What to type for a command of a plugin, where emosym has a ``verb`` in its way."""
    words = name.split()
    if verb is not None:
        place = len(verb.split()) - 1
        words[place] = plugin.qualified(words[place])
    return " ".join(["emosym", *words])


def _card(card: Card | None, plugin: LoadedPlugin) -> Iterator[Trouble]:
    """Where the catalogue says otherwise than the plugin; a spec that names the component follows the catalogue."""
    if card is None:
        return
    claimed = {f"{one.kind} {one.name}" for one in card.components}
    offered = {f"{one.spec.kind} {one.spec.name}" for one in plugin.components}
    installed = plugin.installed
    if claimed - offered:
        cause = (
            f"its card lists {', '.join(sorted(claimed - offered))}, which {installed.version} does not offer"
        )
        yield "spec", cause, f"pip install --upgrade {installed.distribution}, or mend the card"
    if offered - claimed:
        cause = f"its card does not list {', '.join(sorted(offered - claimed))}"
        yield "spec", cause, "pip install --upgrade emosym-registry, or add it to the card"
