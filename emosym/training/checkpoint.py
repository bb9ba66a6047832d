"""Checkpoints of a running stage: what training changed, the optimiser, the step and what the stage keeps beside them.

Each is a folder of its own, ``checkpoints/STAGE-STEP``, that appears whole or not at all; the newest counts, and as many
are kept as the spec says.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from torch import Tensor

from emosym.storage import read_state, size_of, write_state
from emosym.toolkit import json_text, written_whole
from emosym.training.stage import Stage

OPTIMIZER, KEPT = "optimizer", "kept"
"""The files of the optimiser's tensors and of those that the stage keeps, among those of the parts."""


@dataclass(frozen=True)
class Progress:
    """How far a stage has come: its optimiser ``step``, the ``seconds`` it took so far, ``elapsed`` of the whole run, and the
    largest gradient of each tensor while they are looked at."""

    step: int = 0
    seconds: float = 0.0
    elapsed: float = 0.0
    gradients: Mapping[str, float] = field(default_factory=dict)


class Checkpoints:
    """Those of one stage under ``folder``; the ``keep`` newest stay."""

    def __init__(
        self, folder: Path, stage: Stage[Any], optimizer: torch.optim.Optimizer, keep: int = 1
    ) -> None:
        self.folder = folder
        self.stage = stage
        self.optimizer = optimizer
        self.keep = keep

    def save(self, progress: Progress) -> None:
        """Write a checkpoint, whole or not at all, and then remove what is too old.

        Errors: ``training.not-finite``, ``files.disk-full``, ``run.cannot-write``; what was saved before stays.
        """
        parts = {
            **self.stage.system.state(),
            OPTIMIZER: _tensors(self.optimizer),
            KEPT: self.stage.kept(),
        }
        facts = {
            "stage": self.stage.name,
            **vars(progress),
            "extra": self.stage.extra_state(),
            "groups": self.optimizer.state_dict()["param_groups"],
        }
        with written_whole(self.folder / f"{self.stage.name}-{progress.step:08d}", size_of(parts)) as partial:
            partial.mkdir(parents=True)
            facts["files"] = write_state(partial, parts)
            (partial / "state.json").write_text(_signed(facts), encoding="utf-8")
        self.prune(self.keep)

    def prune(self, keep: int) -> None:
        """Remove all but the ``keep`` newest."""
        for old in steps_of(self.folder, self.stage.name)[: -keep or None]:
            shutil.rmtree(old)

    def load(self) -> Progress | None:
        """Put everything back as the newest checkpoint has it; None where there is none.

        Errors: ``run.damaged-checkpoint``, which says what to delete and where the run goes on then.
        """
        there = steps_of(self.folder, self.stage.name)
        if not there:
            return None
        newest, before = there[-1], there[-2] if there[1:] else None
        try:
            facts = read_facts(newest)
            parts = read_state(newest, facts["files"])
            for name in (OPTIMIZER, KEPT):
                if name not in parts and f"{name}.safetensors" in facts["files"]:
                    raise ValueError(f"{name}.safetensors is missing")
            tensors, kept = parts.pop(OPTIMIZER, {}), parts.pop(KEPT, {})
            self.stage.system.load_state(parts)
            self.optimizer.load_state_dict(
                {"state": _nested(tensors, self.optimizer), "param_groups": facts["groups"]}
            )
            self.stage.load_extra_state(facts["extra"])
            self.stage.load_kept(kept)
            return Progress(**{key: facts[key] for key in Progress.__dataclass_fields__})
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, EmosymError) as error:
            if isinstance(error, EmosymError) and not error.id.startswith("system."):
                raise
            what = error.message if isinstance(error, EmosymError) else f"{newest}: {first_line(error)}"
            then = f"go on from {before.name}" if before else f"begin stage {self.stage.name} again"
            hint = f"delete {newest} to {then}, then resume"
            raise EmosymError("run.damaged-checkpoint", what, hint=hint) from error


def steps_of(folder: Path, stage: str) -> list[Path]:
    """The checkpoints of a stage under a folder, the newest last."""
    named = re.compile(rf"{re.escape(stage)}-\d{{8,}}")
    there = folder.iterdir() if folder.is_dir() else ()
    return sorted(
        (one for one in there if named.fullmatch(one.name)), key=lambda one: (len(one.name), one.name)
    )


def read_facts(folder: Path) -> dict[str, Any]:
    """``state.json`` of a checkpoint; ValueError for one that was not written so."""
    path = folder / "state.json"
    try:
        facts: dict[str, Any] = json.loads(path.read_bytes())
        signature = facts.pop("sha256")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"state.json is damaged: {first_line(error)}") from error
    if signature != _signature(facts):
        raise ValueError("state.json is damaged: it is not the file that was saved (another sha256)")
    return facts


def _signed(facts: Mapping[str, Any]) -> str:
    plain = json.loads(json_text(facts))
    return json_text({**plain, "sha256": _signature(plain)})


def _signature(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state by parameter and name."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{key}": torch.as_tensor(value).detach().cpu().clone().contiguous()
        for index, values in state.items()
        for key, value in values.items()
    }


def _nested(tensors: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    """The inverse of :func:`_tensors`; a shape that is another parameter's is a ValueError."""
    state: dict[int, dict[str, Tensor]] = {}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        if value.shape not in (torch.Size(), parameters[int(index)].shape):
            raise ValueError(f"the optimiser's {name} has shape {tuple(value.shape)}")
        state.setdefault(int(index), {})[key] = value
    if tensors and len(state) != len(parameters):
        raise ValueError(f"the optimiser knows {len(state)} of {len(parameters)} tensors")
    return state
