"""What is done of a batch ahead, in a thread beside the step before."""

from __future__ import annotations

import gc
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from emosym_registry import EmosymError
from emosym_vlm.reader import PromptReader

from emosym.contracts import Sample


@pytest.fixture
def processed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The ids of each batch that goes through the processor."""
    seen: list[list[str]] = []
    plain = PromptReader._process

    def noted(self: Any, samples: Any, *args: Any) -> Any:
        seen.append([sample.id for sample in samples])
        return plain(self, samples, *args)

    monkeypatch.setattr(PromptReader, "_process", noted)
    return seen


def aside(call: Any, *args: Any) -> None:
    thread = threading.Thread(target=call, args=args)
    thread.start()
    thread.join()


@pytest.mark.parametrize("family", ["qwen2_vl", "llava", "llava_next", "idefics3"])
@torch.no_grad()
def test_a_prepared_batch_reads_bit_for_bit_the_same_and_is_processed_once(
    family, build, samples, tokens, processed
):
    backbone = build(family)
    vectors = tokens(backbone, len(samples))
    plain = backbone(samples, vectors)
    processed.clear()
    aside(backbone.prepare, samples)
    assert processed == [[sample.id for sample in samples]]
    assert torch.equal(backbone(samples, vectors), plain)
    assert len(processed) == 1
    assert torch.equal(backbone(samples, vectors), plain)  # it was for one reading
    assert len(processed) == 2


@torch.no_grad()
def test_what_was_prepared_for_others_or_another_question_is_left_alone(build, samples, tokens, processed):
    backbone = build("qwen2_vl")
    vectors = tokens(backbone, len(samples))
    plain, asked = backbone(samples, vectors), backbone(samples, vectors, "Why?")
    aside(backbone.prepare, samples)
    assert torch.equal(backbone(samples, vectors, "Why?"), asked)
    aside(backbone.prepare, samples)
    turned = torch.arange(len(samples)).flip(0)
    assert torch.equal(backbone(samples[::-1], vectors[turned]), plain[turned])


@torch.no_grad()
def test_no_more_than_two_batches_are_held(build, samples):
    backbone = build("qwen2_vl")
    for sample in samples:
        aside(backbone.prepare, [replace(sample)])
    assert [ahead.samples[0].id for ahead in backbone._reader._ahead.values()] == [
        sample.id for sample in samples[-2:]
    ]


@torch.no_grad()
def test_an_id_that_is_used_again_is_not_taken_for_the_first_sample(build, samples, tokens):
    backbone = build("qwen2_vl")
    aside(backbone.prepare, [replace(samples[0])])
    gc.collect()
    vectors = tokens(backbone, 1)
    other = backbone([samples[1]], vectors)
    assert all(torch.equal(backbone([replace(samples[1])], vectors), other) for _ in range(20))


@torch.no_grad()
def test_what_is_kept_already_is_not_prepared(build, samples, tmp_path, monkeypatch, processed):
    monkeypatch.setenv("EMOSYM_CACHE", str(tmp_path / "cache"))
    for training in ("lora", "frozen"):
        backbone = build("qwen2_vl", training=training)
        backbone.context = replace(backbone.context, cache_megabytes=16)
        backbone.encode(samples[:2])
        processed.clear()
        aside(backbone.prepare, samples)
        assert processed == [[sample.id for sample in samples[2:]]]
        backbone.encode(samples)
        assert len(processed) == 1


def test_what_fails_ahead_fails_again_where_it_is_read(build, tokens, tmp_path: Path):
    backbone = build("qwen2_vl")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    broken = [Sample("broken", (tmp_path / "broken.png",))]
    with pytest.raises(EmosymError, match="sample broken"):
        backbone.prepare(broken)
    with pytest.raises(EmosymError, match="sample broken"):
        backbone(broken, tokens(backbone, 1))
