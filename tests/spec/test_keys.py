"""What the models say of their keys: every one explained, and in the page of the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from emosym.spec import Spec
from emosym.spec.keys import REQUIRED, keys_of, keys_table, known_keys, plain_words
from emosym.spec.model import Component

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "spec.md"


def sections(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The model and every model below it."""
    below = [one for key in keys_of(model) for one in key.models]
    return {model}.union(*(sections(one) for one in below))


@pytest.mark.parametrize("model", sorted(sections(Spec), key=lambda model: model.__name__))
def test_every_key_of_a_spec_is_explained(model: type[BaseModel]) -> None:
    assert [key.name for key in keys_of(model) if not key.description] == []


def test_a_key_says_what_it_may_hold() -> None:
    class Example(BaseModel):
        rate: float = Field(gt=0, le=1)
        steps: int | None = Field(default=None, ge=1)
        mode: Literal["a", "b", "c"] = "a"
        parts: list[Literal["x", "y"]] = ["x"]
        owner: Component | None = None

    said = {key.name: (key.allowed, key.limits) for key in keys_of(Example)}
    assert said == {
        "rate": ("number above 0 and at most 1", "above 0 and at most 1"),
        "steps": ("whole number at least 1 or null", "at least 1 or null"),
        "mode": ("a, b or c", "a, b or c"),
        "parts": ("list of x or y", "list of x or y"),
        "owner": ("component or null", ""),
    }
    assert keys_of(Example)[0].default is REQUIRED
    assert keys_of(Example)[4].models == (Component,)


def test_keys_below_a_path_are_found_through_lists_and_unions() -> None:
    assert known_keys(Spec, ("rewards", 0)) == ["name", "params", "weight"]
    assert "tolerance" in known_keys(Spec, ("stages", "unify", "refresh"))


def test_the_markup_of_a_docstring_is_left_out() -> None:
    assert (
        plain_words("Train through :meth:`forward`,\n    or ``none``.") == "Train through forward, or `none`."
    )


def test_the_page_of_the_reference_has_every_key() -> None:
    assert keys_table() in PAGE.read_text(encoding="utf-8"), (
        "docs/reference/spec.md is behind the models; `python -m emosym.spec.keys` prints the table of keys"
    )
