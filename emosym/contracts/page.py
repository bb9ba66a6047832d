"""The reference page of the contracts, made from their source: ``python -m emosym.contracts.page`` prints
it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from textwrap import dedent

from torch import nn

from emosym import contracts
from emosym.contracts import CONTRACTS

PAGE = "docs/reference/contracts.md"

HEAD = """\
# Contracts

What a component of each kind must do, and the values that travel between components. Everything here is imported from
`emosym.contracts`; *required* members are abstract. [Write a plugin](../how-to/write-a-plugin.md) shows how to begin,
[Conformance checks](conformance.md) how promises are tested. This page is made from the docstrings by
`python -m emosym.contracts.page`.

A component is built as `Class(config, context)`: its validated parameters and a [`Context`](#context). It keeps both
as `self.config` and `self.context`, raises `EmosymError` for what a user can mend, and starts its weights from
`context.seed` without touching the global generators. A component that is an `nn.Module` is moved to `context.device`
after it is built; its `__init__` is the contract's, `super().__init__(config, context)`, before any tensor is set. In shapes, B counts images, T tokens, K context tokens, D is the width of the backbone's states, W that of
text features, C counts emotions, G rollouts.
"""

VALUES = (
    "Context",
    "LabelSet",
    "Sample",
    "States",
    "LossTerms",
    "Rollouts",
    "RewardResources",
    "KnowledgeResources",
    "CompressBatch",
    "ReinforceBatch",
    "Reading",
    "Reason",
    "Generated",
    "Candidate",
    "Refresh",
    "LedgerEntry",
    "Standing",
    "Evidence",
    "RewardTable",
    "Figure",
    "Prefix",
    "Conclusion",
    "Condition",
    "Workload",
    "Footprint",
    "Operations",
)
"""Dataclasses of the page, in its order."""
ASKED = ("Probe", "Watcher")
"""What a component may ask or tell, beside the dataclasses."""
EVERY = ("Component", "ComponentConfig")
"""What every component is, and its config."""
SHARED = ("AdaptedModule",)
"""Bases whose members stand with each kind that has them."""


def page() -> str:
    """The page, in Markdown."""
    lines = [HEAD, "## Every component", ""]
    for name in EVERY:
        lines += described(getattr(contracts, name), name)
    lines += ["## Kinds", ""]
    for kind, name in CONTRACTS.items():
        contract = getattr(contracts, name)
        module = " (an `nn.Module`)" if issubclass(contract, nn.Module) else ""
        shared = [base for base in contract.__mro__[1:] if base.__name__ in SHARED]
        lines += described(contract, f"`{kind}`: {name}{module}", shared)
    lines += ["## Values", ""]
    for name in (*VALUES, *ASKED):
        lines += described(getattr(contracts, name), name)
    return "\n".join(lines)


def as_markdown(docstring: str) -> str:
    """A docstring in a line, its roles and double backticks as Markdown's code."""
    return re.sub(r"(?::\w+:)?(`{1,2})(.+?)\1", r"`\2`", " ".join(docstring.split()))


def described(target: type, title: str, bases: Iterable[type] = ()) -> Iterator[str]:
    """One class: its docstring, then its public fields and methods in the order of its source, and those that it has from
    ``bases``."""
    tree = _source(target)
    yield f'<a id="{target.__name__.lower()}"></a>'
    yield f"### {title}"
    yield ""
    yield as_markdown(ast.get_docstring(tree) or "")
    yield ""
    members: dict[str, str] = {}
    for body in (tree.body, *(_source(base).body for base in bases)):
        for number, one in enumerate(body):
            for line in _member(body, number, one):
                members.setdefault(re.split(r"\W", line.removeprefix("- `"), maxsplit=1)[0], line)
    yield from members.values()
    if members:
        yield ""


def _source(target: type) -> ast.ClassDef:
    tree = ast.parse(dedent(inspect.getsource(target))).body[0]
    assert isinstance(tree, ast.ClassDef)
    return tree


def _member(body: list[ast.stmt], number: int, one: ast.stmt) -> Iterator[str]:
    if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
        if one.target.id.startswith("_"):
            return
        following = body[number + 1] if number + 1 < len(body) else None
        value = "" if one.value is None else f" = {ast.unparse(one.value)}"
        yield _entry(f"{one.target.id}: {ast.unparse(one.annotation)}{value}", "", _text(following))
    elif isinstance(one, ast.FunctionDef) and _is_public(one):
        decorators = {ast.unparse(decorator) for decorator in one.decorator_list}
        result = "" if one.returns is None else ast.unparse(one.returns)
        required = "required" if "abstractmethod" in decorators else ""
        if "property" in decorators:
            yield _entry(
                f"{one.name}: {result}", ", ".join(["property", *filter(None, [required])]), _doc(one)
            )
        else:
            yield _entry(f"{_call(one, decorators)} -> {result}", required, _doc(one))


def function(target: Callable[..., object]) -> str:
    """One function: its signature and its docstring, as an entry of a list."""
    tree = ast.parse(dedent(inspect.getsource(target))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    result = "" if tree.returns is None else ast.unparse(tree.returns)
    return _entry(f"{tree.name}({ast.unparse(tree.args)}) -> {result}", "", _doc(tree))


def _is_public(function: ast.FunctionDef) -> bool:
    special = function.name.startswith("__") and ast.get_docstring(function)
    return bool(special) or not function.name.startswith("_")


def _call(function: ast.FunctionDef, decorators: set[str]) -> str:
    """The signature as a caller writes it, without ``self`` or ``cls``."""
    given = function.args
    if "staticmethod" not in decorators:
        given.args = given.args[1:]
    return f"{function.name}({ast.unparse(given)})"


def _entry(code: str, kind: str, text: str) -> str:
    words = f"- `{code}`" + (f" ({kind})" if kind else "")
    return f"{words}: {text}" if text else words


def _doc(function: ast.FunctionDef) -> str:
    return as_markdown(ast.get_docstring(function) or "")


def _text(statement: ast.stmt | None) -> str:
    """The docstring of a field: the string that stands alone after it."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return as_markdown(str(statement.value.value))
    return ""


if __name__ == "__main__":
    print(page(), end="")
