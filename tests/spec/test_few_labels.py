"""A run of few labels is told where a judge knows more of them than its learner."""

from __future__ import annotations

import pytest
from emosym_registry import Registry, load_registry

from emosym.spec import load_spec

KNOWING = "judges.bank (open-clip) may have learned from labels"


@pytest.fixture(scope="module")
def installed() -> Registry:
    return load_registry()


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        (("data.params.labelled=80",), 1),
        (("data.params.label_fraction=0.1",), 1),
        ((), 0),
        (("data.params.labelled=80", "judges.bank=null"), 0),
        (("data.params.labelled=80", "judges.bank={name: probe, params: {model: tiny}}"), 0),
        (("data.params.labelled=80", "memory=null", "stages.unify.refresh=null"), 0),
        (("data.params.labelled=80", "stages.unify=null", "metrics=[accuracy]"), 0),
        (("data.params.labelled=80", "judges.reward={name: image-classifier, params: {model: tiny}}", "judges.evaluate=null", "metrics=[accuracy]"), 2),
    ],
)  # fmt: skip
def test_judges_that_know_hidden_labels_are_named(
    installed: Registry, sets: tuple[str, ...], told: int
) -> None:
    messages = load_spec("preset:tiny", registry=installed, sets=sets).messages
    found = [message for message in messages if "may have learned from labels that this run hides" in message]
    assert len(found) == told
    assert all(
        "judges that a run teaches itself have the capability within-run" in message for message in found
    )
    assert (KNOWING in "".join(found)) is bool(told)
