"""A reward is refused before the first step where no image has what it reads."""

from __future__ import annotations

import pytest
from emosym_registry import EmosymError

from emosym.contracts import Needs, Sample
from emosym.stages.reinforce import require_annotations

BARE = Sample("a", (b"",))
LABELLED = Sample("b", (b"",), 3)
SCENE = Sample("c", (b"",), None, {"scene": "street", "object": []})
READS = Needs(attributes=("scene", "object"))


@pytest.mark.parametrize(
    ("needs", "samples", "id"),
    [
        (Needs(labels=True), [BARE, SCENE], "reward.needs-labels"),
        (READS, [BARE, LABELLED], "reward.needs-attributes"),
        (Needs(attributes=("object",)), [SCENE], "reward.needs-attributes"),
    ],
)
def test_data_without_what_a_reward_reads_are_refused(needs: Needs, samples: list[Sample], id: str) -> None:
    with pytest.raises(EmosymError, match="reward mine reads") as error:
        require_annotations("mine", needs, samples)
    assert error.value.id == id


def test_one_image_that_has_it_is_enough() -> None:
    require_annotations("mine", Needs(labels=True), [BARE, LABELLED])
    require_annotations("mine", READS, [BARE, SCENE])
    require_annotations("mine", Needs(text=True, judge=True), [BARE])
