"""The words a component may use of itself, and the files that descriptors lead to."""

from __future__ import annotations

from pathlib import Path

import pytest
from emosym_registry import CAPABILITIES, KINDS, NEEDS, Alias, Cards, ComponentSpec, EmosymError, Preset
from emosym_registry.descriptors import package_path


def test_every_need_and_every_capability_of_its_kind_is_taken() -> None:
    assert ComponentSpec("reward", "mine", "a:B", "a:C", needs=NEEDS).needs == NEEDS
    for kind, words in CAPABILITIES.items():
        spec = ComponentSpec(kind, "mine", "a:B", "a:C", capabilities=tuple(words))
        assert spec.capabilities == tuple(words)
    assert set(CAPABILITIES) <= set(KINDS)


def test_an_unknown_need_names_the_component_and_what_was_meant() -> None:
    with pytest.raises(EmosymError) as caught:
        ComponentSpec("reward", "mine", "a:B", "a:C", needs=("jugde",))
    assert caught.value.id == "plugin.unknown-need"
    assert caught.value.message == "reward 'mine': unknown need 'jugde'; did you mean \"judge\"?"
    assert caught.value.hint == f"needs: {', '.join(NEEDS)}"


@pytest.mark.parametrize(
    ("kind", "word", "message", "hint"),
    [
        ("backbone", "prefixes", "unknown capability 'prefixes'; did you mean \"prefix\"?", "capabilities: prefix, text"),
        ("backbone", "write", "unknown capability 'write'", "capabilities: prefix, text"),
        ("reward", "prefix", "unknown capability 'prefix'", "capabilities: none"),
        ("reward", "needs:judge", "unknown capability 'needs:judge'", "write needs=('judge',)"),
        ("reward", "needs:text", "unknown capability 'needs:text'", "write needs=('text_encoder',)"),
    ],
)  # fmt: skip
def test_an_unknown_capability_is_refused(kind: str, word: str, message: str, hint: str) -> None:
    with pytest.raises(EmosymError) as caught:
        ComponentSpec(kind, "mine", "a:B", "a:C", capabilities=(word,))
    assert caught.value.id == "plugin.unknown-capability"
    assert (caught.value.message, caught.value.hint) == (f"{kind} 'mine': {message}", hint)


@pytest.mark.parametrize("field", ["needs", "capabilities", "requires", "formerly"])
def test_a_word_alone_is_no_tuple_of_words(field: str) -> None:
    with pytest.raises(
        EmosymError, match="reward 'mine': needs, capabilities, requires and formerly are tuples"
    ) as caught:
        ComponentSpec("reward", "mine", "a:B", "a:C", **{field: "judge"})  # type: ignore[arg-type]
    assert caught.value.id == "plugin.bad-words"


@pytest.mark.parametrize("name", ["", "other/tiny"])
def test_a_name_that_could_be_a_qualified_one_is_refused(name: str) -> None:
    for make in (lambda: Alias("judge", "x", name, "email", "y"), lambda: Preset(name, "email", "y")):
        with pytest.raises(EmosymError, match="must have no slash") as caught:
            make()
        assert caught.value.id == "plugin.bad-name"


def test_descriptors_lead_to_files_of_packages() -> None:
    folder = package_path("email")
    assert (folder / "charset.py").is_file()
    for one in (
        Alias("judge", "x", "a", "email", "mime"),
        Preset("a", "email", "mime"),
        Cards("email", "mime"),
    ):
        assert one.location == folder / Path("mime")
    with pytest.raises(EmosymError, match="package 'no_such.package' is not installed"):
        _ = Cards("no_such.package", "cards").location
