"""Does every trainable tensor receive a gradient? The question that dead embeddings would have answered at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from emosym_registry import EmosymError
from emosym_registry.errors import plural
from torch import nn

from emosym.toolkit import write_json


class Reachability:
    """Watches gradients over the first steps of a stage.

    Several steps, because a LoRA factor that starts at zero lets no gradient through to its partner in the first one.
    """

    STEPS = 4

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], before: Mapping[str, float] | None = None
    ) -> None:
        self.parameters = parameters
        self.largest = {**dict.fromkeys(parameters, 0.0), **(before or {})}

    def look(self) -> None:
        """Note the gradients that are there now."""
        for name, parameter in self.parameters.items():
            if parameter.grad is not None:
                self.largest[name] = max(self.largest[name], float(parameter.grad.abs().max()))

    def dead(self) -> list[str]:
        """Tensors that have had no gradient so far."""
        return [name for name, value in self.largest.items() if value == 0.0]

    def report(self, path: Path) -> None:
        """Write the largest gradient of every tensor; a tensor without one is an error."""
        write_json(path, self.largest)
        dead = self.dead()
        if dead:
            shown = ", ".join(dead[:8]) + (f" and {len(dead) - 8} more" if len(dead) > 8 else "")
            raise EmosymError(
                "training.dead-parameters", f"{plural(len(dead), 'trainable tensor')} without a gradient from this stage's loss: {shown}",
                hint="give their loss a weight, or leave their group out of the stage's train list; where a component ought to pass "
                f"the gradient on, `emosym plugins check` on it says whether it does; all gradients: {path}",
            )  # fmt: skip
