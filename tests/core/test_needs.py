"""A component is refused before the first step where no image has what it reads."""

from __future__ import annotations

import pytest
from emosym_registry import EmosymError

from emosym.contracts import Sample
from emosym.experiment.preflight import require_annotations

BARE = Sample("a", (b"",))
LABELLED = Sample("b", (b"",), 3)
VOTED = Sample("c", (b"",), target=(0.25, 0.75))
SCENE = Sample("d", (b"",), None, {"scene": "street", "object": []})
BOTH = ("scene", "object")


@pytest.mark.parametrize(
    ("needs", "keys", "samples", "id"),
    [
        (("labels",), (), [BARE, SCENE], "data.no-labels"),
        (("attributes",), BOTH, [BARE, LABELLED], "data.no-attributes"),
        (("attributes",), ("object",), [SCENE], "data.no-attributes"),
    ],
)
def test_data_without_what_a_component_reads_are_refused(
    needs: tuple[str, ...], keys: tuple[str, ...], samples: list[Sample], id: str
) -> None:
    with pytest.raises(EmosymError, match="reward mine reads") as error:
        require_annotations("reward mine", needs, keys, samples)
    assert error.value.id == id


def test_one_image_that_has_it_is_enough() -> None:
    require_annotations("reward mine", ("labels",), (), [BARE, LABELLED])
    require_annotations("reward mine", ("labels",), (), [BARE, VOTED])
    require_annotations("reward mine", ("attributes",), BOTH, [BARE, SCENE])
    require_annotations("reward mine", ("text_encoder", "judge"), (), [BARE])
