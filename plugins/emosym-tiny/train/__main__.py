"""Every embedded model from scratch, in order: ``python -m train`` in ``plugins/emosym-tiny``.

A stage that is done is not done again, and one that was interrupted goes on from its last checkpoint. The model card is
written last, from the figures that the stages measured.
"""

from __future__ import annotations

import subprocess
import sys

from train.card import write_card

STAGES = (
    ("train.vae",),
    ("train.judge", "resnet"),
    ("train.vlm", "qwen-vl"),
    ("train.diffusion", "sd"),
    ("train.diffusion", "sdxl"),
    ("train.vlm", "llava"),
    ("train.vlm", "smolvlm"),
    ("train.clip",),
    ("train.judge", "clip"),
)


def main() -> None:
    """Run each stage in a process of its own, so that one's memory is free for the next."""
    for module, *arguments in STAGES:
        print(f"== {module} {' '.join(arguments)}", flush=True)
        subprocess.run([sys.executable, "-m", module, *arguments], check=True)
    write_card()


if __name__ == "__main__":
    main()
