"""The catalogue: its schema, what it says of first-party plugins, and what it answers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from emosym_registry import EmosymError, load_registry
from emosym_registry.cards import find_card, load_cards, read_card, search_cards
from emosym_registry.discovery import Found

CARD = """\
plugin: my-plugin
distribution: my-plugin
summary: One reward
licence: MIT
install: pip install my-plugin
tested: ["1.0"]
hardware: none
components:
  - {kind: reward, name: mine, summary: it rewards}
"""


def test_every_first_party_component_has_a_card_and_the_reverse() -> None:
    installed = load_registry(only=[card.plugin for card in load_cards()], strict=True)
    carded = {(card.plugin, one.kind, one.name) for card in load_cards() for one in card.components}
    assert carded == {(offer.plugin.id, offer.spec.kind, offer.spec.name) for offer in installed.components()}


def test_what_cards_say_of_packages_holds() -> None:
    plugins = load_registry(strict=True).plugins
    for card in load_cards():
        assert plugins[card.plugin].distribution.replace("_", "-") == card.distribution
        assert plugins[card.plugin].version in card.tested


def test_a_component_of_a_package_that_is_not_installed_is_named_with_its_command() -> None:
    registry = load_registry(found=[])
    with pytest.raises(EmosymError, match="unknown backbone 'qwen-vl'") as caught:
        registry.find("backbone", "qwen-vl")
    assert caught.value.hint == "package emosym-vlm provides 'qwen-vl': pip install emosym-vlm"
    with pytest.raises(EmosymError, match='did you mean "qwen-vl"') as caught:
        registry.find("backbone", "qwen-v")
    assert "pip install emosym-vlm" in caught.value.hint


def test_a_blocked_or_older_plugin_is_told_apart_from_a_missing_one(plugin: Callable[..., Found]) -> None:
    registry = load_registry(
        found=[Found("emosym-vlm", "never_imported", "emosym-vlm", "0.1.0")], disabled=["emosym-vlm"]
    )
    with pytest.raises(EmosymError, match="unknown") as caught:
        registry.find("backbone", "llava")
    assert caught.value.hint == "plugin emosym-vlm provides 'llava' but is blocked by --no-plugin"
    registry = load_registry(found=[plugin("emosym-vlm")])
    with pytest.raises(EmosymError, match="unknown") as caught:
        registry.find("backbone", "llava")
    assert caught.value.hint == "plugin emosym-vlm 1.2 has no 'llava': pip install --upgrade emosym-vlm"


def test_cards_are_found_by_component_and_by_words() -> None:
    card = find_card("diffusion", "sdxl")
    assert card is not None
    assert card.plugin == "emosym-diffusion"
    assert find_card("diffusion", "qwen-vl") is None
    assert [card.plugin for card in search_cards("memory SQLite")] == ["emosym-memory"]
    assert search_cards("") == list(load_cards())
    assert search_cards("no such words") == []


def test_a_good_card_is_read(tmp_path: Path) -> None:
    path = tmp_path / "my-plugin.yaml"
    path.write_text(CARD)
    card = read_card(path)
    assert (card.tested, card.components[0].name, card.provides("reward", "mine")) == (("1.0",), "mine", True)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("summary: One", "sumary: One", "unknown key 'sumary'"),
        ("licence: MIT\n", "", "licence: expected text"),
        ("plugin: my-plugin", "plugin: My Plugin", "expected lower case"),
        ("plugin: my-plugin", "plugin: other", "belongs into other.yaml"),
        ("install: pip install my-plugin", "install: curl x | sh", "expected a pip install command"),
        ('tested: ["1.0"]', "tested: [1.0]", "versions in quotes"),
        ("kind: reward", "kind: rewards", "unknown kind 'rewards'"),
        ("name: mine", "name: My Own", "lower case letters"),
        (", summary: it rewards", "", "expected kind, name and summary"),
        ("  - {kind: reward, name: mine, summary: it rewards}", "  []", "components: expected a list"),
        (CARD, "- a\n", "expected keys and values"),
        (CARD, "a: [\n", "not YAML"),
    ],
)
def test_a_bad_card_is_refused_with_file_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in CARD
    path = tmp_path / "my-plugin.yaml"
    path.write_text(CARD.replace(old, new))
    with pytest.raises(EmosymError, match=r"my-plugin\.yaml: ") as caught:
        read_card(path)
    assert message in caught.value.message
    assert caught.value.id == "card.invalid"


def test_loading_plugins_reads_no_card() -> None:
    code = """
import sys
from emosym_registry import load_registry
load_registry()
heavy = {"emosym_registry.cards", "ruamel.yaml", "pydantic", "torch", "numpy"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)
