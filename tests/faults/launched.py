"""What a launcher starts in each of several processes: the small run of the fault harness, perhaps stopped or broken."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

import torch
from emosym_registry import EmosymError, hookimpl, load_registry

from emosym.experiment.run import run_experiment
from emosym.training.stopping import Terminated

sys.path.insert(0, str(Path(__file__).parent))
from harness import small_spec


class At:
    """Stops the run after a step, as a cluster does."""

    def __init__(self, place: str) -> None:
        self.stage, _, self.step = place.partition(":")

    @hookimpl
    def emosym_step_finished(self, stage: str, step: int) -> None:
        if (stage, str(step)) == (self.stage, self.step):
            os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    words = argparse.ArgumentParser()
    words.add_argument("out", type=Path)
    words.add_argument("--stop", default="")
    words.add_argument("--fail", type=int, default=-1)
    given = words.parse_args()
    torch.set_num_threads(1)
    registry = load_registry()
    if int(os.environ.get("RANK", "0")) == given.fail:
        from emosym.stages.compress import Compress

        def broken(self: Compress, batch: object, generator: object) -> None:
            raise EmosymError("test.broken", "this process is broken", hint="mend it")

        Compress.forward = broken  # type: ignore[method-assign,assignment]
    try:
        run_experiment(
            small_spec(registry), registry, given.out,
            resume=(given.out / "spec.yaml").exists(), listeners=[At(given.stop)],
        )  # fmt: skip
    except Terminated:
        return 75
    except EmosymError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
