"""Some tries of the stage reinforce for people to read, as lines of ``rollouts.jsonl``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from emosym.contracts import Rollouts
from emosym.report import ROLLOUTS
from emosym.toolkit import read_json_lines
from emosym.toolkit.files import write_json_lines


class RolloutLog:
    """The file of a run. A line is one image at one step: ``step``, ``id``, ``label`` and ``tries``, each with its
    ``action``, the ``probability`` that its reading gives the action, ``rewards`` by name (null where one does not apply),
    their weighted ``total`` and the ``advantage`` over the mean of the image's tries."""

    def __init__(self, run: Path, names: Sequence[str]) -> None:
        self.path = run / ROLLOUTS
        self.names = names

    def forget_beyond(self, step: int) -> None:
        """Drop what was written of steps that will be done again."""
        if self.path.exists():
            write_json_lines(self.path, [line for line in read_json_lines(self.path) if line["step"] <= step])

    def write(
        self, step: int, rollouts: Rollouts, total: Tensor, each: Mapping[str, Tensor], images: int
    ) -> None:
        """Append the tries of the first ``images`` of a batch."""
        with self.path.open("a", encoding="utf-8") as file:
            for line in self._lines(rollouts, total, each, images):
                file.write(json.dumps({"step": step, **line}) + "\n")

    def _lines(
        self, rollouts: Rollouts, total: Tensor, each: Mapping[str, Tensor], images: int
    ) -> Iterator[dict[str, Any]]:
        own = rollouts.probabilities.gather(-1, rollouts.actions[..., None])[..., 0].tolist()
        advantages = (total - total.mean(1, keepdim=True)).tolist()
        for row, sample in enumerate(rollouts.samples[:images]):
            yield {
                "id": sample.id,
                "label": None if sample.label is None else self.names[sample.label],
                "tries": [
                    {
                        "action": self.names[action],
                        "probability": own[row][place],
                        "rewards": {name: _number(scores[row, place]) for name, scores in each.items()},
                        "total": float(total[row, place]),
                        "advantage": advantages[row][place],
                    }
                    for place, action in enumerate(rollouts.actions[row].tolist())
                ],
            }


def _number(score: Tensor) -> float | None:
    value = float(score)
    return value if math.isfinite(value) else None
