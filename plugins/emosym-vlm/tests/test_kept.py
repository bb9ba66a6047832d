"""What is kept of pictures on disk: prefixes where nothing before the tokens learns, features elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from emosym_vlm import kept

from emosym.contracts import QUESTION
from emosym.toolkit import kept_statistics

from .test_reading import CLOSE


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOSYM_CACHE", str(tmp_path / "cache"))
    kept_statistics(anew=True)


@pytest.fixture
def keeping(build: Callable[..., Any], context: Any) -> Callable[..., Any]:
    """``keeping(family, **params)``: a backbone that may keep 16 megabytes."""

    def make(family: str, megabytes: int = 16, **params: Any) -> Any:
        backbone = build(family, **params)
        backbone.context = replace(backbone.context, cache_megabytes=megabytes)
        return backbone

    return make


def counted(kind: str) -> tuple[int, int]:
    found = kept_statistics().get(kind, {"hits": 0, "misses": 0})
    return found["hits"], found["misses"]


def never(*_: Any) -> Any:
    raise AssertionError("asked the model again")


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl", "llava", "idefics3"])
@torch.no_grad()
def test_a_prefix_is_encoded_once_and_reads_exactly_as_a_fresh_one(
    family, keeping, build, samples, tokens, monkeypatch
):
    backbone, plain = keeping(family, training="frozen"), build(family, training="frozen")
    vectors = tokens(backbone, len(samples))
    first = backbone.read(backbone.encode(samples), vectors)
    assert counted("prefixes") == (0, len(samples))
    torch.testing.assert_close(first, plain.read(plain.encode(samples), vectors), **CLOSE)

    again = keeping(family, training="frozen")  # as another process would
    monkeypatch.setattr(again, "_run_prompt", never)
    monkeypatch.setattr(again, "_reader", never)
    turned = torch.arange(len(samples)).flip(0)
    second = again.read(again.encode([samples[i] for i in turned]), vectors[turned])
    assert counted("prefixes")[0] == len(samples)
    torch.testing.assert_close(second[turned], first, **CLOSE)
    for side in ("left", "right"):
        other = keeping(family, training="frozen", padding_side=side)
        torch.testing.assert_close(other.read(other.encode(samples), vectors), first, **CLOSE)


@torch.no_grad()
def test_keys_and_values_do_not_hang_on_what_is_encoded_beside_them(keeping, samples):
    together = keeping("qwen2_vl", training="frozen")
    rows = [
        kept.Row.of(one)
        for one in together._store("prefixes", together._prompt_stamp(), together._prompt_tensors).recall(
            [], never
        )
    ]
    assert rows == []
    together.encode(samples)
    wanted = together.encode(samples[1:2])
    kept_statistics(anew=True)
    alone = keeping("qwen2_vl", training="frozen", question="Another?")
    found = alone.encode(samples[1:2], QUESTION)  # kept by what is asked, not by what is asked elsewhere
    assert counted("prefixes") == (1, 0)
    for ours, theirs in zip(found.cache.layers, wanted.cache.layers, strict=True):
        assert torch.equal(ours.keys, theirs.keys)


@torch.no_grad()
def test_what_adapters_learn_at_the_tokens_leaves_a_prefix_good(keeping, samples, tokens):
    backbone = keeping("qwen2_vl", training="activated")
    vectors = tokens(backbone, len(samples))
    before = backbone(samples, vectors)
    for parameter in backbone.adapters().values():
        parameter.add_(0.1)
    after = backbone(samples, vectors)
    assert counted("prefixes") == (len(samples), len(samples))
    assert (after - before).abs().max() > 1e-4


@torch.no_grad()
def test_other_weights_keep_their_own(keeping, samples, tokens):
    backbone = keeping("llava", training="frozen")
    vectors = tokens(backbone, len(samples))
    before = backbone(samples, vectors), backbone.read(backbone.encode(samples), vectors)
    next(backbone.model.get_encoder(modality="image").parameters()).mul_(3)
    assert (backbone.read(backbone.encode(samples), vectors) - before[1]).abs().max() > 1e-5
    assert counted("prefixes") == (0, 2 * len(samples))


@torch.no_grad()
def test_the_same_picture_under_another_name_is_kept_and_another_question_is_not(keeping, samples):
    backbone = keeping("qwen2_vl", training="frozen")
    backbone.encode(samples[:1])
    backbone.encode([replace(samples[0], id="another")])
    assert counted("prefixes") == (1, 1)
    backbone.encode([replace(samples[1], id=samples[0].id)])
    backbone.encode(samples[:1], "Describe the picture.")
    assert counted("prefixes") == (1, 3)


def test_a_changed_file_is_another_picture(keeping, samples, tmp_path):
    backbone, path = keeping("qwen2_vl", training="frozen"), tmp_path / "a.png"
    sample = replace(samples[0], images=(path,))
    for changed in samples[0], samples[1]:
        changed.images[0].save(path)
        backbone.encode([sample])
        backbone.encode([sample])
    assert counted("prefixes") == (2, 2)


@pytest.mark.parametrize("family", ["qwen3_vl", "llava_next", "idefics3"])
@torch.no_grad()
def test_features_are_kept_where_adapters_act_on_the_prompt(family, keeping, samples, tokens):
    backbone = keeping(family)
    vectors = tokens(backbone, len(samples))
    first = backbone(samples, vectors)
    assert counted("features") == (0, len(samples))
    assert torch.equal(backbone(samples, vectors), first)
    assert counted("features") == (len(samples), len(samples))
    assert counted("prefixes") == (0, 0)


def test_features_are_not_kept_where_an_adapter_changes_them(keeping, samples, tokens):
    backbone = keeping("llava", adapter={"targets": ["projector"]})
    backbone(samples, tokens(backbone, len(samples)))
    assert counted("features") == (0, 0)


def test_what_is_kept_can_be_forgotten_for_timing(keeping, samples):
    backbone = keeping("qwen2_vl", training="frozen")
    first = backbone.encode(samples)
    backbone.forget()
    again = backbone.encode(samples)
    assert counted("prefixes") == (0, 2 * len(samples))
    assert torch.equal(again.last_hidden, first.last_hidden)
    backbone.encode(samples)
    assert counted("prefixes") == (len(samples), 2 * len(samples))


def test_without_a_budget_nothing_is_kept(build, samples, tmp_path):
    backbone = build("qwen2_vl", training="frozen")
    backbone.encode(samples)
    backbone.forget()
    assert kept_statistics() == {}
    assert not (tmp_path / "cache").exists()
