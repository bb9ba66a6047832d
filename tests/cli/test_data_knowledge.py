"""``emosym data knowledge``: a spec's texts in a file, ahead of training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from emosym_data.local_endpoint import LocalEndpoint, Reply, about

from .conftest import Command

SMALL = [word for one in ("train=16", "val=8", "test=8") for word in ("--set", f"data.params.{one}")]


@pytest.fixture
def endpoint() -> Iterator[LocalEndpoint]:
    served = LocalEndpoint(lambda request, _: Reply(about(request).body, pause=0.02))
    yield served
    served.close()


def lines(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_texts_that_are_looked_up_are_written_for_jsonl(emosym: Command, tmp_path: Path) -> None:
    out = tmp_path / "texts.jsonl"
    done = emosym("data", "knowledge", "preset:tiny", "--out", out, *SMALL)
    assert done.status == 0, done.err
    assert f"{out}: 16 texts, 0 images without one" in done.out
    assert [line.keys() for line in lines(out)] == [{"id", "text"}] * 16
    read = ["--set", f"knowledge={{name: jsonl, params: {{path: '{out}'}}}}"]
    again = emosym("data", "knowledge", "preset:tiny", "--out", tmp_path / "again.jsonl", *SMALL, *read)
    assert again.status == 0, again.err
    assert (tmp_path / "again.jsonl").read_text() == out.read_text()


def test_texts_that_are_made_are_paid_for_once(
    emosym: Command, tmp_path: Path, endpoint: LocalEndpoint
) -> None:
    out = tmp_path / "texts.jsonl"
    params = f"model: m, base_url: '{endpoint.url}', key: null, prices: {{input: 1000, output: 10000}}, max_tokens: 10"
    asks = ["--set", f"knowledge={{name: openai, params: {{{params}}}}}"]
    stopped = emosym(
        "data", "knowledge", "preset:tiny", "--out", out, *SMALL, *asks, "--set", "knowledge.params.budget=1"
    )
    assert stopped.status == 2
    assert "16 of 16 pictures to m at 127.0.0.1" in stopped.err
    assert "1 of the budget of 1 are spent, 5 of 16 texts were made" in stopped.err
    assert len(lines(out)) == 5
    done = emosym("data", "knowledge", "preset:tiny", "--out", out, *SMALL, *asks)
    assert done.status == 0, done.err
    assert "11 of 16 pictures" in done.err
    assert f"{out}: 16 texts, 0 images without one" in done.out
    assert "cost: 3.2" in done.out
    assert len(endpoint.requests) == 16


def test_explaining_a_spec_asks_nobody(emosym: Command, tmp_path: Path, endpoint: LocalEndpoint) -> None:
    asks = [
        "--set",
        f"knowledge={{name: openai, params: {{model: m, base_url: '{endpoint.url}', key: null}}}}",
    ]
    for verb in ("explain", "check"):
        done = emosym("spec", verb, "preset:tiny", *asks)
        assert done.status == 0, done.err
    assert endpoint.requests == []


def test_a_spec_without_knowledge_is_told(emosym: Command, tmp_path: Path) -> None:
    none = ["--set", "knowledge=null", "--set", "text_encoder=null"]
    done = emosym("data", "knowledge", "preset:tiny", "--out", tmp_path / "x.jsonl", *none)
    assert done.status == 2
    assert "has no knowledge" in done.err
