"""What is asked of judges, whoever has written them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from emosym_registry import ComponentSpec, EmosymError, InstalledPlugin, RegisteredComponent
from PIL import Image
from torch import Tensor

from emosym.contracts import ComponentConfig, Context, Judge, LabelSet
from emosym.judges import hold_to_probabilities

PICTURES = [Image.new("RGB", (4, 4))] * 2
OFFER = RegisteredComponent(
    InstalledPlugin("lab", "lab.plugin", "lab-flip", "0.1"),
    ComponentSpec("judge", "flip", "lab:Flip", "lab:Config"),
)


class Told(Judge[ComponentConfig]):
    """Answers what it is told."""

    identity = "told"
    answer: Tensor

    def probabilities(self, images: Sequence[Image.Image]) -> Tensor:
        return self.answer

    def features(self, images: Sequence[Image.Image]) -> Tensor:
        return torch.zeros(len(images), 1)


def told(rows: Any) -> Told:
    judge = Told(ComponentConfig(), Context(LabelSet(("awe", "fear"))))
    judge.answer = torch.tensor(rows)
    hold_to_probabilities(judge, OFFER)
    return judge


def test_probabilities_pass() -> None:
    assert told([[0.25, 0.75], [1.0, 0.0]]).probabilities(PICTURES).tolist() == [[0.25, 0.75], [1.0, 0.0]]


@pytest.mark.parametrize(
    "rows",
    [
        [[1.0, 1.0], [0.5, 0.5]],
        [[1.5, -0.5], [0.5, 0.5]],
        [[float("nan"), 1.0], [0.5, 0.5]],
        [[1.0], [1.0]],
        [0.5, 0.5],
    ],
)
def test_what_are_no_probabilities_names_the_judge(rows: Any) -> None:
    with pytest.raises(
        EmosymError, match=r"judge lab/flip \(lab-flip 0.1\) gives no probabilities \[2,2\]"
    ) as error:
        told(rows).probabilities(PICTURES)
    assert error.value.id == "judge.no-probabilities"
