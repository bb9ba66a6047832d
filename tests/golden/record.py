"""Seeded losses of every stage under every preset, kept as files: a change that is no change of the method leaves them alone.

``python tests/golden/record.py`` writes them anew; a commit that does so says why.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOSSES = Path(__file__).parent / "losses"
STAGES = ("compress", "reinforce", "unify")
STEPS = 20
SETTINGS = {
    "compute": "{device: cpu, precision: fp32}",
    "data.params": "{train: 256, val: 32, test: 16}",
    "metrics": "[accuracy]",
    "judges.evaluate": "null",
    "evaluation": "{per_class: 2, sampling_steps: 1}",
    "stages.unify.refresh": "{every: 8, per_class: 1, sampling_steps: 4, guidance_scale: 3, confidences: all}",
    **{f"stages.{stage}.batch_size": "8" for stage in STAGES},
    **{f"stages.{stage}.steps": str(STEPS) for stage in STAGES},
    **{f"stages.{stage}.lr": "{}" for stage in ("reinforce", "unify")},
    "stages.compress.lr": "{tokens: 2.0e-3, knowledge: 2.0e-3, head: 2.0e-3}",
    "backbone.params.training": "lora",
    "compressor.params.tokens": "4",
    "head.reads": "emotion",
    "diffusion.params.attention": "sdpa",
    "stages.unify.fit_per_class": "null",
    "text_encoder": "{name: open-clip, params: {model: tiny}}",
    "stages.reinforce.calibrate": "false",
}
"""Small enough to be run by every test, with adapters and the bank at work, whatever the embedded preset makes of them."""
PAPER = {
    "compressor.params": "{symmetric: false, mask_identical: false, projection: text}",
    "rewards": "[confidence]",
    "reinforcer": "{name: paper}",
    "fusion.params": "{vectors: 1, context: mean, norm: free, standardise: false}",
    "emotion_space": "{name: diagonal}",
    "stages.reinforce.ce_weight": "1.0",
}
PRESETS: dict[str, dict[str, str]] = {
    "paper": PAPER,
    "official": PAPER | {"fusion.params": "{vectors: 1, context: mean, norm: free, standardise: false, activation: relu}"},
    "emosym": {"stages.reinforce.ce_weight": "0.5"},
}  # fmt: skip
SAME_EVERYWHERE = {
    "OMP_NUM_THREADS": "1",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2",
}
"""One thread and one instruction set, so that processors agree as far as they can."""


def losses_of(preset: str, folder: Path) -> dict[str, Any]:
    """Losses by stage and a hash of the weights after it, from a run as a user would start it."""
    sets = SETTINGS | {f"stages.{stage}.preset": preset for stage in STAGES} | PRESETS[preset]
    words = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    code = "import sys; from emosym.cli import main; sys.exit(main(sys.argv[1:]))"
    subprocess.run(
        [sys.executable, "-c", code, "run", "preset:tiny", "--out", str(folder), *words],
        env={**os.environ, **SAME_EVERYWHERE},
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    stages = {}
    for stage in STAGES:
        weights = hashlib.sha256()
        for path in sorted((folder / "checkpoints" / stage).glob("*.safetensors")):
            weights.update(path.name.encode() + path.read_bytes())
        losses = [line["loss"] for line in lines if line["stage"] == stage]
        stages[stage] = {"losses": losses, "weights": weights.hexdigest()}
    return {"machine": machine(), "stages": stages}


def machine() -> str:
    """What the last bits of a result may depend on."""
    import torch

    name = next(iter(_model_names()), platform.processor() or platform.machine())
    return f"{name}, torch {torch.__version__}"


def _model_names() -> Iterator[str]:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                yield line.partition(":")[2].strip()


def main() -> None:
    LOSSES.mkdir(exist_ok=True)
    for preset in sys.argv[1:] or PRESETS:
        with tempfile.TemporaryDirectory() as folder:
            found = losses_of(preset, Path(folder) / "run")
        (LOSSES / f"{preset}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(preset, {stage: values["losses"][-1] for stage, values in found["stages"].items()})


if __name__ == "__main__":
    main()
