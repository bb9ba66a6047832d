"""Runs whose knowledge makes its texts: said beforehand, kept, resumed, shared by the runs of a study."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from emosym_data.local_endpoint import LocalEndpoint
from emosym_registry import EmosymError, Registry

from emosym.experiment.run import run_experiment
from emosym.experiment.store import keys_of
from emosym.spec import Resolved, load_spec

FEW = (
    "data.params.train=16",
    "data.params.val=8",
    "data.params.test=8",
    "stages.compress.steps=2",
    "stages.compress.batch_size=8",
    "stages.reinforce=null",
    "stages.unify=null",
    "evaluation.per_class=2",
    "metrics=[accuracy]",
    # It tells any words apart, and the embedded sentence encoder those of its world alone.
    "text_encoder={name: open-clip, params: {model: tiny}}",
)


@pytest.fixture
def endpoint() -> Iterator[LocalEndpoint]:
    served = LocalEndpoint()
    yield served
    served.close()


def spec(registry: Registry, sets: tuple[str, ...], knowledge: str) -> Resolved:
    return load_spec("preset:tiny", registry=registry, sets=(*sets, *FEW, f"knowledge={knowledge}"))


def run(resolved: Resolved, registry: Registry, out: Path, **more: Any) -> Any:
    return run_experiment(resolved, registry, out, only=["compress"], **more)


def record(out: Path) -> dict[str, Any]:
    return json.loads((out / "knowledge.json").read_text())


def test_the_backbone_names_what_is_in_the_pictures_and_runs_share_it(
    registry: Registry,
    sets: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    resolved = spec(registry, sets, "{name: backbone, params: {batch_size: 8}}")
    caplog.set_level(logging.INFO, "emosym")
    run(resolved, registry, tmp_path / "one", store=tmp_path / "store")
    said = capsys.readouterr().err
    assert "knowledge backbone will write 16 of 16 texts before the first step" in said
    assert any("knowledge: 16 of 16 texts" in line for line in caplog.messages)
    kept = [json.loads(line) for line in (tmp_path / "store" / "knowledge.jsonl").read_text().splitlines()]
    texts = {line["id"]: line["text"] for line in kept}
    from emosym.assembly import Builder
    from emosym.precision import choose_device

    data = Builder.of(resolved, registry, device=choose_device("cpu"), precision="fp32").build("data")
    named = [one.attributes["object"][0].lower() in texts[one.id].lower() for one in data.split("train")]
    assert len(named) == 16
    assert sum(named) >= 14
    assert record(tmp_path / "one")["texts"] == 16

    other = spec(registry, sets, "{name: backbone, params: {batch_size: 8}}")
    run(other, registry, tmp_path / "two", store=tmp_path / "store")
    assert "will write" not in capsys.readouterr().err
    assert record(tmp_path / "two")["sha256"] == record(tmp_path / "one")["sha256"]
    taken = json.loads((tmp_path / "two" / "checkpoints" / "progress.json").read_text())["compress"]
    assert "taken" in taken

    plain = {"data": "d", "device": "cpu", "precision": "fp32", "smoke": False}
    stages = [keys_of(other, **plain, texts=hash)["compress"] for hash in ("one", "one", "other", "")]
    assert len(set(stages)) == 3  # other texts are another stage


def test_a_budget_ends_a_run_that_then_goes_on(
    registry: Registry,
    sets: tuple[str, ...],
    tmp_path: Path,
    endpoint: LocalEndpoint,
    capsys: pytest.CaptureFixture[str],
) -> None:
    params = f"model: m, base_url: '{endpoint.url}', key: null, max_tokens: 10, prices: {{input: 1000, output: 10000}}"
    resolved = spec(registry, sets, f"{{name: openai, params: {{{params}, budget: 1.1}}}}")
    out = tmp_path / "run"
    with pytest.raises(EmosymError, match="5 of 16 texts were made") as caught:
        run(resolved, registry, out)
    assert caught.value.id == "data.budget-reached"
    assert "will send 16 of 16 pictures to m at 127.0.0.1" in capsys.readouterr().err
    assert len((out / "knowledge.jsonl").read_text().splitlines()) == 5

    from emosym.assembly import Builder
    from emosym.experiment.knowledge import write_knowledge
    from emosym.precision import choose_device

    more = spec(registry, sets, f"{{name: openai, params: {{{params}, budget: 10}}}}")
    builder = Builder.of(more, registry, device=choose_device("cpu"), precision="fp32")
    facts = write_knowledge(more, builder, out / "knowledge.jsonl")
    assert (facts["texts"], facts["cost"]) == (16, pytest.approx(3.2))
    assert "backbone" not in builder.built
    run(resolved, registry, out, resume=True)
    assert len(endpoint.requests) == 16
    assert record(out)["cost"] == pytest.approx(3.2)
