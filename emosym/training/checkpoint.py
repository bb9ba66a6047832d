"""Checkpoints of a stage: what training changed, the optimiser, and the step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from emosym_registry import EmosymError
from safetensors.torch import save_file

from emosym.files import write_json, written_whole
from emosym.system import read_state
from emosym.training.run_folder import RunFolder

if TYPE_CHECKING:
    from emosym.training.loop import Stage


class Checkpoint:
    """Saves to and loads from ``checkpoints/last``."""

    def __init__(self, run: RunFolder, stage: Stage, optimizer: torch.optim.Optimizer) -> None:
        self.folder = run.checkpoint("last")
        self.stage = stage
        self.optimizer = optimizer

    def save(self, step: int) -> None:
        """Replace the last checkpoint, whole or not at all."""
        with written_whole(self.folder) as partial:
            partial.mkdir(parents=True)
            for name, tensors in self.stage.system.state().items():
                if tensors:
                    save_file(tensors, partial / f"{name}.safetensors")
            torch.save(self.optimizer.state_dict(), partial / "optimizer.pt")
            write_json(
                partial / "state.json",
                {"stage": self.stage.name, "step": step, "extra": self.stage.extra_state()},
            )

    def load(self) -> int:
        """Load the last checkpoint if it is of this stage; returns the step to go on with, 0 where there is none."""
        state = self.state()
        if state is None or state["stage"] != self.stage.name:
            return 0
        self.stage.system.load_state(read_state(self.folder))
        try:
            self.optimizer.load_state_dict(torch.load(self.folder / "optimizer.pt", weights_only=True))
        except (OSError, RuntimeError, ValueError) as error:
            raise EmosymError(
                "run.damaged-checkpoint",
                f"{self.folder} is damaged: {error}",
                hint="delete that folder to restart its stage",
            ) from error
        self.stage.load_extra_state(state["extra"])
        return int(state["step"])

    def state(self) -> dict[str, Any] | None:
        """The checkpoint's own facts, None where there is none."""
        path = self.folder / "state.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
