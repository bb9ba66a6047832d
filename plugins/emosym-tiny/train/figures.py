"""Where weights and figures go, and how they are written."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from train.loop import WORK, Recipe

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


def write_json(path: Path, content: object) -> None:
    """Write indented JSON, making the folder where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


def compact_tokenizer(folder: Path) -> None:
    """Rewrite ``tokenizer.json`` without indentation: half its size, the same content."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def parameters(model: nn.Module) -> int:
    """Number of parameters, tied ones once."""
    return sum(value.numel() for value in model.parameters())


def share(hits: Tensor) -> float:
    """Share of true values, to four digits."""
    return round(hits.float().mean().item(), 4)


def write_figures(recipe: Recipe, **measured: object) -> None:
    """Write ``figures/NAME.json``: how the model was trained, in all its runs, and what was measured."""
    last = json.loads((WORK / f"{recipe.name}.jsonl").read_text().splitlines()[-1])
    trained = {"training_seconds": last["seconds"], "training_steps": last["step"]}
    made = {
        "command": f"python -m train {recipe.name}",
        "seed": recipe.seed,
        "batch": recipe.batch,
        **trained,
    }
    write_json(FIGURES / f"{recipe.name}.json", made | measured)
    print(made | measured, flush=True)
