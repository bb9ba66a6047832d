"""What a system keeps of its knowledge, and how it says why."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest
import torch
import torch.nn.functional as F
from emosym_registry import EmosymError, Registry
from PIL import Image

from emosym.assembly import Builder
from emosym.contracts import Sample, TextEncoder
from emosym.precision import choose_device
from emosym.reasons import FILE, KnowledgeIndex, read_index
from emosym.spec import Resolved
from emosym.system import System

PICTURES = [Image.new("RGB", (64, 64), color) for color in ("red", "teal", "black")]


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """The saved system of the small run, to damage."""
    return Path(shutil.copytree(run / "system", tmp_path / "system"))


def load(folder: Path, registry: Registry, *sets: str) -> System:
    return System.load(folder, registry=registry, device="cpu", precision="fp32", generate=False, sets=sets)


@pytest.fixture(scope="module")
def system(run: Path, registry: Registry) -> System:
    return load(run, registry)


@pytest.fixture(scope="module")
def builder(small: Resolved, registry: Registry) -> Builder:
    return Builder.of(small, registry, device=choose_device("cpu"), precision="fp32")


@pytest.fixture(scope="module")
def encoder(builder: Builder) -> TextEncoder:
    return builder.build("text_encoder")


@pytest.fixture(scope="module")
def texts(builder: Builder) -> list[str]:
    """The knowledge of every training image of the small run."""
    return builder.build("knowledge").texts(builder.build("data").split("train"))


def test_a_run_keeps_the_texts_it_was_trained_with_and_their_features(
    system: System, encoder: TextEncoder, texts: list[str]
) -> None:
    assert system.knowledge is not None
    assert list(system.knowledge.texts) == sorted(set(texts))
    torch.testing.assert_close(
        system.knowledge.features.float(), encoder.encode(list(system.knowledge.texts)), atol=1e-3, rtol=0
    )


def test_nothing_is_kept_but_texts_and_features(run: Path) -> None:
    table = pyarrow.parquet.read_table(run / "system" / FILE)
    assert table.column_names == ["text", "features"]
    assert str(table.schema.field("features").type.value_type) == "halffloat"
    assert FILE in json.loads((run / "system" / "system.json").read_text())["files"]


def test_reasons_are_the_texts_nearest_to_the_projected_states(system: System) -> None:
    knowledge = system.knowledge
    assert knowledge is not None
    states, _ = system.read([Sample.of(picture, number) for number, picture in enumerate(PICTURES)])
    projected = system.project(states)
    assert projected is not None
    for row, reading in zip(projected, system.understand(PICTURES, why=4), strict=True):
        cosines = [float(F.cosine_similarity(row, one.float(), dim=0)) for one in knowledge.features]
        best = sorted(zip(cosines, knowledge.texts, strict=True), reverse=True)[:4]
        assert [reason.similarity for reason in reading.reasons] == pytest.approx(
            [cosine for cosine, _ in best], abs=1e-4
        )
        assert {reason.text for reason in reading.reasons} == {text for _, text in best}


def test_who_asks_for_no_reasons_gets_the_same_reading_without(system: System) -> None:
    plain, explained = system.understand(PICTURES), system.understand(PICTURES, why=1)
    assert [reading.reasons for reading in plain] == [()] * len(PICTURES)
    assert [reading.probabilities for reading in plain] == [reading.probabilities for reading in explained]


def test_more_reasons_than_there_are_texts_are_all_texts(system: System) -> None:
    assert system.knowledge is not None
    (reading,) = system.understand(PICTURES[:1], why=100_000)
    assert sorted(reason.text for reason in reading.reasons) == list(system.knowledge.texts)


def test_a_copy_of_a_system_gives_the_same_reasons(
    system: System, registry: Registry, tmp_path: Path
) -> None:
    again = load(system.save(tmp_path / "copy"), registry)
    assert again.understand(PICTURES, why=2) == system.understand(PICTURES, why=2)


def _as_an_older_emosym_saved_it(folder: Path) -> None:
    (folder / FILE).unlink()
    facts = json.loads((folder / "system.json").read_text())
    del facts["files"][FILE]
    (folder / "system.json").write_text(json.dumps(facts))


def test_a_system_without_knowledge_loads_and_says_what_would_give_reasons(
    copy: Path, registry: Registry
) -> None:
    _as_an_older_emosym_saved_it(copy)
    old = load(copy, registry)
    assert old.understand(PICTURES[:1])[0].reasons == ()
    with pytest.raises(EmosymError, match="keeps no knowledge") as error:
        old.understand(PICTURES, why=1)
    assert error.value.id == "understand.no-reasons"
    assert "knowledge_weight" in str(error.value.hint)


def test_a_compressor_without_a_space_of_texts_has_no_reasons(system: System) -> None:
    config = system.compressor.config
    system.compressor.config = config.model_copy(update={"projection": "text"})
    try:
        assert not system.projects
        with pytest.raises(EmosymError, match="no projection into the space of texts"):
            system.understand(PICTURES, why=1)
    finally:
        system.compressor.config = config


def test_fewer_than_one_reason_is_refused(system: System) -> None:
    with pytest.raises(EmosymError, match="-1 reasons") as error:
        system.understand(PICTURES, why=-1)
    assert error.value.id == "understand.no-such-count"


def _another(folder: Path) -> None:
    content = bytearray((folder / FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / FILE).write_bytes(content)


def _no_table(folder: Path) -> None:
    import hashlib

    (folder / FILE).write_bytes(b"no table")
    facts = json.loads((folder / "system.json").read_text())
    facts["files"][FILE] = hashlib.sha256(b"no table").hexdigest()
    (folder / "system.json").write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("damage", "id"),
    [
        (_another, "system.damaged"),
        (_no_table, "system.damaged"),
        (lambda folder: (folder / FILE).unlink(), "system.missing-part"),
    ],
)
def test_knowledge_that_is_not_whole_is_named(
    copy: Path, registry: Registry, damage: Callable[[Path], None], id: str
) -> None:
    damage(copy)
    with pytest.raises(EmosymError, match=FILE) as error:
        load(copy, registry)
    assert error.value.id == id


def test_kept_texts_are_drawn_evenly_and_stand_in_alphabetical_order(encoder: TextEncoder) -> None:
    texts = [
        f"a {word}" for word in ("ghost", "clown", "kitten", "bomb", "flame", "fish", "spider", "candle")
    ]
    counts: Counter[str] = Counter()
    for seed in range(200):
        index = KnowledgeIndex.of([*texts, *texts[:3] * 5, None, ""], encoder, seed, most=2)
        assert index is not None
        assert list(index.texts) == sorted(index.texts)
        counts.update(index.texts)
    assert set(counts) == set(texts)
    assert max(counts.values()) < 2 * min(counts.values())  # 50 each, with a deviation of 6


def test_where_there_is_no_text_there_is_no_index(encoder: TextEncoder) -> None:
    assert KnowledgeIndex.of([None, ""], encoder, 0) is None


def test_an_index_comes_back_as_it_was_written(encoder: TextEncoder, tmp_path: Path) -> None:
    index = KnowledgeIndex.of(["a ghost", "une fête, 日本", "a clown"], encoder, 0)
    assert index is not None
    files = index.write(tmp_path)
    again = read_index(tmp_path, files)
    assert again is not None
    assert again.texts == index.texts
    assert torch.equal(again.features, index.features)
    assert read_index(tmp_path, {}) is None
