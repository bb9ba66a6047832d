"""No stage reads more pictures than its steps draw and its settings say, however many there are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from emosym_registry import Registry

from emosym.contracts import Sample
from emosym.experiment.run import run_experiment
from emosym.spec import load_spec
from emosym.stages.unify import Unify, some_of, some_of_each
from emosym.system import System

FEW_STEPS = (
    "data.params.train=400",
    "data.params.val=64",
    "metrics=[accuracy]",
    "stages.reinforce.calibrate=false",
    "stages.unify.fit_per_class=4",
    "stages.unify.refresh.validation=16",
    "stages.unify.refresh.confidences=seen",
    "memory.params.min_score=0.0",
)
SAMPLES = [Sample(f"s{i:03d}", (b"",), i % 3 if i < 90 else None) for i in range(100)]


@contextmanager
def counted(patch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """How many samples each call of ``System.read`` inside is given, by the split of the first."""
    calls: list[tuple[str, int]] = []
    whole = System.read

    def read(self: System, samples: Sequence[Sample], *given: Any, **more: Any) -> Any:
        calls.append((samples[0].id, len(samples)))
        return whole(self, samples, *given, **more)

    patch.setattr(System, "read", read)
    yield calls


def test_a_run_reads_what_its_steps_draw_and_its_settings_say(
    registry: Registry, sets: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, float]] = []
    tell = Unify.confidences

    def confidences(self: Unify, *given: Any) -> Any:
        seen.append(dict(tell(self, *given)))
        assert len(self.to_be_drawn()) <= 48
        return seen[-1]

    monkeypatch.setattr(Unify, "confidences", confidences)
    with counted(monkeypatch) as calls:
        run_experiment(
            load_spec("preset:tiny", registry=registry, sets=(*sets, *FEW_STEPS)), registry, tmp_path
        )
    sizes = Counter(size for _, size in calls)
    # reinforce: 6 steps of 8; unify: 4 of each of 8 emotions at a refresh and at the end, and 16 of validation;
    # what the fusion is scaled by; candidates; the 48 of the test split after each stage.
    assert max(size for size in sizes if size != 400) <= 64
    assert sizes[400] == 1, "only the fusion is scaled to the states of up to 1024"
    assert sizes[32] == 2
    assert sizes[48] >= 4
    assert sizes[16] >= 1

    assert len(seen) == 1
    assert 8 <= len(seen[0]) <= 24, "three batches of eight before the refresh"
    assert all(0 <= value <= 1 for value in seen[0].values())
    ledger = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    replaced = {
        line["detail"].get("original", line["image"]) for line in ledger if line["action"] == "replace"
    }
    assert replaced
    assert replaced <= set(seen[0])


def test_a_part_is_drawn_by_the_seed_and_keeps_its_order() -> None:
    assert some_of(SAMPLES, None, 1) == some_of(SAMPLES, 100, 1) == SAMPLES
    some = some_of(SAMPLES, 30, 1)
    assert len(some) == 30
    assert some == sorted(some, key=lambda one: one.id)
    assert some == some_of(SAMPLES, 30, 1) != some_of(SAMPLES, 30, 2)


def test_a_part_of_each_emotion_has_as_many_of_all() -> None:
    assert some_of_each(SAMPLES, None, 1) == SAMPLES
    some = some_of_each(SAMPLES, 7, 1)
    assert Counter(one.label for one in some) == {0: 7, 1: 7, 2: 7}
    assert Counter(one.label for one in some_of_each(SAMPLES, 500, 1)) == {0: 30, 1: 30, 2: 30}
