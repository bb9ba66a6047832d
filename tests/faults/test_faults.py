"""A short campaign in the ordinary tests: what `make faults` does with hundreds of kills, with a few."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from emosym_registry import Registry

from .damaged_images import damaged
from .harness import Campaign, Counts, evaluated, kills, reported, starved
from .postgres import stopped_in_a_refresh, there_is_one
from .specs import mutated


@pytest.fixture(scope="module")
def campaign(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOSYM_CACHE", str(tmp_path_factory.mktemp("cache")))
        return Campaign.begun(registry, tmp_path_factory.mktemp("faults"))


def sound(counts: Counts) -> bool:
    assert not counts.notes, counts.notes
    return not (
        counts.divergences or counts.not_resumed or counts.leftovers or counts.hangs or counts.tracebacks
    )


def test_a_run_that_is_killed_again_and_again_ends_as_if_nobody_had(campaign: Campaign) -> None:
    counts = campaign.chain("killed", kills(random.Random(8), 60), 8)
    assert counts.kills >= 6
    assert sound(counts)


def test_a_run_without_a_disk_says_so_and_goes_on_when_it_has_one(campaign: Campaign) -> None:
    counts = campaign.chain("starved", starved(random.Random(5), 60), 3)
    assert counts.faults >= 2
    assert sound(counts)


@pytest.mark.slow
def test_what_comes_after_a_run_can_be_killed_too(campaign: Campaign, registry: Registry) -> None:
    chance = random.Random(3)
    for name, work in (("evaluated", evaluated(registry)), ("reported", reported)):
        assert sound(campaign.after_the_run(name, work, kills(chance, 12), 3))


@pytest.mark.slow
@pytest.mark.skipif(not there_is_one(), reason="no PostgreSQL on this machine")
def test_a_database_server_may_die_in_the_middle_of_a_refresh(registry: Registry, tmp_path: Path) -> None:
    assert sound(stopped_in_a_refresh(registry, tmp_path))


def test_damaged_pictures_are_read_or_refused_by_name() -> None:
    ends = damaged(120)
    assert ends["read"] + ends["refused"] == ends["images"] == 120
    assert ends["read"] > 5
    assert ends["refused"] > 30


def test_mutated_specs_are_answered() -> None:
    ends = mutated(300)
    assert ends["accepted"] + ends["refused"] == ends["specs"] == 300
    assert not ends["slow"]
