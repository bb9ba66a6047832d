"""Running suites without pytest: what ``emosym plugins check`` does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from emosym_registry import EmosymError, RegisteredComponent, Registry

from emosym.testing.checks import Check, ConformanceError, ExpectedFailure, NotApplicable
from emosym.testing.suite import ConformanceSuite
from emosym.testing.suites import SUITES

Outcome = Literal["passed", "failed", "expected failure", "not applicable"]


@dataclass(frozen=True)
class Result:
    """How one check ended for one component; ``detail`` is what was seen, or why it was not looked at, and ``error`` what
    the component raised."""

    component: str
    check: Check
    outcome: Outcome
    detail: str = ""
    error: BaseException | None = field(default=None, compare=False, repr=False)


def suite_for(component: RegisteredComponent) -> type[ConformanceSuite]:
    """The suite that a component's plugin names (``ComponentSpec.conformance``), or its kind's with default
    parameters."""
    if not component.spec.conformance:
        return type(component.spec.name, (SUITES[component.spec.kind],), {"component": component.qualified})
    suite, expected = component.load_conformance(), SUITES[component.spec.kind]
    if not (isinstance(suite, type) and issubclass(suite, expected)):
        raise EmosymError(
            "conformance.wrong-suite",
            f"{component.spec.conformance} of {component.qualified} is no {expected.__name__}",
            hint=f"subclass emosym.testing.{expected.__name__}",
        )
    _refuse_foreign(suite, component)
    return suite


def _refuse_foreign(suite: type[ConformanceSuite], component: RegisteredComponent) -> None:
    """A suite that tests something else would pass for a component that nobody looked at."""
    named = component.spec.conformance
    if suite.component not in (component.spec.name, component.qualified):
        cause = f"{named} of {component.qualified} names component {suite.component!r}"
        hint = f'write component = "{component.qualified}" in the suite'
    elif suite.implementation is not None and suite.implementation is not component.load():
        tested = suite.implementation.__qualname__
        cause = f"{named} of {component.qualified} tests {tested}, not {component.spec.target}"
        hint = "leave `implementation` out of the suite"
    else:
        return
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
    """The result of ``component.contract`` where that fails: a component that cannot be built fails every
    other check too.

    What was made stays for the suite's other checks where it does not fail.
    """
    made = suite()
    for method, promise in suite.methods():
        if promise.id == "component.contract":
            end = _end_of(getattr(made, method))
            if end[0] == "failed":
                suite.teardown_class()
                return Result(suite.component or suite.__name__, promise, *end)
    return None


def _end_of(method: Callable[[], Any]) -> tuple[Outcome, str, BaseException | None]:
    try:
        method()
    except NotApplicable as outcome:
        return "not applicable", str(outcome), None
    except ExpectedFailure as outcome:
        return "expected failure", str(outcome).partition(": ")[2], None
    except ConformanceError as error:
        return "failed", error.seen, error.__cause__
    return "passed", "", None


def components_named(registry: Registry, name: str) -> list[RegisteredComponent]:
    """The components that NAME means: those of a plugin or a distribution, or one by its (qualified) name."""
    every = registry.components()
    ways: tuple[Callable[[RegisteredComponent], bool], ...] = (
        lambda one: one.plugin.id == name,
        lambda one: one.plugin.distribution == name,
        lambda one: name in (one.qualified, f"{one.spec.kind}/{one.spec.name}"),
        lambda one: one.spec.name == name,
    )
    return next((named for way in ways if (named := [one for one in every if way(one)])), [])
