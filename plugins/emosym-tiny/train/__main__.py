"""Every embedded model from scratch: ``python -m train`` in ``plugins/emosym-tiny``, or one by its name.

A stage that is done is not done again, and one that was interrupted goes on from its last checkpoint. The
model card is written last, from the figures that the stages measured.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import replace
from importlib import import_module

import torch

from train.card import write_card

STAGES = {
    "vae": "vae",
    "decoder": "decoder",
    "judge-resnet": "judge",
    "qwen-vl": "vlm",
    "sd": "diffusion",
    "sdxl": "diffusion",
    "llava": "vlm",
    "smolvlm": "vlm",
    "clip": "clip",
    "judge-clip": "judge",
    "sentence": "sentence",
}
"""Each model with the module that trains it, after those it starts from or is measured with."""


def train(stage: str, steps: int | None) -> None:
    """Build, train, measure and save one model."""
    module = import_module(f"train.{STAGES[stage]}")
    recipe = module.RECIPES[stage]
    torch.manual_seed(recipe.seed)
    module.train(replace(recipe, steps=steps or recipe.steps))


def main() -> None:
    """Train the stage that is named, or each in its own process, so that memory is free for the next."""
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    parser.add_argument("stage", nargs="?", choices=STAGES)
    parser.add_argument("--steps", type=int, help="fewer than the recipe's, for a trial")
    options = parser.parse_args()
    if options.stage:
        train(options.stage, options.steps)
        return
    for stage in STAGES:
        print(f"== {stage}", flush=True)
        subprocess.run([sys.executable, "-m", "train", stage], check=True)
    write_card()


if __name__ == "__main__":
    main()
