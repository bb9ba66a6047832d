"""Text encoder ``sentence``: features of three families of transformers, and what it refuses."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from emosym_metrics.config import SentenceConfig
from emosym_metrics.sentence import SentenceEncoder
from emosym_registry import EmosymError
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5EncoderModel,
)

from emosym.contracts import Context, LabelSet

from .conftest import _tokenizer

CONTEXT = Context(labels=LabelSet.of("mikels-8"), kind="text_encoder", component="sentence")
SHORT = ["a ghost in the dark forest", "a sunny beach"]
LONG = "a ghost in the dark forest. something could harm you here. the sunny beach. a ghost here."
LENGTH = 12
SMALL = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}


def _bert(vocabulary: int) -> BertModel:
    config = BertConfig(vocab_size=vocabulary, max_position_embeddings=LENGTH, **SMALL)
    return BertModel(config, add_pooling_layer=False)


def _roberta(vocabulary: int) -> RobertaModel:
    """Its positions begin behind the padding's, so that two of them are for no token."""
    return RobertaModel(
        RobertaConfig(vocab_size=vocabulary, max_position_embeddings=LENGTH + 1, pad_token_id=0, **SMALL)
    )


def _t5(vocabulary: int) -> T5EncoderModel:
    """The encoder of an encoder-decoder, with no limit of its own."""
    return T5EncoderModel(
        T5Config(vocab_size=vocabulary, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2)
    )


FAMILIES = {"bert": _bert, "roberta": _roberta, "t5": _t5}


def save(folder: Path, family: str, tokenizer: PreTrainedTokenizerFast) -> Path:
    torch.manual_seed(1)
    FAMILIES[family](len(tokenizer)).save_pretrained(folder)
    tokenizer.model_max_length = LENGTH
    tokenizer.save_pretrained(folder)
    return folder


def load(folder: Path, **params: Any) -> SentenceEncoder:
    return SentenceEncoder(SentenceConfig(model=str(folder), **params), CONTEXT)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sentence")
    return {family: save(root / family, family, _tokenizer()) for family in FAMILIES}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def encoder(folders: dict[str, Path], family: str) -> SentenceEncoder:
    return load(folders[family])


