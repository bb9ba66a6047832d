"""Batches that mix labelled and unlabelled samples, and labels of all classes."""

from __future__ import annotations

from collections import Counter

import pytest

from emosym.contracts import Sample
from emosym.spec.layers import stage_preset
from emosym.spec.model import CompressStage
from emosym.training.stage import Mixture, Shuffle, batches_of

LABELS = [0] * 5 + [1] * 20 + [2] * 11 + [None] * 400
"""Few labels of three classes, one of which is rare."""


def classes(batch: list[int]) -> Counter[int | None]:
    return Counter(LABELS[i] for i in batch)


def test_a_batch_has_its_share_of_labelled_samples_and_all_classes_alike() -> None:
    mixture = Mixture(LABELS, 16, seed=3, share=0.375, by_class=True)
    for k in range(40):
        assert classes(mixture(k)) == {0: 2, 1: 2, 2: 2, None: 10}


def test_a_share_that_is_no_whole_number_of_a_batch_comes_out_over_several() -> None:
    mixture = Mixture(LABELS, 10, seed=3, share=0.05, by_class=True)
    labelled = [10 - classes(mixture(k))[None] for k in range(60)]
    assert labelled == [0, 1] * 30
    seen = sum((classes(mixture(k)) for k in range(60)), Counter())
    assert (seen[0], seen[1], seen[2]) == (10, 10, 10)


def test_a_batch_is_a_function_of_seed_and_number_alone() -> None:
    forth = Mixture(LABELS, 16, seed=3, share=0.4, by_class=True)
    back = Mixture(LABELS, 16, seed=3, share=0.4, by_class=True)
    wanted = [forth(k) for k in range(50)]
    assert [back(k) for k in reversed(range(50))] == wanted[::-1]
    assert Mixture(LABELS, 16, seed=4, share=0.4, by_class=True)(7) != wanted[7]


@pytest.mark.parametrize(("by_class", "times"), [(False, {6, 7}), (True, {16, 4, 7, 8})])
def test_each_sort_is_gone_through_before_a_sample_comes_again(by_class: bool, times: set[int]) -> None:
    mixture = Mixture(LABELS, 16, seed=3, share=0.375, by_class=by_class)
    drawn = Counter(i for k in range(40) for i in mixture(k))
    assert {drawn[i] for i, label in enumerate(LABELS) if label is None} == {1}
    assert {drawn[i] for i, label in enumerate(LABELS) if label is not None} == times


@pytest.mark.parametrize(
    ("labels", "share", "labelled"),
    [([0, 1] * 20, 0.25, 8), ([None] * 40, 0.25, 0), (LABELS, 0.0, 0), (LABELS, 1.0, 8)],
)
def test_what_there_is_none_of_is_made_up_for_by_the_others(
    labels: list[int | None], share: float, labelled: int
) -> None:
    batch = Mixture(labels, 8, seed=0, share=share, by_class=True)(5)
    assert sum(labels[i] is not None for i in batch) == labelled
    assert len(batch) == 8


def test_classes_can_be_balanced_at_the_datas_own_share() -> None:
    mixture = Mixture(LABELS, 109, seed=1, by_class=True)
    assert classes(mixture(0)) == {0: 3, 1: 3, 2: 3, None: 100}


def test_several_processes_share_a_batch_evenly() -> None:
    batch = Mixture(LABELS, 16, seed=3, share=0.375, by_class=True)(4)
    parts = [batch[rank::2] for rank in range(2)]
    assert [classes(part)[None] for part in parts] == [5, 5]
    assert sorted(parts[0] + parts[1]) == sorted(batch)


def test_without_either_setting_batches_come_as_they_always_have() -> None:
    samples = [Sample(str(i), (), label=label) for i, label in enumerate(LABELS)]
    plain = stage_preset("emosym", "compress").plain()
    settings = CompressStage.model_validate({**plain, "batch_size": 16})
    batches, before = batches_of(samples, settings, 5), Shuffle(len(samples), 16, 5)
    assert [batches(k) for k in range(60)] == [before(k) for k in range(60)]
    mixed = CompressStage.model_validate(
        {**plain, "batch_size": 16, "labelled_share": 0.25, "by_class": True}
    )
    assert Counter(LABELS[i] is None for i in batches_of(samples, mixed, 5)(0)) == {True: 12, False: 4}
