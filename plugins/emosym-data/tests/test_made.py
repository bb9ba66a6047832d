"""Texts that a backbone writes, and the file that made texts are kept in."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from emosym_data.backbone import BackboneKnowledge
from emosym_data.config import BackboneKnowledgeConfig, JsonlConfig
from emosym_data.conformance import paint
from emosym_data.jsonl import JsonlKnowledge
from emosym_data.kept import TextFile
from emosym_data.made import whole_sentences, without_labels
from emosym_registry import EmosymError

from emosym.contracts import ComponentConfig, Context, KnowledgeResources, LabelSet, Prefix, Sample
from emosym.testing import ColourBackbone, samples

CONTEXT = Context(LabelSet.of("mikels-8"), hidden_size=16)


class Counting(ColourBackbone):
    """Counts the pictures that it is shown, and remembers what it was asked."""

    def __init__(self, config: ComponentConfig, context: Context) -> None:
        super().__init__(config, context)
        self.shown: list[str] = []
        self.questions: set[str] = set()

    def encode(self, samples: Sequence[Sample], question: str = "") -> Prefix:
        self.shown += [one.id for one in samples]
        self.questions.add(question)
        return super().encode(samples, question)


@pytest.fixture
def backbone() -> Counting:
    return Counting(ComponentConfig(), CONTEXT)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "k.jsonl"


def writing(backbone: Any, file: Path, **params: Any) -> BackboneKnowledge:
    made = BackboneKnowledge(BackboneKnowledgeConfig(**params), CONTEXT)
    made.bind(KnowledgeResources(lambda: backbone, file))
    return made


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_backbone_writes_what_it_sees_once(backbone: Counting, file: Path) -> None:
    shown = samples(5)
    made = writing(backbone, file, prompt="What is here?", batch_size=2)
    assert made.plan(shown).startswith("knowledge backbone will write 5 of 5 texts")
    texts = made.texts(shown)
    assert all(text is not None and "blue" in text for text in texts)
    assert backbone.questions == {"What is here?"}
    assert writing(backbone, file, prompt="What is here?").texts(shown) == texts
    assert len(backbone.shown) == 5
    writing(backbone, file, prompt="What else?").texts(shown)
    writing(backbone, file, prompt="What else?", max_new_tokens=3).texts(shown)
    assert len(backbone.shown) == 15


def test_other_weights_write_anew(backbone: Counting, file: Path) -> None:
    writing(backbone, file).texts(samples(2))
    other = Counting(ComponentConfig(), CONTEXT)
    writing(other, file).texts(samples(2))
    assert other.shown == []  # the same weights, in another object
    with torch.no_grad():
        other.weight += 1
    writing(other, file).texts(samples(2))
    assert len(other.shown) == 2


def test_a_trained_backbone_writes_nothing(backbone: Counting, file: Path) -> None:
    made = writing(backbone, file)
    texts = made.texts(samples(2))
    with torch.no_grad():
        backbone.weight += 1
    assert made.texts(samples(2)) == texts
    with pytest.raises(EmosymError, match="has been trained") as caught:
        made.texts(samples(3))
    assert caught.value.id == "data.trained-writer"


def test_jsonl_reads_what_was_made(backbone: Counting, file: Path) -> None:
    texts = writing(backbone, file).texts(samples(3))
    assert JsonlKnowledge(JsonlConfig(path=file), CONTEXT).texts(samples(3)) == texts


def test_jsonl_takes_null_for_no_text(file: Path) -> None:
    file.write_text('{"id": "a", "text": null}\n{"id": "b", "text": "B"}\n')
    read = JsonlKnowledge(JsonlConfig(path=file), CONTEXT)
    assert read.texts([Sample("a", (Path("a.png"),)), Sample("b", (Path("b.png"),))]) == [None, "B"]


def test_what_people_write_into_the_file_stays(backbone: Counting, file: Path) -> None:
    shown = samples(3)
    writing(backbone, file).texts(shown)
    edited = lines(file)
    edited[0]["text"] = "Mended."
    edited[1] = {"id": edited[1]["id"], "text": "By hand."}
    file.write_text("".join(json.dumps(line) + "\n" for line in edited))
    assert writing(backbone, file).texts(shown)[:2] == ["Mended.", "By hand."]
    assert writing(backbone, file, prompt="Other?").texts(shown)[1] == "By hand."
    assert writing(backbone, file).texts(shown)[:2] == ["Mended.", "By hand."]
    assert len(backbone.shown) == 5


def test_a_changed_picture_is_described_anew(backbone: Counting, file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    paint(picture, 1)
    sample = [Sample("a", (picture,))]
    before = writing(backbone, file).texts(sample)
    paint(picture, 2)
    assert writing(backbone, file).texts(sample) != before
    assert [line["id"] for line in lines(file)] == ["a"]


def test_a_picture_that_is_gone_is_named(backbone: Counting, file: Path, tmp_path: Path) -> None:
    with pytest.raises(EmosymError, match=r"gone.png: no such file"):
        writing(backbone, file).texts([Sample("a", (tmp_path / "gone.png",))])


def test_broken_lines_are_listed_with_their_numbers(backbone: Counting, file: Path) -> None:
    file.write_text('{"id": "a", "text": "A"}\nnonsense\n{"id": "b"}\n')
    with pytest.raises(EmosymError) as caught:
        writing(backbone, file).texts(samples(1))
    assert f"{file}:2: " in caught.value.message
    assert f"{file}:3: text is missing" in caught.value.message


def test_a_line_that_a_kill_cut_off_is_made_again(backbone: Counting, file: Path) -> None:
    texts = writing(backbone, file).texts(samples(3))
    whole = file.read_text()
    file.write_text(whole[:-20])
    assert writing(backbone, file).texts(samples(3)) == texts
    assert file.read_text() == whole
    assert len(backbone.shown) == 4
    file.write_text(whole.rstrip("\n"))
    assert writing(backbone, file).texts(samples(4))[:3] == texts
    assert len(lines(file)) == 4


def test_two_that_make_for_one_file_wait_for_each_other(file: Path, backbone: Counting) -> None:
    told: list[str] = []
    made = BackboneKnowledge(BackboneKnowledgeConfig(), CONTEXT)
    made.bind(KnowledgeResources(lambda: backbone, file, lambda *said: told.append(said[2])))
    with TextFile(file).owned(lambda: None):
        thread = threading.Thread(target=made.texts, args=(samples(2),))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        assert backbone.shown == []
    thread.join(20)
    assert len(lines(file)) == 2
    assert told[0].startswith("waiting for another process")


def test_shuffled_texts_are_kept_as_they_belong(backbone: Counting, file: Path) -> None:
    shown = samples(6)
    own = writing(backbone, file).texts(shown)
    moved = writing(backbone, file, shuffle=True).texts(shown)
    assert sorted(map(str, moved)) == sorted(map(str, own))
    assert moved != own
    assert [line["text"] for line in lines(file)] == own
    assert len(backbone.shown) == 6


def test_sentences_with_a_label_go() -> None:
    assert without_labels("A dog. So much Fear here. Night!", ("fear", "awe")) == "A dog. Night!"
    assert without_labels("Fearless and awesome.", ("fear", "awe")) == "Fearless and awesome."
    assert without_labels("fear", ("fear",)) is None


def test_a_sentence_that_is_cut_off_goes() -> None:
    assert whole_sentences("It is warm. The li") == "It is warm."
    assert whole_sentences("a dog in a park") == "a dog in a park"
