"""What a sample says of itself: distributions of labels, several pictures."""

from __future__ import annotations

import pytest
import torch
from emosym_registry import EmosymError
from PIL import Image

from emosym.contracts import Evidence, Sample
from emosym.head import cross_entropy

RED, BLUE = (Image.new("RGB", (4, 4), colour) for colour in ("red", "blue"))


def test_votes_give_a_label_where_there_is_none() -> None:
    assert Sample("a", (RED,), target=(0.1, 0.6, 0.3)).label == 1
    assert Sample("a", (RED,), 0, target=(0.1, 0.6, 0.3)).label == 0


@pytest.mark.parametrize("target", [(0.5, 0.6), (-0.1, 1.1), (3.0, 1.0)])
def test_votes_that_are_no_distribution_are_refused(target: tuple[float, ...]) -> None:
    with pytest.raises(EmosymError, match="sample a") as error:
        Sample("a", (RED,), target=target)
    assert error.value.id == "data.bad-target"


def test_the_cross_entropy_follows_votes_and_leaves_unlabelled_samples_out() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.5, 0.0, 0.0], [9.0, 0.0, 0.0]])
    samples = [Sample("a", (RED,), target=(0.2, 0.3, 0.5)), Sample("b", (RED,), 1), Sample("c", (RED,))]
    loss, accuracy = cross_entropy(logits, samples)
    log = logits[:2].log_softmax(-1)
    by_hand = -((torch.tensor([0.2, 0.3, 0.5]) * log[0]).sum() + log[1, 1]) / 2
    assert torch.allclose(loss, by_hand)
    assert accuracy == 0.5


def test_generation_paints_the_picture_that_a_sample_names() -> None:
    sample = Sample("pair", (RED, BLUE), target_image=1)
    assert sample.open_target().getpixel((0, 0)) == (0, 0, 255)
    with pytest.raises(EmosymError, match="pair: target_image is 2, it has 2 images"):
        Sample("pair", (RED, BLUE), target_image=2).open_target()


def test_evidence_has_votes_and_one_hot_labels_side_by_side() -> None:
    evidence = Evidence(("joy", "fear"), [Sample("a", (RED,), 1), Sample("b", (RED,), target=(0.75, 0.25))])
    assert evidence.labels.tolist() == [1, 0]
    assert evidence.targets.tolist() == [[0.0, 1.0], [0.75, 0.25]]
