"""Checkpoints of a stage: what training changed, the optimiser, and the step."""

from __future__ import annotations

import io
import json
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from emosym_registry import EmosymError
from emosym_registry.errors import first_line

from emosym.storage import read_state, size_of, write_state
from emosym.toolkit import json_text, written_whole
from emosym.training.stage import Stage


class Checkpoint:
    """Saves a stage to ``folder`` and loads it from there."""

    def __init__(self, folder: Path, stage: Stage[Any], optimizer: torch.optim.Optimizer) -> None:
        self.folder = folder
        self.stage = stage
        self.optimizer = optimizer

    def save(self, step: int) -> None:
        """Replace the last checkpoint, whole or not at all."""
        parts = self.stage.system.state()
        # Through memory and not torch's own writer, whose errors do not say what the system said.
        optimizer = io.BytesIO()
        torch.save(self.optimizer.state_dict(), optimizer)
        facts = {"stage": self.stage.name, "step": step, "extra": self.stage.extra_state()}
        with written_whole(self.folder, size_of(parts) + optimizer.tell()) as partial:
            partial.mkdir(parents=True)
            write_state(partial, parts)
            (partial / "optimizer.pt").write_bytes(optimizer.getbuffer())
            (partial / "state.json").write_text(json_text(facts), encoding="utf-8")

    def load(self) -> int:
        """Load the last checkpoint if it is of this stage; returns the step to go on with, 0 where there is none."""
        state = self.state()
        if state is None or state["stage"] != self.stage.name:
            return 0
        try:
            self.stage.system.load_state(read_state(self.folder))
            self.optimizer.load_state_dict(torch.load(self.folder / "optimizer.pt", weights_only=True))
        except EmosymError as error:
            raise self._damaged(error.message) from error
        except (OSError, RuntimeError, ValueError, KeyError, EOFError, UnpicklingError) as error:
            raise self._damaged(f"{self.folder / 'optimizer.pt'} is damaged: {first_line(error)}") from error
        self.stage.load_extra_state(state["extra"])
        return int(state["step"])

    def state(self) -> dict[str, Any] | None:
        """The checkpoint's own facts, None where there is none."""
        path = self.folder / "state.json"
        try:
            return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        except (OSError, ValueError) as error:
            raise self._damaged(f"{path} is damaged: {first_line(error)}") from error

    def _damaged(self, what: str) -> EmosymError:
        return EmosymError(
            "run.damaged-checkpoint", what, hint=f"delete {self.folder} to restart its stage, then resume"
        )
