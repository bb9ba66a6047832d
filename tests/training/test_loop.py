import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from emosym_registry import EmosymError
from PIL import Image
from torch import nn

from emosym.contracts import Sample
from emosym.contracts.sample import DecodedFile
from emosym.spec.layers import stage_preset
from emosym.spec.model import CompressStage, Optim
from emosym.training.loop import schedule
from emosym.training.prefetch import Prefetch
from emosym.training.reachability import Reachability
from emosym.training.stage import Shuffle, optimiser_steps


def test_an_epoch_visits_every_sample_once_and_batches_need_no_state() -> None:
    shuffle = Shuffle(size=10, batch_size=5, seed=3)
    epochs = [shuffle(0) + shuffle(1), shuffle(2) + shuffle(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert Shuffle(size=10, batch_size=5, seed=3)(3) == shuffle(3)


def test_the_schedule_warms_up_and_falls_once_over_the_whole_stage() -> None:
    optim = Optim(schedule="cosine", warmup=0.1)
    factors = [schedule(step, 100, optim) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == factors[10] == 1.0
    assert all(a >= b for a, b in itertools.pairwise(factors[10:]))
    assert factors[55] == pytest.approx(0.5 * (1 + math.cos(math.pi * 0.5)))


def test_a_constant_schedule_stays() -> None:
    assert schedule(90, 100, Optim(schedule="constant", warmup=0)) == 1.0
    assert schedule(50, 100, Optim(schedule="linear", warmup=0)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("values", "samples", "accumulation", "steps"),
    [
        ({"epochs": 2, "batch_size": 32}, 1000, 1, 63),
        ({"epochs": 2, "batch_size": 32}, 1000, 4, 16),  # the same two passes in a quarter of the steps
        ({"epochs": 3, "batch_size": 32}, 16, 1, 3),  # a batch has no more images than there are
        ({"epochs": 2, "batch_size": 32, "steps": 5}, 1000, 4, 5),
    ],
)
def test_steps_follow_epochs_unless_given(
    values: dict[str, float], samples: int, accumulation: int, steps: int
) -> None:
    settings = CompressStage.model_validate({**stage_preset("emosym", "compress").plain(), **values})
    assert optimiser_steps(settings, samples, accumulation) == steps


def test_a_tensor_without_gradient_is_reported_by_name(tmp_path) -> None:
    live, dead = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    reach = Reachability({"tokens/live": live, "tokens/dead": dead})
    (live.sum() + 0 * dead.sum()).backward()
    reach.look()
    with pytest.raises(EmosymError, match="tokens/dead") as error:
        reach.report(tmp_path / "gradients.json")
    assert error.value.id == "training.dead-parameters"
    assert "tokens/live" not in error.value.message


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_what_is_announced_is_decoded_and_prepared_before_it_is_taken(workers: int, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        Image.new("RGB", (4, 4)).save(path)
    batches = [[Sample(path.name, (path,))] for path in paths]
    prepared: list[Sample] = []
    prefetch = Prefetch(workers, prepared.extend)
    assert prefetch.take(batches[0]) == batches[0]
    for batch in batches[1:]:
        prefetch.announce(batch)
        (taken,) = prefetch.take(batch)
        assert isinstance(taken.images[0], DecodedFile) == bool(workers)
        assert [one for one in prepared if one is taken] == [taken] * bool(workers)
    prefetch.close()


def test_what_goes_wrong_while_preparing_is_left_to_whoever_reads(tmp_path: Path) -> None:
    def prepare(_: Sequence[Sample]) -> None:
        raise ValueError("the processor refuses")

    Image.new("RGB", (4, 4)).save(tmp_path / "one.png")
    prefetch, batch = Prefetch(1, prepare), [Sample("one", (tmp_path / "one.png",))]
    prefetch.announce(batch)
    assert prefetch.take(batch)[0].id == "one"
    prefetch.announce([Sample("gone", (tmp_path / "gone.png",))])
    with pytest.raises(EmosymError, match="sample gone"):
        prefetch.take([Sample("gone", (tmp_path / "gone.png",))])
    prefetch.close()
