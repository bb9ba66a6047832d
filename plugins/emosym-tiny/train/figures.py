"""Where weights and figures go, and how they are written."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

WEIGHTS = Path(__file__).parents[1] / "emosym_tiny" / "weights"
FIGURES = Path(__file__).parent / "figures"


def half(model: nn.Module) -> dict[str, Tensor]:
    """State dict with floating-point tensors in fp16, tied tensors still tied."""
    seen: dict[int, Tensor] = {}

    def convert(value: Tensor) -> Tensor:
        if not value.is_floating_point():
            return value.clone()
        return seen.setdefault(value.data_ptr(), value.detach().to(torch.float16).contiguous())

    return {key: convert(value) for key, value in model.state_dict().items()}


def compact_tokenizer(folder: Path) -> None:
    """Rewrite ``tokenizer.json`` without indentation: half its size, the same content."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def parameters(model: nn.Module) -> int:
    """Number of parameters, tied ones once."""
    return sum(value.numel() for value in model.parameters())


def write_figures(name: str, *, start: float, **figures: object) -> None:
    """Write ``figures/name.json``; seconds are those of this run, from ``start`` (time.time())."""
    FIGURES.mkdir(exist_ok=True)
    module = Path(sys.argv[0]).stem
    command = " ".join(["python", "-m", f"train.{module}", *sys.argv[1:]])
    record = {"command": command, "seconds": round(time.time() - start, 1), **figures}
    (FIGURES / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record), flush=True)
