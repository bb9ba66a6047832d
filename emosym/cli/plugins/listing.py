"""What the conformance checks promise: one of them explained, or all of them listed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from emosym_registry import EmosymError, did_you_mean

from emosym.cli.columns import columns

if TYPE_CHECKING:
    from emosym.testing import Check


def explanation(id: str) -> str:
    """What a check promises and why."""
    promise = known([id])[0]
    return f"{promise.id} ({promise.tier})\nexpected: {promise.expects}\nwhy: {promise.why}\nsee: {promise.anchor}"


def known(ids: Sequence[str]) -> list[Check]:
    """The checks of these ids; one that no kind has is an error."""
    if not ids:
        return []

    checks = {promise.id: promise for promise in every()}
    for id in ids:
        if id not in checks:
            raise EmosymError(
                "conformance.unknown-check",
                f"no check {id!r}",
                hint=did_you_mean(id, checks) or "see them with: emosym plugins check --list",
            )
    return [checks[id] for id in ids]


def every() -> list[Check]:
    """The checks of all kinds, those of every plugin and of every kind first."""
    from emosym.testing import SUITES
    from emosym.testing.checks import OF_PLUGINS

    found = {promise.id: promise for suite in SUITES.values() for promise in suite.checks()}
    ranked = sorted(found.values(), key=lambda one: (not one.id.startswith("component."), one.id))
    return [*OF_PLUGINS, *ranked]


def listing(promises: Iterable[Check], *, as_json: bool) -> str:
    """Ids with their tiers and what they expect."""
    if as_json:
        return json.dumps([as_dict(promise) for promise in promises], indent=2, ensure_ascii=False)
    return columns(("check", "tier", "expects"), [(one.id, one.tier, one.expects) for one in promises])


def as_dict(promise: Check) -> dict[str, Any]:
    """A check as JSON shows it."""
    return {"check": promise.id, "tier": promise.tier, "expected": promise.expects, "why": promise.why}
