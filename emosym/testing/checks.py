"""A conformance check: what it promises, how it is marked, and the ways in which it can end."""

from __future__ import annotations

import functools
import traceback
import unittest
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from emosym_registry import EmosymError

Tier = Literal["core", "capability", "slow"]
TIERS: Mapping[Tier, str] = {
    "core": "every component of the kind",
    "capability": "components that have what the check is about",
    "slow": "left out unless asked for",
}
PAGE = "docs/reference/conformance.md"


@dataclass(frozen=True)
class Check:
    """One promise of a kind. ``id`` is stable, ``expects`` completes "expected …", ``why`` says what breaks
    without it."""

    id: str
    tier: Tier
    expects: str
    why: str

    @property
    def anchor(self) -> str:
        """Where the documentation explains it."""
        return f"{PAGE}#{self.id.replace('.', '-')}"


ID = Check(
    "plugin.id",
    "core",
    "an id of lower case letters, digits, dots and dashes, which `emosym_plugin_info` gives too",
    "Specs and saved systems name components by `plugin-id/name`, for good.",
)
OFFERS = Check(
    "plugin.offers",
    "core",
    "aliases, presets and commands that lead to something that is there and sound",
    "Installing a plugin reads none of them: what is missing stops the first spec that names it.",
)
LIGHT = Check(
    "plugin.light",
    "core",
    "a light module and config models that import no torch, transformers or diffusers",
    "Every command reads them, `emosym --help` too: what they import makes all of emosym slow.",
)
HOOKS = Check(
    "plugin.hooks",
    "core",
    "lifecycle hooks that raise nothing in a run of one step, in one that fails and in one that goes on",
    "A hook is first called hours into a run, and what it raises there is a line that nobody sees.",
)
OF_PLUGINS = (ID, LIGHT, OFFERS, HOOKS)
"""What `emosym plugins check` promises of a plugin beside its components."""


class ConformanceError(EmosymError, AssertionError):
    """A promise that a component breaks; says the check's id, what was expected, what was seen, and where
    to read on."""

    def __init__(self, check: Check, seen: str) -> None:
        super().__init__(
            "conformance.failed",
            f"{check.id}: expected {check.expects}; saw {seen}",
            hint=f"emosym plugins check --explain {check.id}, or {check.anchor}",
        )
        self.check, self.seen = check, seen

    def __reduce__(self) -> tuple[object, ...]:
        return (ConformanceError, (self.check, self.seen))


class NotApplicable(unittest.SkipTest):
    """The component has no such capability. Only checks of the tier ``capability`` may end so."""


class ExpectedFailure(Exception):  # noqa: N818 - an outcome, not an error
    """A check that was declared to fail, with the reason, and did."""


class Unmet(AssertionError):  # noqa: N818 - becomes a ConformanceError
    """What was seen instead; raised inside a check."""


def require(met: bool, seen: str) -> None:
    """End a check with what was ``seen`` where its promise is not met."""
    if not met:
        raise Unmet(seen)


def check(id: str, expects: str, *, tier: Tier = "core") -> Callable[[Callable[[Any], None]], Any]:
    """Make a method of a suite a check. Its docstring says why the promise matters."""

    def decorate(method: Callable[[Any], None]) -> Any:
        promise = Check(id, tier, expects, " ".join((method.__doc__ or "").split()))

        @functools.wraps(method)
        def run(suite: Any) -> None:
            judge(promise, lambda: method(suite), suite.expected_failures, lambda: suite.package)

        run.check = promise  # type: ignore[attr-defined]
        return run

    return decorate


def judge(
    promise: Check,
    body: Callable[[], None],
    expected_failures: Mapping[str, str],
    package: Callable[[], str] = str,
) -> None:
    """Run a check's body; return where it holds, raise one of the outcomes above where it does not. ``package`` gives the
    package whose code is checked, where what is raised came from."""
    reason = expected_failures.get(promise.id)
    try:
        _hold(promise, body, package)
    except ConformanceError as error:
        if reason is None:
            raise
        raise ExpectedFailure(f"{promise.id}: {reason}") from error
    if reason is not None:
        raise ConformanceError(promise, f"that it holds, though it is declared to fail ({reason})")


def _hold(promise: Check, body: Callable[[], None], package: Callable[[], str]) -> None:
    try:
        body()
    except NotApplicable as outcome:
        if promise.tier == "capability":
            raise
        raise ConformanceError(promise, f"that it was skipped: {outcome}") from outcome
    except Unmet as error:
        raise ConformanceError(promise, str(error)) from error
    except KeyboardInterrupt:
        raise
    except (
        BaseException
    ) as error:  # whatever a component raises is what was seen, sys.exit and pytest.skip too
        first = (str(error).strip() or "no message").splitlines()[0]
        if isinstance(error, EmosymError) and error.hint:
            first = f"{error.message}; {error.hint}"
        place = _place(error, package())
        raise ConformanceError(
            promise, f"{type(error).__name__}: {first}{place and f' (at {place})'}"
        ) from error


def _place(error: BaseException, package: str) -> str:
    """``file:line`` of the last call inside a package on the way to an error; empty where none was there."""
    places = [
        f"{frame.f_code.co_filename}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if package and str(frame.f_globals.get("__name__")).partition(".")[0] == package
    ]
    return places[-1] if places else ""
