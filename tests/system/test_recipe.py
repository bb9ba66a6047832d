"""A picture's recipe, and the same bytes again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from emosym_registry import EmosymError
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from emosym.cli import main
from emosym.contracts.reading import RECIPE
from emosym.recipe import Recipe, read_recipe

Words = tuple[str, ...]


def generate(run: Path, *words: str) -> int:
    return main(["generate", "--system", str(run), *words])


def only(folder: str) -> Path:
    (made,) = Path(folder).glob("*.png")
    return made


def changed(source: Path, target: Path, pixels: bool = False, **fields: Any) -> Path:
    """The PNG with another recipe; with other pixels too."""
    with Image.open(source) as image:
        image.load()
        info = PngInfo()
        info.add_text(RECIPE, json.dumps({**json.loads(image.text[RECIPE]), **fields}))
        if pixels:
            image.putpixel((0, 0), (1, 2, 3))
        image.save(target, pnginfo=info)
    return target


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my photo.png"
    Image.new("RGB", (80, 50), "teal").save(path)
    return path


@pytest.mark.parametrize(
    ("words", "again"),
    [
        (("--mixture", "awe=1,fear=2", "--guidance", "2.5", "--prompt", "a {emotion} street"), ()),
        (("--emotion", "awe", "--onto", "my photo.png", "--strength", "0.5"), ("--onto", "moved.png")),
    ],
)
def test_a_recipe_makes_the_same_file_again(run: Path, photo: Path, words: Words, again: Words) -> None:
    assert generate(run, *words, "--seed", "4", "--steps", "2", "--device", "cpu", "--out", "first") == 0
    photo.rename("moved.png")
    first = only("first")
    assert generate(run, "--recipe", str(first), *again, "--out", "second") == 0
    assert only("second").read_bytes() == first.read_bytes()


def test_a_recipe_holds_what_was_used_and_no_place(run: Path, photo: Path) -> None:
    assert generate(run, "--emotion", "awe", "--steps", "2", "--device", "cpu", "--out", "made") == 0
    recipe = read_recipe(only("made"))
    assert recipe.settings["steps"] == 2
    assert isinstance(recipe.settings["guidance_scale"], float)
    assert recipe.settings["sampler"].endswith("Scheduler")
    assert len(recipe.settings["size"]) == 2
    assert (recipe.system.name, len(recipe.system.hash)) == ("tiny", 64)
    assert (recipe.device, recipe.precision) == ("cpu", "fp32")
    assert {"python", "torch", "pillow", "emosym", "emosym-diffusion"} <= set(recipe.versions)
    assert str(photo.parent) not in Image.open(only("made")).text[RECIPE]


def test_what_cannot_be_the_same_picture_is_refused(
    run: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate(run, "--emotion", "awe", "--steps", "2", "--device", "cpu", "--out", "made") == 0
    made = only("made")
    versions = read_recipe(made).versions
    cases: list[tuple[Path, Words, str]] = [
        (photo, (), "no recipe in it"),
        (made, ("--seed", "3"), "--recipe says all of it; --seed"),
        (made, ("--onto", "my photo.png"), "this recipe has no onto"),
        (changed(made, Path("bare.png"), settings=None), (), "does not say all that is needed (settings"),
        (changed(made, Path("old.png"), versions={**versions, "torch": "1.0"}), (), "torch 1.0, here"),
        (changed(made, Path("other.png"), system={"name": "x", "hash": "0"}), (), "system x (0), here tiny"),
        (changed(made, Path("touched.png"), pixels=True), (), "the picture differs"),
    ]
    capsys.readouterr()
    for file, words, said in cases:
        assert generate(run, "--recipe", str(file), "--out", "again", *words) == 2
        assert said in capsys.readouterr().err
    assert not list(Path("again").glob("*"))
    assert generate(run, "--recipe", "old.png", "--anyway", "--out", "again") == 0
    assert read_recipe(only("again")).versions == versions


def test_a_picture_that_a_recipe_starts_from_is_asked_for(photo: Path) -> None:
    def recipe(**more: Any) -> Recipe:
        facts = {"system": {"name": "x", "hash": "0"}, "device": "cpu", "precision": "fp32", "versions": {}}
        return Recipe(prompt="{emotion}", seed=0, settings={}, **facts, **more)

    with pytest.raises(EmosymError, match="--image sea.jpg") as caught:
        recipe(image="sea.jpg", pictures={"image": "0"}).request()
    assert caught.value.id == "recipe.picture-wanted"
    with pytest.raises(EmosymError, match="is not the picture of the recipe"):
        recipe(image="sea.jpg", pictures={"image": "0"}).request(image=photo)
