"""New specs: sound as written, whatever is taken out of their comments, and complete where asked to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from emosym_registry import EmosymError, Registry

from emosym.spec import load_spec
from emosym.spec.template import installed, new_spec

Write = Callable[..., Path]


def offered(text: str) -> Iterator[str]:
    """What a reader can take out of the comments: each line, with the more deeply indented ones below it."""
    lines = text.partition("# Every key with its meaning")[2].splitlines()[1:]
    start = 0
    for end in range(1, len(lines) + 1):
        if end == len(lines) or not lines[end].startswith("#  "):
            yield "\n".join(line.removeprefix("# ") for line in lines[start:end])
            start = end


def test_a_new_spec_is_its_preset_by_another_name(registry: Registry, write: Write) -> None:
    text = new_spec("base", "mine", registry)
    spec = load_spec(write(text), registry=registry).data()
    assert spec == load_spec("preset:base", registry=registry, sets=["name=mine"]).data()
    assert "extends: preset:base\n" in text


def test_every_line_taken_out_of_its_comment_says_what_the_preset_says(
    registry: Registry, write: Write
) -> None:
    text = new_spec("base", "mine", registry)
    pieces = list(offered(text))
    assert len(pieces) == 16
    before = load_spec(write(text), registry=registry).data()
    for piece in [*pieces, "\n".join(pieces)]:
        assert load_spec(write(f"{text}\n{piece}\n"), registry=registry).data() == before, piece


def test_alternatives_stand_beside_what_the_preset_has(registry: Registry) -> None:
    line = next(
        one for one in new_spec("base", "mine", registry).splitlines() if one.startswith("# backbone")
    )
    assert line.split() == ["#", "backbone:", "{name:", "qwen-vl}", "#", "or", "llava"]
    assert installed(registry, "judge") == ["one", "two"]


def test_a_full_spec_inherits_nothing_and_is_the_same(registry: Registry, write: Write) -> None:
    text = new_spec("base", "mine", registry, full=True)
    resolved = load_spec(write(text), registry=registry)
    assert resolved.data() == load_spec("preset:base", registry=registry, sets=["name=mine"]).data()
    assert "extends" not in text
    written = {path for path, origin in resolved.origins.items() if origin.kind == "file"}
    assert {"stages.unify.refresh.tolerance", "backbone.params.adapter.rank", "compute.workers"} <= written


def test_a_full_spec_explains_its_keys_with_the_models_words(registry: Registry) -> None:
    lines = new_spec("base", "mine", registry, full=True).splitlines()
    for comment, key in [
        (
            "# The multimodal language model that looks at the image. Installed: llava, qwen-vl.",
            "backbone:",
        ),
        ("  # Peak learning rate. (above 0)", "  lr: 0.0001"),
        ("      # (lora or none)", "      type: lora"),
    ]:
        assert lines[lines.index(comment) + 1] == key
    assert max(map(len, lines)) <= 110


def test_commands_and_the_schema_are_named_first(registry: Registry) -> None:
    text = new_spec("base", "mine", registry, file="at/mine.yaml", schema="../s.json")
    assert text.startswith("# yaml-language-server: $schema=../s.json\n# mine: ")
    assert "emosym run at/mine.yaml" in text


@pytest.mark.parametrize("name", ["a b", "", "-x", "a/b", "a\nb", "mine\n"])
def test_a_name_that_is_no_folder_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(EmosymError, match="cannot be a spec's name"):
        new_spec("base", name, registry)
