"""Which images come in, and which originals give way, by either policy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from emosym_memory.config import InMemoryConfig
from emosym_memory.in_memory import InMemoryBank

from emosym.contracts import Context

from .banks import CONFIDENCES, LABELS, ORIGINALS, Make, candidate, mapped


def test_paper_policy_takes_the_most_confident_images_for_the_least_confident_originals(make: Make) -> None:
    bank = make(policy="paper", fraction=0.1)
    done = bank.refresh(5, [candidate(1, 0, 0.4), candidate(2, 1, 0.9), candidate(3, 0, 0.7)], CONFIDENCES)
    assert [(held.label, held.score) for held in bank.state().held] == [(1, 0.9), (0, 0.7)]
    assert list(done.replaced) == ["o00", "o01"]
    assert [reason for _, reason in done.refused] == ["full: 2 originals are replaced"]
    assert (done.size, done.fraction) == (2, 0.1)
    later = bank.refresh(6, [candidate(4, 0, 1.0)], CONFIDENCES)
    assert list(later.admitted) == []


def test_emosym_policy_keeps_the_class_balance(make: Make) -> None:
    bank = make(fraction=0.2)
    bank.refresh(1, [candidate(i, 0, 0.9, 0.9) for i in range(5)] + [candidate(9, 1, 0.9, 0.8)], CONFIDENCES)
    labels = [sample.label for sample in bank.view(ORIGINALS)]
    assert (labels.count(0), labels.count(1)) == (10, 10)
    assert sorted(mapped(bank)) == ["o00", "o01", "o02"]


@pytest.mark.parametrize("policy", ["paper", "emosym"])
def test_a_flagged_picture_is_refused_however_well_it_scores(make: Make, policy: str) -> None:
    bank = make(policy=policy, fraction=0.2)
    best = candidate(1, 0, 1.0, 1.0)
    best = replace(best, generated=replace(best.generated, flagged=True))
    done = bank.refresh(1, [best, candidate(2, 0, 0.9, 0.9)], CONFIDENCES)
    assert [held.detail["seed"] for held in bank.state().held] == [2]
    assert [reason for _, reason in done.refused] == ["a safety checker flagged it, and it is black"]
    assert [line.reason for line in bank.ledger() if line.action == "refuse"] == [done.refused[0][1]]


@pytest.mark.parametrize("policy", ["paper", "emosym"])
def test_an_original_whose_confidence_is_not_known_stays(make: Make, policy: str) -> None:
    bank = make(policy=policy, fraction=0.4)
    known = {id: CONFIDENCES[id] for id in ("o05", "o07", "o12")}  # o00 is the least confident of all
    done = bank.refresh(1, [candidate(i, i % 2, 0.9) for i in range(8)], known)
    assert sorted(done.replaced) == ["o05", "o07", "o12"]
    assert {reason for _, reason in done.refused} == {
        "no original of known confidence is left to replace"
        if policy == "paper"
        else f"no original of {name} of known confidence is left to replace"
        for name in ("awe", "fear")
    }
    assert bank.refresh(2, [candidate(9, 0, 0.9)], {}).admitted == []


def test_emosym_policy_wants_model_and_judge_to_agree(make: Make) -> None:
    bank = make(fraction=0.2, min_score=0.5)
    done = bank.refresh(1, [candidate(1, 0, 1.0, 0.4), candidate(2, 0, 0.6, 0.6)], CONFIDENCES)
    assert [held.detail["seed"] for held in bank.state().held] == [2]
    assert [reason for _, reason in done.refused] == ["the score 0.4000 is below the 0.5 that is asked for"]
    geometric = (
        make(fraction=0.2, min_score=0.5, combine="geometric") if isinstance(bank, InMemoryBank) else None
    )
    if geometric is not None:
        assert (
            len(geometric.refresh(1, [candidate(1, 0, 1.0, 0.4)], CONFIDENCES).admitted) == 1
        )  # sqrt(0.4) = 0.63


def test_emosym_policy_refuses_a_near_copy(make: Make) -> None:
    bank = make(fraction=0.4, min_distance=0.5)
    best, copy, other = (0.0, 0.0), (0.1, 0.0), (5.0, 0.0)
    offered = [candidate(i, 0, 1 - i / 10, features=at) for i, at in enumerate((best, copy, other), 1)]
    bank.refresh(1, offered, CONFIDENCES)
    assert [held.detail["seed"] for held in bank.state().held] == [1, 3]
    again = bank.refresh(
        2,
        [candidate(4, 0, 0.99, features=(5.1, 0.0)), candidate(5, 0, 0.6, features=(0.0, 9.0))],
        CONFIDENCES,
    )
    assert len(again.admitted) == 1
    assert again.refused[0][1].startswith("too near to bank/")


def test_a_better_newcomer_takes_the_place_of_the_worst(make: Make) -> None:
    bank = make(fraction=0.1, max_age=None)
    first = bank.refresh(1, [candidate(1, 0, 0.7)], CONFIDENCES)
    worse = bank.refresh(2, [candidate(2, 0, 0.6)], CONFIDENCES)
    assert list(worse.admitted) == []
    better = bank.refresh(3, [candidate(3, 0, 0.8)], CONFIDENCES)
    assert len(better.admitted) == 1
    assert list(better.replaced) == []
    assert mapped(bank) == {first.replaced[0]: better.admitted[0]}


def test_an_old_image_gives_way_even_to_a_worse_one(make: Make) -> None:
    bank = make(fraction=0.1, max_age=2)
    bank.refresh(1, [candidate(1, 0, 0.9)], CONFIDENCES)
    assert list(bank.refresh(2, [candidate(2, 0, 0.6)], CONFIDENCES).admitted) == []
    assert len(bank.refresh(3, [candidate(3, 0, 0.6)], CONFIDENCES).admitted) == 1


def test_never_more_than_the_fraction_is_masked(make: Make) -> None:
    bank = make(fraction=0.25)
    for step in range(4):
        done = bank.refresh(
            step, [candidate(10 * step + i, i % 2, 0.5 + i / 20) for i in range(8)], CONFIDENCES
        )
        assert done.size == len(mapped(bank)) <= 5
        assert len(bank.view(ORIGINALS)) == len(ORIGINALS)


def test_the_order_of_candidates_does_not_matter() -> None:
    offered = [
        candidate(i, i % 2, 0.6 + (i % 3) / 10, features=(float(i), float(i * i % 7))) for i in range(12)
    ]
    states = []
    for order in (offered, offered[::-1]):
        bank = InMemoryBank(InMemoryConfig(fraction=0.4), Context(LABELS))
        bank.view(ORIGINALS)
        bank.refresh(1, order, CONFIDENCES)
        states.append(mapped(bank))
    assert states[0] == states[1]
    assert states[0]


def test_an_unlabelled_original_is_never_masked() -> None:
    bank = InMemoryBank(InMemoryConfig(policy="paper", fraction=0.5), Context(LABELS))
    originals = [replace(sample, label=None) if i < 10 else sample for i, sample in enumerate(ORIGINALS)]
    bank.view(originals)
    labelled = {sample.id: CONFIDENCES[sample.id] for sample in originals if sample.label is not None}
    done = bank.refresh(1, [candidate(i, 0, 0.9) for i in range(9)], labelled)
    assert list(done.replaced) == ["o10", "o11", "o12", "o13", "o14"]


def test_one_image_offered_under_two_labels_enters_once_with_its_own_story(make: Make) -> None:
    bank = make(policy="paper", fraction=0.4)
    fear = candidate(1, 1, 0.9)
    awe = replace(fear, generated=replace(fear.generated, label=0, seed=77), scores={"model": 0.4})
    done = bank.refresh(1, [fear, awe], CONFIDENCES)
    assert len(done.admitted) == 1
    assert [(held.label, held.detail["seed"]) for held in bank.state().held] == [(1, 1)]
    assert done.refused == [(done.admitted[0], "the very same image is in the bank")]
