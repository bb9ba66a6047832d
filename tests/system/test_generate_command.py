"""``emosym generate``: what the pictures are called, and the recipe in each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from emosym.cli import main
from emosym.contracts import MIKELS_8
from emosym.contracts.reading import EMBEDDED


@pytest.mark.parametrize(
    ("words", "name", "recipe"),
    [
        (("--valence", "-0.5"), "valence-0.5-4.png", {"valence": -0.5}),
        (("--emotion", "awe", "--onto", "my photo.png"), "awe-onto-my photo-4.png", {"emotion": "awe"}),
        (("--mixture", "awe=1,fear=3"), "awe-fear-4.png", {"mixture": {"awe": 1.0, "fear": 3.0}}),
        (
            ("--image", "my photo.png", "--onto", "my photo.png", "--strength", "0.6"),
            None,
            {"image": "my photo.png"},
        ),
    ],
)
def test_a_picture_holds_the_recipe_that_made_it(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    name: str | None,
    recipe: dict,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (80, 50), "teal").save("my photo.png")
    base = (
        "generate",
        "--system",
        str(run),
        "--out",
        "made",
        "--seed",
        "4",
        "--steps",
        "2",
        "--device",
        "cpu",
    )
    assert main([*base, *words]) == 0
    assert capfd.readouterr().err.count(EMBEDDED) == ("my photo.png" in words)
    assert main([*base, *words, "--json"]) == 0  # the same picture again is no other file
    (told,) = json.loads(capfd.readouterr().out)
    (made,) = Path("made").iterdir()
    assert name in (None, made.name)
    said = json.loads(Image.open(made).text["emosym"])
    assert {key: said[key] for key in recipe} == recipe
    assert {key for key in ("emotion", "mixture", "valence", "image") if key in said} == set(recipe)
    assert said["settings"]["onto"] == ("my photo.png" if "--onto" in words else None)
    assert (told["file"], told["seed"], told["recipe"]) == (str(made), 4, said)
    assert told["emotion"] in MIKELS_8
    assert said["settings"]["strength"] == (0.6 if "--strength" in words else None)
    assert str(tmp_path) not in json.dumps(said)
