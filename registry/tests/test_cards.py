"""The catalogue: its schema, what it says of first-party plugins, and what it answers."""

from __future__ import annotations

import dataclasses
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from emosym_registry import EmosymError, Failure, InstalledPlugin, load_registry
from emosym_registry.cards import Card, bundled_cards, read_card
from emosym_registry.cards.__main__ import main
from emosym_registry.cards.page import page

ROOT = Path(__file__).parents[2]
BUNDLED = {card.plugin: card for card in bundled_cards()}
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "publish-a-plugin.md"
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
    installed = load_registry(only=[card.plugin for card in bundled_cards()], strict=True)
    carded = {(card.plugin, one.kind, one.name) for card in bundled_cards() for one in card.components}
    assert carded == {(one.plugin.id, one.spec.kind, one.spec.name) for one in installed.components()}


def test_what_cards_say_of_packages_holds() -> None:
    plugins = load_registry(strict=True).plugins
    for card in bundled_cards():
        assert plugins[card.plugin].installed.distribution.replace("_", "-") == card.distribution
        assert plugins[card.plugin].installed.version in card.tested


def test_a_component_of_a_package_that_is_not_installed_is_named_with_its_command() -> None:
    registry = load_registry(installed=[])
    with pytest.raises(EmosymError, match="unknown backbone 'qwen-vl'") as caught:
        registry.find("backbone", "qwen-vl")
    assert (
        caught.value.hint == "package emosym-vlm provides 'qwen-vl': pip install emosym-vlm --find-links dist"
    )
    with pytest.raises(EmosymError, match='did you mean "qwen-vl"') as caught:
        registry.find("backbone", "qwen-v")
    assert "pip install emosym-vlm" in caught.value.hint


def test_a_blocked_or_older_plugin_is_told_apart_from_a_missing_one(
    plugin: Callable[..., InstalledPlugin],
) -> None:
    registry = load_registry(
        installed=[InstalledPlugin("emosym-vlm", "never_imported", "emosym-vlm", "0.1.0")],
        disabled=["emosym-vlm"],
    )
    with pytest.raises(EmosymError, match="unknown") as caught:
        registry.find("backbone", "llava")
    assert caught.value.hint == "plugin emosym-vlm provides 'llava' but is blocked by --no-plugin"
    registry = load_registry(installed=[plugin("emosym-vlm")])
    with pytest.raises(EmosymError, match="unknown") as caught:
        registry.find("backbone", "llava")
    assert caught.value.hint == "plugin emosym-vlm 1.2 has no 'llava': pip install --upgrade emosym-vlm"


def test_a_card_is_found_by_the_bare_and_the_qualified_name_of_a_component() -> None:
    registry = load_registry(installed=[])
    for name in ("sdxl", "emosym-diffusion/sdxl"):
        card = registry.find_card("diffusion", name)
        assert card is not None
        assert card.plugin == "emosym-diffusion"
    assert registry.find_card("diffusion", "qwen-vl") is None
    assert registry.find_card("diffusion", "emosym-vlm/sdxl") is None


BRINGS = """
from emosym_registry import Cards
@hookimpl
def emosym_cards():
    yield Cards("{package}", "cards")
"""


@pytest.fixture
def cards_of(tmp_path: Path) -> Callable[..., str]:
    """Write a package with a folder of cards, by file name; the hook that offers it."""

    def write(package: str, files: dict[str, str]) -> str:
        (tmp_path / package / "cards").mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('nobody has to import this')\n")
        for name, text in files.items():
            (tmp_path / package / "cards" / name).write_text(text)
        return BRINGS.format(package=package)

    return write


def test_a_package_brings_its_own_card_and_that_of_others(
    plugin: Callable[..., InstalledPlugin], cards_of: Callable[..., str]
) -> None:
    files = {"my-plugin.yaml": CARD, "another.yaml": CARD.replace("my-plugin", "another")}
    registry = load_registry(installed=[plugin("my-plugin", cards_of("brings", files))], strict=True)
    assert list(registry.catalogue) == sorted({*BUNDLED, "another", "my-plugin"})
    with pytest.raises(EmosymError, match="unknown reward 'another/mine'") as caught:
        registry.find("reward", "another/mine")
    assert caught.value.hint == "package another provides 'another/mine': pip install another"
    assert "brings" not in sys.modules


def test_a_plugins_word_on_itself_counts_more_than_a_bundled_card_and_that_more_than_anothers(
    plugin: Callable[..., InstalledPlugin], cards_of: Callable[..., str]
) -> None:
    of = {name: CARD.replace("my-plugin", name) for name in ("emosym-vlm", "emosym-data", "shared")}
    itself = {"emosym-vlm.yaml": of["emosym-vlm"], "shared.yaml": of["shared"]}
    other = {"emosym-data.yaml": of["emosym-data"], "shared.yaml": of["shared"].replace("One", "Two")}
    installed = [plugin("emosym-vlm", cards_of("itself", itself)), plugin("shared", cards_of("other", other))]
    catalogue = load_registry(installed=installed, strict=True).catalogue
    assert catalogue["emosym-vlm"].summary == "One reward"
    assert catalogue["emosym-data"] is BUNDLED["emosym-data"]
    assert catalogue["shared"].summary == "Two reward"


