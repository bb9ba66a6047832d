"""Text features: unit length, the library's own for short text, the mean of pieces for long text."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
import torch.nn.functional as F
from emosym_metrics.config import TextEncoderConfig
from emosym_metrics.splitting import split_text
from emosym_metrics.text_encoder import OpenClipTextEncoder
from emosym_registry import EmosymError
from safetensors.torch import load_file

from emosym.contracts import Context, LabelSet

CONTEXT = Context(labels=LabelSet.of("mikels-8"), kind="text_encoder", component="open-clip")
SHORT = ["a ghost in the dark forest", "a sunny beach"]
LONG = "a ghost in the dark forest. something could harm you here. the sunny beach."


@pytest.fixture(scope="module")
def encoder(clip_folder: Path) -> OpenClipTextEncoder:
    return OpenClipTextEncoder(TextEncoderConfig(model=str(clip_folder)), CONTEXT)


@torch.no_grad()
def test_short_text_gets_the_features_of_open_clip(encoder: OpenClipTextEncoder, clip_folder: Path) -> None:
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{clip_folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{clip_folder}")(SHORT)
    expected = F.normalize(model.eval().encode_text(tokens), dim=-1)
    assert encoder.width == 12
    torch.testing.assert_close(encoder.encode(SHORT), expected)
    assert encoder.encode([]).shape == (0, 12)


def test_long_text_is_the_mean_of_its_sentences_and_is_said_once(
    encoder: OpenClipTextEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    encoder.splitter.said = False
    with caplog.at_level(logging.WARNING):
        features = encoder.encode([LONG, SHORT[0], LONG])
    pieces = encoder.pieces(LONG)
    assert pieces == ["a ghost in the dark forest.", "something could harm you here. the sunny beach."]
    torch.testing.assert_close(features[0], F.normalize(encoder.encode(pieces).sum(0), dim=0))
    torch.testing.assert_close(features[1], encoder.encode(SHORT)[0])
    torch.testing.assert_close(features.norm(dim=1), torch.ones(3))
    assert len(caplog.records) == 1
    assert "split" in caplog.text


def test_the_end_of_a_long_text_counts(encoder: OpenClipTextEncoder) -> None:
    first, second = encoder.encode([f"{LONG} a ghost", f"{LONG} a beach"])
    assert (first - second).abs().max() > 1e-3


def test_features_do_not_depend_on_the_batch(clip_folder: Path) -> None:
    small = OpenClipTextEncoder(TextEncoderConfig(model=str(clip_folder), batch_size=1), CONTEXT)
    large = OpenClipTextEncoder(TextEncoderConfig(model=str(clip_folder), batch_size=64), CONTEXT)
    texts = [*SHORT, LONG]
    torch.testing.assert_close(small.encode(texts), large.encode(texts))


def test_the_tokenizer_of_open_clip_itself_splits_inside_words_when_it_must(bpe_folder: Path) -> None:
    encoder = OpenClipTextEncoder(TextEncoderConfig(model=str(bpe_folder)), CONTEXT)
    word = "xqzvkj" * 12
    assert encoder.count_tokens(word) > encoder.length
    pieces = encoder.pieces(f"a {word}")
    assert "".join(pieces).replace(" ", "") == f"a{word}"
    assert all(encoder.count_tokens(piece) <= encoder.length for piece in pieces)
    torch.testing.assert_close(encoder.encode([word]).norm(), torch.tensor(1.0))


def test_nothing_of_it_trains(encoder: OpenClipTextEncoder) -> None:
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not encoder.encode(SHORT).requires_grad


@pytest.mark.parametrize(
    ("config", "id"),
    [
        ({"model": "ViT-B-33"}, "model.unknown"),
        ({"model": "ViT-B-32"}, "model.no-weights"),
        ({"model": "ViT-B-32", "pretrained": "/nowhere/weights.pt"}, "model.cannot-load"),
    ],
)
def test_a_model_that_is_not_there_is_a_clear_error(config: dict[str, str], id: str) -> None:
    with pytest.raises(EmosymError) as caught:
        OpenClipTextEncoder(TextEncoderConfig(**config), CONTEXT)
    assert caught.value.id == id
    assert caught.value.hint


def _pickled(clip_folder: Path, to: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    folder = shutil.copytree(clip_folder, to)
    tensors = load_file(folder / "open_clip_model.safetensors")
    (folder / "open_clip_model.safetensors").unlink()
    return folder, tensors


def test_pickled_tensors_load_and_a_pickle_that_holds_code_is_not_run(
    clip_folder: Path, encoder: OpenClipTextEncoder, tmp_path: Path, dangerous: Callable[..., Path]
) -> None:
    folder, tensors = _pickled(clip_folder, tmp_path / "clip")
    torch.save(tensors, folder / "open_clip_pytorch_model.bin")
    same = OpenClipTextEncoder(TextEncoderConfig(model=str(folder)), CONTEXT)
    assert torch.equal(same.encode(SHORT), encoder.encode(SHORT))
    trace = dangerous(folder / "open_clip_pytorch_model.bin", tensors)
    with pytest.raises(EmosymError) as caught:
        OpenClipTextEncoder(TextEncoderConfig(model=str(folder)), CONTEXT)
    assert caught.value.id == "model.unsafe-pickle"
    assert not trace.exists()


def test_a_truncated_file_is_damaged(clip_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(clip_folder, tmp_path / "clip")
    file = folder / "open_clip_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(EmosymError) as caught:
        OpenClipTextEncoder(TextEncoderConfig(model=str(folder)), CONTEXT)
    assert caught.value.id == "model.damaged-weights"


def test_offline_a_hub_model_says_what_to_download_and_where_to_put_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EmosymError) as caught:
        OpenClipTextEncoder(TextEncoderConfig(model="hf-hub:nobody/nothing"), CONTEXT)
    assert caught.value.id == "model.cannot-load"
    assert "hf download nobody/nothing --local-dir models/nothing" in str(caught.value)


def test_splitting_fills_pieces_and_loses_no_word() -> None:
    text = "one two. three four five; six seven eight nine ten eleven.\n\ntwelve"
    pieces = split_text(text, lambda part: len(part.split()) <= 5)
    assert pieces == ["one two. three four five;", "six seven eight nine ten", "eleven. twelve"]
