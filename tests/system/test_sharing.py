"""A run that takes stages which another has trained is, bit for bit, the run that trains them itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from emosym_registry import EmosymError, Registry

from emosym.assembly import Builder
from emosym.experiment.run import run_experiment
from emosym.experiment.store import SharedStage
from emosym.spec import Resolved, load_spec
from emosym.toolkit import read_json, read_json_lines

TIMES = ("seconds", "elapsed", "taken", "time", "peak_memory_bytes", "kept")
"""What is measured anew in each run."""
OF_THE_RUN = {"bank.db", "provenance.json", "run.json", "report.html"}
"""Files that say where and when a run was, or show it; the bank's database is that of the run that trained."""


def plain(value: object) -> object:
    """JSON without what differs from run to run."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if key not in TIMES}
    return [plain(one) for one in value] if isinstance(value, list) else value


def content(path: Path) -> object:
    """What a file says of the result."""
    if path.suffix == ".json":
        return plain(read_json(path))
    return plain(read_json_lines(path)) if path.suffix == ".jsonl" else path.read_bytes()


def files(run: Path) -> dict[str, object]:
    """Every file of a run folder that holds a result."""
    paths = [path for path in sorted(run.rglob("*")) if path.is_file() and path.name not in OF_THE_RUN]
    return {str(path.relative_to(run)): content(path) for path in paths}


@pytest.fixture(scope="module")
def store(
    registry: Registry, sets: tuple[str, ...], run: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What a run with another diffusion head has left in the store: its compress and reinforce are those of ``run``."""
    folder = tmp_path_factory.mktemp("store")
    other = load_spec("preset:tiny", registry=registry, sets=(*sets, "diffusion.name=sdxl"))
    run_experiment(other, registry, folder / "other", store=folder / "stages")
    return folder


@pytest.fixture(scope="module")
def shared(store: Path, small: Resolved, registry: Registry) -> Path:
    """The small run once more, from what lies in the store."""
    run_experiment(small, registry, store / "shared", store=store / "stages")
    return store / "shared"


def taken(run: Path) -> dict[str, bool]:
    return {
        stage: "taken" in facts for stage, facts in read_json(run / "checkpoints" / "progress.json").items()
    }


def test_stages_that_read_the_same_are_trained_once(store: Path, shared: Path) -> None:
    assert taken(store / "other") == {"compress": False, "reinforce": False, "unify": False}
    assert taken(shared) == {"compress": True, "reinforce": True, "unify": False}
    assert sorted(path.name.partition("-")[0] for path in (store / "stages").iterdir()) == [
        "compress", "reinforce", "unify", "unify",
    ]  # fmt: skip


def test_the_result_is_that_of_the_run_alone_bit_for_bit(run: Path, shared: Path) -> None:
    alone, together = files(run), files(shared)
    assert sorted(alone) == sorted(together)
    assert [name for name in alone if alone[name] != together[name]] == []


def test_what_is_measured_otherwise_is_measured_anew(
    store: Path, shared: Path, registry: Registry, sets: tuple[str, ...]
) -> None:
    fewer = load_spec("preset:tiny", registry=registry, sets=(*sets, "metrics.ece=null"))
    run_experiment(fewer, registry, store / "fewer", store=store / "stages")
    assert taken(store / "fewer") == {"compress": True, "reinforce": True, "unify": True}
    for stage in ("compress", "unify"):
        before, after = (read_json(one / "evaluation" / f"{stage}.json") for one in (shared, store / "fewer"))
        assert "ece" in before
        assert after == {key: value for key, value in before.items() if not key.startswith("ece")}
    weights = "system/compressor.safetensors"
    assert (store / "fewer" / weights).read_bytes() == (shared / weights).read_bytes()
    assert (store / "fewer" / "ledger.jsonl").read_bytes() == (shared / "ledger.jsonl").read_bytes()


def test_a_damaged_stage_is_refused_with_what_to_delete(
    store: Path, shared: Path, small: Resolved, registry: Registry
) -> None:
    place = next((store / "stages").glob("compress-*"))
    weights = place / "result" / "parts" / "compressor.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(EmosymError, match=r"compressor\.safetensors is damaged") as caught:
            run_experiment(small, registry, store / "refused", store=store / "stages")
    finally:
        weights.write_bytes(whole)
    assert caught.value.id == "store.damaged"
    assert caught.value.hint == f"delete {place}; the stage is trained again then"


def test_a_stage_that_somebody_trains_is_waited_for(tmp_path: Path) -> None:
    stage = SharedStage(tmp_path, "compress", "key")
    with stage.claimed():
        assert json.loads((stage.folder / ".lock").read_text())["pid"]
        assert not stage.finished
    assert not (stage.folder / ".lock").exists()


def test_what_draws_from_the_global_generator_draws_the_same_whatever_stands_beside_it(
    small: Resolved, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = small.offers["emotion_space"].load()
    drawn: list[float] = []
    made = target.__init__

    def drawing(self: object, *args: object) -> None:
        drawn.append(float(torch.rand(())))
        made(self, *args)

    monkeypatch.setattr(target, "__init__", drawing)
    for before in (0, 5):
        torch.manual_seed(before)
        Builder.of(small, registry, device=torch.device("cpu"), precision="fp32").build("emotion_space")
    again = torch.rand(())
    torch.manual_seed(5)
    assert drawn[0] == drawn[1]
    assert again == torch.rand(())