def test_a_bad_card_is_a_failure_of_its_plugin_and_hides_no_other(
    plugin: Callable[..., InstalledPlugin], cards_of: Callable[..., str]
) -> None:
    said: list[Failure] = []
    bad = {"bad.yaml": "a: [\n", "my-plugin.yaml": CARD, "worse.yaml": "plugin: other\n"}
    installed = [
        plugin("my-plugin", cards_of("brings", bad)),
        plugin("empty", cards_of("nothing", {})),
        plugin("gone", BRINGS.format(package="no_such_package")),
    ]
    registry = load_registry(installed=installed, on_failure=said.append, strict=False)
    assert said == []  # cards are read when somebody wants them
    assert set(registry.catalogue) == {*BUNDLED, "my-plugin"}
    assert said == registry.failures
    assert [(one.plugin.id, one.stage, one.leaves_out) for one in said] == [
        (id, "cards", False) for id in ("my-plugin", "my-plugin", "empty", "gone")
    ]
    causes = [one.cause for one in said]
    assert causes[0].startswith("bad.yaml: not YAML")
    assert causes[1] == "worse.yaml: distribution: expected text, found None"
    assert "cards/*.yaml" in causes[2]
    assert causes[3] == "package 'no_such_package' is not installed"
    assert all(one.hint for one in said)
    assert set(registry.plugins) == {"my-plugin", "empty", "gone"}
    assert registry.catalogue is registry.catalogue
    with pytest.raises(EmosymError, match="bad.yaml") as caught:
        _ = load_registry(installed=installed[:1], strict=True).catalogue
    assert caught.value.id == "plugin.failed"


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
        ("pip install my-plugin", "pip install my-plugin; rm -r x", "expected a pip install command"),
        ('tested: ["1.0"]', "tested: [1.0]", "versions in quotes"),
        ("kind: reward", "kind: rewards", "unknown kind 'rewards'"),
        ("name: mine", "name: My Own", "components.0: name: expected lower case letters"),
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


@pytest.mark.parametrize("card", bundled_cards(), ids=lambda card: card.plugin)
def test_a_first_party_card_says_what_its_package_says(card: Card) -> None:
    folder = ROOT / "plugins" / card.plugin
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert card.distribution == project["name"]
    assert card.licence == project["license"]
    assert card.tested[-1] == project["version"]
    assert card.distribution in card.install.split()
    assert set(project["entry-points"]["emosym.plugins"]) == {card.plugin}


def test_every_first_party_package_has_a_card() -> None:
    packages = {path.parent.name for path in (ROOT / "plugins").glob("*/pyproject.toml")}
    assert packages <= {card.plugin for card in bundled_cards()}


def test_the_page_of_the_documentation_is_current() -> None:
    text = (ROOT / "docs" / "reference" / "catalogue.md").read_text(encoding="utf-8")
    assert text == page(bundled_cards()), "python -m emosym_registry.cards > docs/reference/catalogue.md"


def test_the_page_has_every_component_and_how_to_get_it() -> None:
    text = page(bundled_cards())
    for card in bundled_cards():
        assert f"| to install | `{card.install}` |" in text
        for one in card.components:
            assert f"| {one.kind} | `{one.name}` | [{card.plugin}](#{card.plugin}) |" in text


def test_the_example_of_the_guide_is_a_sound_card(tmp_path: Path) -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    example = guide.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "my-plugin.yaml").write_text(example)
    card = read_card(tmp_path / "my-plugin.yaml")
    assert (card.plugin, card.components[0].name) == ("my-plugin", "warmth")


def test_the_guide_explains_every_key() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    missing = [field.name for field in dataclasses.fields(Card) if f"| `{field.name}` |" not in guide]
    assert not missing


def test_cards_are_checked_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "my-plugin.yaml", tmp_path / "other.yaml"
    good.write_text(CARD)
    bad.write_text(CARD)
    assert main([str(good)]) == 0
    assert main([str(good), str(bad)]) == 2
    out, err = capsys.readouterr()
    assert out.count(f"ok: {good}: 1 component") == 2
    assert "belongs into my-plugin.yaml" in err


def test_an_install_command_names_its_package(tmp_path: Path) -> None:
    path = tmp_path / "my-plugin.yaml"
    path.write_text(CARD.replace("pip install my-plugin", "pip install another"))
    with pytest.raises(EmosymError, match="install: expected a command that names my-plugin"):
        read_card(path)
