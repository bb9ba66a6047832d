"""Texts about images: from annotations, from a file, and the shuffled control."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from emosym_data.annotations import AnnotationKnowledge, fill
from emosym_data.config import AnnotationsConfig, JsonlConfig
from emosym_data.jsonl import JsonlKnowledge
from emosym_data.knowledge import derange
from emosym_registry import EmosymError

from emosym.contracts import Context, LabelSet, Sample

CONTEXT = Context(LabelSet.of("mikels-8"))
FULL = {
    "object": ["Cat", "Sofa"],
    "scene": "living_room",
    "brightness": 0.1,
    "colorfulness": 0.95,
    "reasoning": " warm \n",
}


def sample(id: str, **attributes: object) -> Sample:
    return Sample(id, (Path("root/image/awe") / f"{id}.jpg",), 0, attributes)


def test_a_template_says_what_is_there() -> None:
    knowledge = AnnotationKnowledge(AnnotationsConfig(), CONTEXT)
    texts = knowledge.texts([sample("a", **FULL), sample("b", scene="bakery/shop"), sample("c")])
    assert texts == [
        "a picture of Cat and Sofa in a living room, very dark, very colourful",
        "a picture in a bakery shop",
        None,
    ]


def test_what_stands_outside_brackets_must_be_there() -> None:
    assert fill("{scene}[ with {object}]", {"object": ["Cat"]}) is None
    assert fill("{scene}[ with {object}]", {"scene": "beach"}) == "beach"


@pytest.mark.parametrize("template", ["no names", "{scene", "[ in {scene}", "{0}", "[[{scene}]]"])
def test_a_template_that_cannot_be_read_is_refused(template: str) -> None:
    with pytest.raises(EmosymError, match="cannot read the template"):
        AnnotationKnowledge(AnnotationsConfig(template=template), CONTEXT)


def test_a_field_is_taken_as_it_is() -> None:
    knowledge = AnnotationKnowledge(AnnotationsConfig(field="reasoning"), CONTEXT)
    assert knowledge.texts([sample("a", **FULL), sample("b")]) == ["warm", None]
    with pytest.raises(EmosymError, match="object is list, not a text"):
        AnnotationKnowledge(AnnotationsConfig(field="object"), CONTEXT).texts([sample("a", **FULL)])


@pytest.mark.parametrize("count", [2, 3, 50])
def test_a_derangement_keeps_the_texts_and_moves_each(count: int) -> None:
    ids = [f"s{i:02d}" for i in range(count)]
    texts: list[str | None] = [f"text {i}" for i in range(count)]
    for seed in range(20):
        moved = derange(ids, texts, seed)
        assert sorted(map(str, moved)) == sorted(map(str, texts))
        assert all(new != old for new, old in zip(moved, texts, strict=True))
        assert moved == derange(ids, texts, seed)


def test_a_derangement_does_not_depend_on_the_order() -> None:
    ids, texts = ["a", "b", "c", "d"], ["A", None, "C", "D"]
    straight = dict(zip(ids, derange(ids, texts, 3), strict=True))
    assert straight == dict(zip(ids[::-1], derange(ids[::-1], texts[::-1], 3), strict=True))
    assert straight["b"] is None
    assert derange(["a"], ["alone"], 0) == [None]


def test_shuffled_knowledge_is_wrong_for_every_image(tmp_path: Path) -> None:
    samples = [sample(f"s{i}", reasoning=f"text {i}") for i in range(9)]
    own = [f"text {i}" for i in range(9)]
    file = write(tmp_path, *({"id": f"s{i}", "text": text} for i, text in enumerate(own)))
    for knowledge in (
        AnnotationKnowledge(AnnotationsConfig(field="reasoning", shuffle=True), CONTEXT),
        JsonlKnowledge(JsonlConfig(path=file, shuffle=True), CONTEXT),
    ):
        texts = knowledge.texts(samples)
        assert set(texts) == set(own)
        assert all(new != old for new, old in zip(texts, own, strict=True))


def write(folder: Path, *lines: object) -> Path:
    file = folder / "texts.jsonl"
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return file


def test_texts_by_id_and_by_image(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {"id": "a", "text": " for a "},
        "",
        {"image": "awe/b.jpg", "text": "for b"},
        {"image": "c.jpg", "text": "for c"},
    )
    knowledge = JsonlKnowledge(JsonlConfig(path=file), CONTEXT)
    assert knowledge.texts([sample("a"), sample("b"), sample("c"), sample("d")]) == [
        "for a",
        "for b",
        "for c",
        None,
    ]


def test_bad_lines_are_listed_with_their_numbers(tmp_path: Path) -> None:
    good = {"id": "a", "text": "fine"}
    file = write(tmp_path, good, "{nonsense", {"text": "whose?"}, {"id": "b"}, [1], good)
    with pytest.raises(EmosymError) as caught:
        JsonlKnowledge(JsonlConfig(path=file), CONTEXT)
    message = caught.value.message
    for line, what in (
        (2, "not JSON"),
        (3, "neither id nor image"),
        (4, "text is missing"),
        (5, "an object"),
        (6, "named before"),
    ):
        assert f"{file}:{line}:" in message
        assert what in message
    assert f"{file}:1:" not in message


def test_ids_that_belong_to_nothing_are_an_error(tmp_path: Path) -> None:
    knowledge = JsonlKnowledge(JsonlConfig(path=write(tmp_path, {"id": "other", "text": "x"})), CONTEXT)
    with pytest.raises(EmosymError, match="none of its 1 texts belongs to one of the 2 samples"):
        knowledge.texts([sample("a"), sample("b")])


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EmosymError, match="cannot be read"):
        JsonlKnowledge(JsonlConfig(path=tmp_path / "none.jsonl"), CONTEXT)
