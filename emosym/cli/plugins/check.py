"""``emosym plugins check``: does a component keep the promises of its kind?"""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from emosym_registry import EmosymError
from emosym_registry.errors import plural, some, unknown

from emosym.cli import completion
from emosym.cli.common import registry_for, registry_with
from emosym.cli.plugins.listing import every, explanation, known, listing
from emosym.cli.saying import say

if TYPE_CHECKING:
    from emosym_registry import LoadedPlugin, RegisteredComponent, Registry

    from emosym.diagnosis.examine import Trouble
    from emosym.testing import Check, ConformanceSuite, Result


def check(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="A plugin, its package, its folder (./my-plugin), or one component: qwen-vl.",
            autocompletion=completion.components,
        ),
    ] = None,
    slow: Annotated[bool, typer.Option("--slow", help="The slow checks too.")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ID", help="This check alone; repeatable.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line for every check.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: one object a check.")] = False,
    params: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            metavar="KEY=VALUE",
            help="Check with this parameter, such as model=DIR; repeatable, for one component.",
        ),
    ] = None,
    explain: Annotated[
        str | None, typer.Option("--explain", metavar="ID", help="Say what a check is for, and stop.")
    ] = None,
    list_checks: Annotated[
        bool,
        typer.Option(
            "--list", help="List the checks of the NAMEs, or of all kinds, with what they expect, and stop."
        ),
    ] = False,
) -> None:
    """Run the conformance checks of a component, or of all that a plugin offers. Exit status 1 where one fails."""
    if explain is not None:
        print(explanation(explain))
        return
    if list_checks and not names:
        print(listing(every(), as_json=as_json))
        return
    known(only or ())
    registry, offers, plugins = chosen(context, names or ())
    say("loading the checks")
    from emosym.testing import SUITES, Result, suite_for

    changes = parsed(params or (), offers)

    if list_checks:
        found = {promise.id: promise for offer in offers for promise in suite_for(offer).checks()}
        print(listing(found.values(), as_json=as_json))
        return

    tiers = ("core", "capability", "slow") if slow else ("core", "capability")
    results: list[Result] = []

    def add(title: str, found: Iterable[Result]) -> None:
        own = [dataclasses.replace(result, component=title) for result in found]
        results.extend(own)
        if own and not as_json:
            print(report(title, own, verbose=verbose))
        for result in own if context.obj.debug else ():
            if result.error is not None:
                traceback.print_exception(result.error)

    for plugin in plugins:
        add(f"plugin {plugin.id}", _of_plugin(context, registry, plugin, only or ()))
    for offer in offers:
        title = f"{offer.spec.kind} {offer.qualified}"
        try:
            suite = with_parameters(suite_for(offer), changes)
        except EmosymError as error:
            if len(offers) == 1:
                raise
            contract = next(one for one in SUITES[offer.spec.kind].checks() if one.id == "component.contract")
            add(
                title,
                [Result(title, contract, "failed", "; ".join(filter(None, [error.message, error.hint])))],
            )
            continue
        add(title, results_of(suite, title, tiers=tiers, only=only or ()))
    if as_json:
        print(json.dumps([as_dict(result) for result in results], indent=2))
    else:
        print(f"\nin all: {_counts(results)}")
    if any(result.outcome == "failed" for result in results):
        raise typer.Exit(1)


