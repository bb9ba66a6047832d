"""Makes pytest speak of conformance checks: the slow tier as a marker, expected failures as such, a line at
the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

_ENDED = "emosym conformance"
_WORDS = {"skipped": "not applicable"}
_ORDER = ("passed", "failed", "expected failure", "not applicable")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes minutes; leave out with -m 'not slow'")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tier before -m chooses."""
    for item in items:
        promise = _promise(item)
        if promise is not None and promise.tier == "slow":
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    if _promise(pyfuncitem) is None:
        return (yield)
    from emosym.testing.checks import ExpectedFailure

    try:
        return (yield)
    except ExpectedFailure as outcome:
        pytest.xfail(str(outcome))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    if report.when == "call" and _promise(item) is not None:
        word = (
            "expected failure" if hasattr(report, "wasxfail") else _WORDS.get(report.outcome, report.outcome)
        )
        report.user_properties.append((_ENDED, word))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Skipped checks are never silent: how many held, failed, and did not apply, those of other processes
    included."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    ended = Counter(
        word for report in reports for name, word in getattr(report, "user_properties", ()) if name == _ENDED
    )
    if ended:
        counts = ", ".join(f"{ended[word]} {word}" for word in _ORDER if ended[word])
        terminalreporter.write_line(f"emosym conformance: {counts}")


def _promise(item: Any) -> Any:
    promise = getattr(getattr(item, "function", None), "check", None)
    return promise if hasattr(promise, "anchor") else None
