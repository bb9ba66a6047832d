"""Running suites without pytest: what ``emosym plugins check`` does."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from emosym_registry import EmosymError, RegisteredComponent, Registry
from emosym_registry.discovery import GROUP, InstalledPlugin

from emosym.testing.checks import Check, ConformanceError, ExpectedFailure, NotApplicable
from emosym.testing.suite import ConformanceSuite

Outcome = Literal["passed", "failed", "expected failure", "not applicable"]


@dataclass(frozen=True)
class Result:
    """How one check ended for one component; ``detail`` is what was seen, or why it was not looked at."""

    component: str
    check: Check
    outcome: Outcome
    detail: str = ""


def suite_for(offer: RegisteredComponent) -> type[ConformanceSuite]:
    """The suite that a component's plugin names (``ComponentSpec.conformance``), or its kind's with default parameters."""
    from emosym.testing import SUITES

    if not offer.spec.conformance:
        return type(offer.spec.name, (SUITES[offer.spec.kind],), {"component": offer.qualified})
    suite = offer.load_conformance()
    if not (isinstance(suite, type) and issubclass(suite, SUITES[offer.spec.kind])):
        raise EmosymError(
            "conformance.wrong-suite",
            f"{offer.spec.conformance} of {offer.qualified} is no {SUITES[offer.spec.kind].__name__}",
            hint=f"subclass emosym.testing.{SUITES[offer.spec.kind].__name__}",
        )
    _refuse_foreign(suite, offer)
    return suite


def _refuse_foreign(suite: type[ConformanceSuite], offer: RegisteredComponent) -> None:
    """A suite that tests something else would pass for a component that nobody looked at."""
    named = offer.spec.conformance
    if suite.component not in (offer.spec.name, offer.qualified):
        cause = f"{named} of {offer.qualified} names component {suite.component!r}"
    elif suite.implementation is not None and suite.implementation is not offer.load():
        cause = (
            f"{named} of {offer.qualified} tests {suite.implementation.__qualname__}, not {offer.spec.target}"
        )
    else:
        return
    hint = f'write component = "{offer.qualified}" in the suite, and no implementation'
    raise EmosymError("conformance.foreign-suite", cause, hint=hint)


def run_suite(
    suite: type[ConformanceSuite],
    *,
    tiers: Collection[str] = ("core", "capability"),
    only: Collection[str] = (),
) -> Iterator[Result]:
    """The result of every check of the tiers (or of those in ``only``), each as soon as it is known."""
    name = suite.component or suite.__name__
    made = suite()
    try:
        for method, promise in suite.methods():
            if promise.id in only if only else promise.tier in tiers:
                yield Result(name, promise, *_end_of(getattr(made, method)))
    finally:
        suite.teardown_class()


def contract_failure(suite: type[ConformanceSuite]) -> Result | None:
    """The result of ``component.contract`` where that fails: a component that cannot be built fails every other check too.

    What was made stays for the suite's other checks where it does not fail.
    """
    made = suite()
    for method, promise in suite.methods():
        if promise.id == "component.contract":
            outcome, detail = _end_of(getattr(made, method))
            if outcome == "failed":
                suite.teardown_class()
                return Result(suite.component or suite.__name__, promise, outcome, detail)
    return None


def _end_of(method: Callable[[], Any]) -> tuple[Outcome, str]:
    try:
        method()
    except NotApplicable as outcome:
        return "not applicable", str(outcome)
    except ExpectedFailure as outcome:
        return "expected failure", str(outcome).partition(": ")[2]
    except ConformanceError as error:
        return "failed", error.seen
    return "passed", ""


def offers_named(registry: Registry, name: str) -> list[RegisteredComponent]:
    """The components that NAME means: those of a plugin or a distribution, or one by its (qualified) name."""
    offers = registry.components()
    ways: tuple[Callable[[RegisteredComponent], bool], ...] = (
        lambda offer: offer.plugin.id == name,
        lambda offer: offer.plugin.distribution == name,
        lambda offer: name in (offer.qualified, f"{offer.spec.kind}/{offer.spec.name}"),
        lambda offer: offer.spec.name == name,
    )
    return next((found for way in ways if (found := [offer for offer in offers if way(offer)])), [])


def found_in(folder: Path) -> list[InstalledPlugin]:
    """The plugins of a package's folder that is not installed, read from its pyproject.toml and put on ``sys.path``."""
    file = folder / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        points = project["entry-points"][GROUP]
    except FileNotFoundError as error:
        raise EmosymError(
            "plugin.no-project", f"{folder}: no pyproject.toml in it", hint="name a plugin's folder"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EmosymError("plugin.bad-project", f"{file}: {error}", hint="mend it") from error
    except KeyError as error:
        raise EmosymError(
            "plugin.no-entry-point",
            f"{file}: no entry point in the group {GROUP!r}",
            hint=f'add [project.entry-points."{GROUP}"] with a line: my-plugin = "my_plugin.plugin"',
        ) from error
    source = folder / "src"
    sys.path.insert(0, str((source if source.is_dir() else folder).resolve()))
    version = str(project.get("version", "unknown"))
    return [
        InstalledPlugin(id, module, str(project.get("name", id)), version) for id, module in points.items()
    ]
