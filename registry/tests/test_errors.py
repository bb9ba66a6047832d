"""How messages are put together."""

from __future__ import annotations

import pickle

import pytest
from emosym_registry.errors import EmosymError, did_you_mean, first_line, plural, some, unknown


def test_an_unknown_word_says_what_was_meant_and_what_there_is() -> None:
    error = unknown("spec.unknown-component", "backbone", "lava", ["llava", "qwen-vl", "llava"])
    assert error.id == "spec.unknown-component"
    assert error.message == "unknown backbone 'lava'; did you mean \"llava\"?"
    assert error.hint == "backbones: llava, qwen-vl"


def test_an_unknown_word_like_no_other_says_what_there_is() -> None:
    error = unknown("run.x", "memory", "zzz", [], where="spec.yaml:3")
    assert (error.message, error.hint) == ("spec.yaml:3: unknown memory 'zzz'", "memories: none")
    assert unknown("run.x", "key", "a", map(str, range(30))).hint.endswith("18, 19 and 10 more")
    assert unknown("run.x", "key", "a", ["ab"], hint="see the page").hint == "see the page"


def test_a_known_word_is_never_suggested_for_itself() -> None:
    assert did_you_mean("llava", ["llava", "llava-next"]) == ""


@pytest.mark.parametrize(
    ("names", "most", "text"),
    [
        ([], 3, ""),
        (["a", "b", "c"], 3, "a, b, c"),
        (["a", "b", "c", "d"], 3, "a, b, c and 1 more"),
        (["a", "b"], 1, "a and 1 more"),
    ],
)
def test_long_lists_are_cut_and_say_by_how_much(names: list[str], most: int, text: str) -> None:
    assert some(names, most) == text


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (1, "component", "1 component"),
        (0, "component", "0 components"),
        (2, "memory", "2 memories"),
        (2, "key", "2 keys"),
        (2, "loss", "2 losses"),
        (2, "batch", "2 batches"),
    ],
)
def test_counts_have_their_nouns(count: int, noun: str, text: str) -> None:
    assert plural(count, noun) == text


def test_an_error_goes_through_another_process_whole() -> None:
    error = pickle.loads(pickle.dumps(EmosymError("a.b", "no", hint="so", ours=True)))
    assert (error.id, error.message, error.hint, error.ours) == ("a.b", "no", "so", True)


def test_an_error_without_words_is_known_by_its_type() -> None:
    assert first_line(ValueError(" one\ntwo")) == "one"
    assert first_line(KeyError()) == "KeyError"
