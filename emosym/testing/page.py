"""The reference page of the conformance kit, made from the checks themselves."""

from __future__ import annotations

from collections.abc import Iterator

from emosym.contracts.page import as_markdown
from emosym.testing.checks import OF_PLUGINS, TIERS, Check
from emosym.testing.generic import ComponentSuite
from emosym.testing.suites import SUITES

HEAD = """\
# Conformance checks

What a component of each kind promises, as checks that anybody can run: `emosym plugins check NAME`, or
pytest on a subclass of the kind's suite. A failure names the check's id, what was expected, what was seen,
and this page. [Write a plugin](../how-to/write-a-plugin.md) shows both. This page is made from the checks by
`python -m emosym.testing`.

    from emosym.testing import RewardSuite

    class TestMine(RewardSuite):
        component = "mine"             # as it is registered
        params = {"threshold": 0.5}    # or override parameters() where they need files

A component that is not registered is given as `implementation` and `config`. `expected_failures` maps an id
to the reason why the component cannot keep that promise; a check listed there that holds is a failure. A
subclass may add checks but takes none away: a method set to None, or overridden without its `@check`, is
refused. Checks run on the CPU with small sizes, in any order; `component.device` also looks at an
accelerator where there is one.
"""


def page() -> str:
    """The page, in Markdown."""
    return "\n".join([HEAD, *_tiers(), *_plugin(), *_kind("Every kind", ComponentSuite), *_kinds()])


def _tiers() -> Iterator[str]:
    yield "| tier | runs for |"
    yield "|---|---|"
    yield from (f"| {tier} | {meaning} |" for tier, meaning in TIERS.items())
    yield ""


def _plugin() -> Iterator[str]:
    yield "## Every plugin"
    yield ""
    yield "Checked where a plugin is named, not a component: its offers and its hooks where it has any."
    yield ""
    for promise in OF_PLUGINS:
        yield from _promise(promise)


def _promise(promise: Check) -> Iterator[str]:
    yield f'<a id="{promise.anchor.partition("#")[2]}"></a>'
    yield f"**{promise.id}** ({promise.tier}): expects {promise.expects}."
    yield as_markdown(promise.why)
    yield ""


def _kinds() -> Iterator[str]:
    shared = set(ComponentSuite.checks())
    for kind, suite in SUITES.items():
        words = kind.replace("_", " ")
        yield from _kind(f"{words[0].upper()}{words[1:]}: `{suite.__name__}`", suite, leave_out=shared)


def _kind(title: str, suite: type[ComponentSuite], leave_out: set[Check] | None = None) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    if leave_out is not None:
        yield as_markdown(suite.__doc__ or "")
        yield ""
    for promise in suite.checks():
        if promise not in (leave_out or ()):
            yield from _promise(promise)