def parsed(params: Sequence[str], components: Sequence[RegisteredComponent]) -> dict[str, Any]:
    """``KEY=VALUE`` words as parameters, values as YAML. Errors: ``cli.bad-param``."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if params and len(components) != 1:
        names = some([component.qualified for component in components])
        hint = f"name one of these: {names}"
        raise EmosymError("cli.bad-param", "--param is for one component, and several are named", hint=hint)
    changes = {}
    for word in params:
        key, equals, value = word.partition("=")
        try:
            changes[key] = YAML(typ="safe", pure=True).load(value)
        except YAMLError:
            equals = ""
        if not key or not equals:
            raise EmosymError(
                "cli.bad-param", f"--param {word!r} is not KEY=VALUE", hint="for example --param model=DIR"
            )
    return changes


def with_parameters(suite: type[ConformanceSuite], changes: Mapping[str, Any]) -> type[ConformanceSuite]:
    """The suite, checking a component that is made with other parameters."""
    if not changes:
        return suite

    def parameters(self: ConformanceSuite) -> Mapping[str, Any]:
        return {**suite.parameters(self), **changes}

    return type(suite.__name__, (suite,), {"parameters": parameters})


def results_of(
    suite: type[ConformanceSuite], title: str, *, tiers: Collection[str], only: Collection[str]
) -> list[Result]:
    """How the checks end, with a bar on a terminal and a line elsewhere, as they may take minutes; the contract's alone
    where the component cannot be built, as all others would say the same."""
    from emosym.experiment.progress import steps
    from emosym.testing import run_suite
    from emosym.testing.runner import contract_failure

    broken = contract_failure(suite)
    if broken is not None:
        return [broken]
    count = sum(promise.id in only if only else promise.tier in tiers for promise in suite.checks())
    logging.disable(logging.WARNING)  # each of the many that are built would say the same again
    try:
        return list(steps(run_suite(suite, tiers=tiers, only=only), count, f"checking {title}"))
    finally:
        logging.disable(logging.NOTSET)


def _of_plugin(
    context: typer.Context, registry: Registry, plugin: LoadedPlugin, only: Collection[str]
) -> Iterator[Result]:
    """How a plugin loads, and how it offers and hears what is no component, where it does."""
    from emosym.cli.plugins.doctor import own_verb
    from emosym.diagnosis.examine import introduction, offers
    from emosym.diagnosis.hooks import call_hooks, hooks_of
    from emosym.diagnosis.probe import probe
    from emosym.spec import load_spec
    from emosym.testing import Result
    from emosym.testing.checks import HOOKS, ID, LIGHT, OFFERS

    checks: dict[Check, Callable[[], list[Trouble]]] = {
        ID: lambda: list(introduction(plugin)),
        LIGHT: lambda: probe(plugin),
    }
    if _beside(plugin):
        checks[OFFERS] = lambda: list(
            offers(registry, plugin, partial(own_verb, context.find_root().command))
        )
    if hooks_of(registry, plugin.id):
        spec = load_spec("preset:tiny", registry=registry_for(context.obj))
        checks[HOOKS] = lambda: call_hooks(plugin, spec)
    for promise, troubles in checks.items():
        if only and promise.id not in only:
            continue
        found = troubles()
        yield from (Result(plugin.id, promise, "failed", f"{cause} ({hint})") for _, cause, hint in found)
        if not found:
            yield Result(plugin.id, promise, "passed")


def _beside(plugin: LoadedPlugin) -> bool:
    """Whether a plugin offers something that is no component."""
    return bool(plugin.aliases or plugin.presets or plugin.commands)


def chosen(
    context: typer.Context, names: Sequence[str]
) -> tuple[Registry, list[RegisteredComponent], list[LoadedPlugin]]:
    """The components that the names mean, and the plugins among them; folders are plugins that need not be installed."""
    from emosym.testing.folders import plugins_in
    from emosym.testing.suite import use

    own = {name: plugins_in(Path(name).expanduser()) for name in names if _is_folder(name)}
    extra = [one for found in own.values() for one in found]
    registry = registry_with(context.obj, extra) if extra else registry_for(context.obj)
    if not names:
        there = ", ".join(sorted(registry.plugins))
        raise EmosymError("cli.what-to-check", "no component to check", hint=f"name a plugin: {there}")
    use(registry)
    ids = [id for name in names for id in ([one.id for one in own[name]] if name in own else [name])]
    offers = dict.fromkeys(offer for id in ids for offer in named(registry, id))
    plugins = [one for one in registry.plugins.values() if {one.id, one.installed.distribution} & {*ids}]
    return registry, list(offers), plugins


def _is_folder(name: str) -> bool:
    """A path as a shell writes one; a bare word is a name even where a folder is called the same."""
    return name.startswith((".", "/", "~")) or ("/" in name and Path(name).is_dir())


def named(registry: Registry, name: str) -> list[RegisteredComponent]:
    """The components of one name; what failed, or is not there, is an error that says so."""
    from emosym.testing.runner import components_named

    offers = components_named(registry, name)
    if offers:
        return offers
    for failure in registry.failures:
        if name in (failure.plugin.id, failure.plugin.distribution):
            raise EmosymError("plugin.failed", str(failure), hint=failure.hint) from failure.error
    for plugin in registry.plugins.values():
        if name in (plugin.id, plugin.installed.distribution):
            from emosym.diagnosis.hooks import hooks_of

            heard = hooks_of(registry, plugin.id)
            if heard or not _beside(plugin):
                print(
                    f"plugin {plugin.id} has no component; it listens to {', '.join(heard) or 'nothing'}",
                    file=sys.stderr,
                )
            return []
    there = sorted({*registry.plugins, *(one.spec.name for one in registry.components())})
    hint = "see them with: emosym plugins list"
    raise unknown("plugin.unknown", "plugin or component", name, there, hint=hint)


def report(title: str, results: Sequence[Result], *, verbose: bool) -> str:
    """One component: the counts, then what failed and what did not apply, or every check."""
    lines = [f"{title}: {_counts(results)}"]
    failed = [result for result in results if result.outcome == "failed"]
    for result in results:
        if result.outcome == "failed":
            alike = [other.check.id for other in failed if other.detail == result.detail]
            if alike[0] != result.check.id:
                continue  # a cause that many checks meet is said once
            lines += [
                f"  FAILED {result.check.id}: expected {result.check.expects}",
                f"         saw {result.detail}",
                f"         why: emosym plugins check --explain {result.check.id} ({result.check.anchor})",
            ]
            if alike[1:]:
                lines.append(
                    f"         the same in {plural(len(alike) - 1, 'more check')}: {some(alike[1:], 50)}"
                )
        elif result.outcome != "passed" or verbose:
            lines.append(
                f"  {result.outcome}: {result.check.id}" + (f": {result.detail}" if result.detail else "")
            )
    return "\n".join(lines)


def as_dict(result: Result) -> dict[str, Any]:
    """A result as JSON shows it."""
    return {
        "component": result.component,
        "check": result.check.id,
        "tier": result.check.tier,
        "outcome": result.outcome,
        "expected": result.check.expects,
        "detail": result.detail,
    }


def _counts(results: Sequence[Result]) -> str:
    counts: Counter[str] = Counter(result.outcome for result in results)
    order = ("passed", "failed", "expected failure", "not applicable")
    return (
        ", ".join(f"{counts[outcome]} {outcome}" for outcome in order if counts[outcome])
        or "nothing to check"
    )
