"""Several processes of one run (`torchrun`, `accelerate launch`): what the first has is shared, and it alone writes."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from accelerate import PartialState
from emosym_registry import EmosymError

T = TypeVar("T")
PATIENCE = timedelta(hours=6)
"""How long processes wait for the first one, which paints and judges the bank's images and evaluates alone."""


def world() -> int:
    """How many processes the run has; 1 where nobody has launched more."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this is the process that writes."""
    return world() == 1 or dist.get_rank() == 0


def meet(device: torch.device) -> torch.device:
    """Let the processes that a launcher has started find each other, and give each an accelerator of its own.

    Returns the device of this process: ``device`` itself where there is one process, or on a CPU.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return device
    if not (dist.is_available() and dist.is_initialized()):
        PartialState(cpu=device.type == "cpu", timeout=PATIENCE)
        atexit.register(_part)
    if device.type == "cpu" or device.index is not None:
        return device
    return torch.device(device.type, int(os.environ.get("LOCAL_RANK", "0")))


def _part() -> None:
    """End gloo's threads before the interpreter does: one that still runs then may abort a process that has done its work."""
    if dist.is_initialized() and dist.get_backend() == "gloo":
        dist.destroy_process_group()


def from_first(make: Callable[[], T]) -> T:
    """What ``make`` gives in the first process, in every one; its error is everybody's."""
    if world() == 1:
        return make()
    box: list[Any] = [None, ""]
    if is_first():
        try:
            box[0] = make()
        except Exception as error:
            box[1] = f"{type(error).__name__}: {error}"
            dist.broadcast_object_list(box, src=0)
            raise
    dist.broadcast_object_list(box, src=0)
    value, failure = box
    if failure:
        raise EmosymError(
            "processes.first-failed", f"the first process failed: {failure}", hint="see its message"
        )
    return cast(T, value)


def of_another(error: Exception) -> bool:
    """Whether an error only says that another process of the run has gone."""
    if world() == 1 or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()


def any_says(word: bool) -> bool:
    """Whether any process says yes; all of them ask at the same time."""
    return mean_of({"": float(word)})[""] > 0


def mean_of(values: dict[str, float]) -> dict[str, float]:
    """The mean over the processes of figures that all of them have."""
    if world() == 1:
        return values
    names = sorted(values)
    table = torch.tensor([values[name] for name in names], dtype=torch.float64)
    if dist.get_backend() == "nccl":
        table = table.cuda()
    dist.all_reduce(table)
    means = dict(zip(names, (table / world()).tolist(), strict=True))
    return {name: means[name] for name in values}