@pytest.fixture
def copy(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A BERT to damage."""
    return Path(shutil.copytree(folders["bert"], tmp_path / "bert"))


@torch.no_grad()
def test_features_are_the_mean_of_the_models_own_states(
    encoder: SentenceEncoder, folders: dict[str, Path], family: str
) -> None:
    model: Any = T5EncoderModel if family == "t5" else AutoModel
    stock, tokenizer = (
        model.from_pretrained(folders[family]).eval(),
        AutoTokenizer.from_pretrained(folders[family]),
    )
    for text, feature in zip(SHORT, encoder.encode(SHORT), strict=True):
        states = stock(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        torch.testing.assert_close(feature, F.normalize(states.mean(0), dim=0))
    assert encoder.width == 16
    assert encoder.length == LENGTH
    assert encoder.encode([]).shape == (0, 16)


def test_token_states_are_those_of_the_real_tokens(encoder: SentenceEncoder) -> None:
    states, mask = encoder.token_states([*SHORT, LONG])
    assert states.shape == (3, 27, 16)
    assert mask.sum(1).tolist() == [8, 5, 27]  # words, marks and the frame of each piece
    alone, real = encoder.token_states([SHORT[1]])
    torch.testing.assert_close(states[1][mask[1]], alone[0])
    assert bool(real.all())
    torch.testing.assert_close(F.normalize(states[0][mask[0]].mean(0), dim=0), encoder.encode(SHORT)[0])
    empty, none = encoder.token_states([])
    assert (empty.shape, none.shape) == ((0, 0, 16), (0, 0))


def test_long_text_is_split_and_averaged_and_its_end_counts(
    encoder: SentenceEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    encoder.splitter.said = False
    with caplog.at_level(logging.WARNING):
        features = encoder.encode([LONG, LONG, f"{LONG} a sunny beach"])
    pieces = encoder.splitter.pieces(LONG)
    assert len(pieces) == 3
    torch.testing.assert_close(features[0], F.normalize(encoder.encode(pieces).sum(0), dim=0))
    torch.testing.assert_close(features.norm(dim=1), torch.ones(3))
    assert (features[1] - features[2]).abs().max() > 1e-3
    assert [record.message for record in caplog.records if "split" in record.message] == [
        f"a text of 23 tokens does not fit the 12 of {encoder.config.model}: such texts are split and averaged"
    ]


def test_features_do_not_depend_on_the_batch(folders: dict[str, Path], family: str) -> None:
    small, large = load(folders[family], batch_size=1), load(folders[family])
    torch.testing.assert_close(small.encode([*SHORT, LONG]), large.encode([*SHORT, LONG]))


def test_nothing_of_it_trains(encoder: SentenceEncoder) -> None:
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not encoder.encode(SHORT).requires_grad
    assert not encoder.token_states(SHORT)[0].requires_grad


def test_loading_leaves_the_random_state_alone(folders: dict[str, Path]) -> None:
    before = torch.random.get_rng_state()
    load(folders["bert"])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_unknown_words_read_alike_and_that_is_said_once(
    folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    encoder = load(folders["bert"])
    with caplog.at_level(logging.WARNING):
        whale, castle = encoder.encode(["a whale here", "a castle here"])
        encoder.encode(["a tower"])
    torch.testing.assert_close(whale, castle)
    assert [record.message for record in caplog.records] == [
        f"{encoder.config.model} does not know every word of 'a whale here': "
        "words that it does not know all read alike"
    ]


@pytest.mark.parametrize(
    ("declared", "given", "place"),
    [
        ({}, "first", 0),
        ({}, "last", -1),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, None, 0),
        ({"pooling_mode_lasttoken": True}, None, -1),
        ({"pooling_mode_cls_token": True}, "last", -1),
    ],
)
def test_pooling_is_what_the_spec_or_else_the_model_says(
    copy: Path, declared: dict[str, bool], given: str | None, place: int
) -> None:
    (copy / "1_Pooling").mkdir()
    (copy / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 16, **declared}))
    encoder = load(copy, pooling=given)
    states, mask = encoder.token_states(SHORT)
    for row, feature in enumerate(encoder.encode(SHORT)):
        torch.testing.assert_close(feature, F.normalize(states[row][mask[row]][place], dim=0))


def _max_pooling(folder: Path) -> None:
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_max_tokens": True}))


def _without_a_layer(folder: Path) -> None:
    file = folder / "model.safetensors"
    save_file(
        {name: value for name, value in load_file(file).items() if "layer.1.output" not in name},
        file,
        metadata={"format": "pt"},
    )


def _without_padding(folder: Path) -> None:
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).exists():
            told = json.loads((folder / name).read_text())
            for token in ("pad_token", "eos_token"):
                told.pop(token, None)
            (folder / name).write_text(json.dumps(told))


def _cut_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def _code_of_the_hub(folder: Path) -> None:
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**told, "attn_implementation": "somebody/kernel"}))


@pytest.mark.parametrize(
    ("damage", "id", "shown"),
    [
        (_max_pooling, "text.unknown-pooling", "asks for pooling_mode_max_tokens"),
        (_without_a_layer, "model.incomplete-weights", "they would start at random"),
        (_without_padding, "text.no-padding", "has no padding token"),
        (_cut_weights, "model.cannot-load", "cannot be loaded"),
        (_code_of_the_hub, "model.untrusted-code", "somebody/kernel"),
    ],
)
def test_a_model_that_cannot_be_used_is_one_clear_error(
    copy: Path, damage: Callable[[Path], None], id: str, shown: str
) -> None:
    damage(copy)
    with pytest.raises(EmosymError, match=shown) as caught:
        load(copy)
    assert caught.value.id == id
    assert caught.value.hint
    assert str(copy) in caught.value.message


def test_a_name_that_is_nothing_is_refused() -> None:
    with pytest.raises(EmosymError, match="neither an alias") as caught:
        SentenceEncoder(SentenceConfig(model="nothing"), CONTEXT)
    assert caught.value.id == "model.cannot-load"


def test_a_text_without_a_token_is_refused(copy: Path) -> None:
    told = json.loads((copy / "tokenizer.json").read_text())
    (copy / "tokenizer.json").write_text(json.dumps({**told, "post_processor": None}))
    with pytest.raises(EmosymError, match="no token for the text ''") as caught:
        load(copy).encode(["a ghost", ""])
    assert caught.value.id == "text.no-token"
