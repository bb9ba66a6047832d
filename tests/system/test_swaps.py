"""One spec, every pair of a backbone and a head, with an adapter and without: nothing but ``--set`` differs."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import torch
from emosym_registry import Registry
from PIL import Image

from emosym.cli import main
from emosym.experiment.run import run_experiment
from emosym.spec import load_spec
from emosym.system import System

SPEC = Path(__file__).parents[2] / "configs" / "tiny.yaml"
CHEAP = (
    "data.params.train=96", "data.params.val=24", "data.params.test=48", "compute.precision=fp32",
    "stages.compress.batch_size=8", "stages.reinforce.batch_size=8", "stages.unify.batch_size=8",
    "reinforcer.params.rollouts=4",
)  # fmt: skip
LEARNS = {
    "compress": {"adapters", "tokens", "knowledge", "head"},
    "reinforce": {"adapters", "tokens", "head"},
    "unify": {"adapters", "tokens", "head", "fusion"},
}
EACH_ONCE = {("qwen-vl", "sd", "tokens-only"), ("llava", "sdxl", "lora"), ("hf-vlm", "sd", "lora")}
CELLS = [
    pytest.param(*cell, marks=[] if cell in EACH_ONCE else [pytest.mark.slow])
    for cell in product(("qwen-vl", "llava", "hf-vlm"), ("sd", "sdxl"), ("lora", "tokens-only"))
]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Models this small gain nothing from a second thread, and lose much where the cores have other work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[System]:
    """Every system that is saved, as it was trained and not as it is loaded."""
    systems: list[System] = []
    save = System.save

    def remembered(system: System, folder: Path | str) -> Path:
        systems.append(system)
        return save(system, folder)

    monkeypatch.setattr(System, "save", remembered)
    return systems


def _png(system: System) -> bytes:
    content = io.BytesIO()
    system.generate("awe", seed=5, steps=2)[0].image.save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(("backbone", "diffusion", "adapter"), CELLS)
def test_every_cell_trains_saves_loads_and_says_and_paints_the_same(
    backbone: str, diffusion: str, adapter: str, saved: list[System], registry: Registry, tmp_path: Path
) -> None:
    swap = [f"backbone.name={backbone}", f"diffusion.name={diffusion}"]
    swap.append(f"backbone.params.training={'frozen' if adapter == 'tokens-only' else 'lora'}")
    resolved = load_spec(SPEC, registry=registry, sets=[*CHEAP, *swap])
    run_experiment(resolved, registry, tmp_path, smoke=True, device="cpu")

    for stage, groups in LEARNS.items():
        gradients = json.loads((tmp_path / "evaluation" / f"gradients-{stage}.json").read_text())
        assert all(largest > 0 for largest in gradients.values())
        assert {name.partition("/")[0] for name in gradients} == groups - (
            {"adapters"} if adapter == "tokens-only" else set()
        )
    assert (tmp_path / "system" / "adapters.safetensors").exists() == (adapter == "lora")

    before = saved[-1]
    after = System.load(tmp_path, registry=registry, device="cpu", precision="fp32")
    assert after is not before
    assert _bare(after) == (backbone, diffusion)
    photo = Image.linear_gradient("L").convert("RGB").resize((90, 70))
    assert after.understand([photo]) == before.understand([photo])
    assert _png(after) == _png(before)


def _bare(system: System) -> tuple[str, str]:
    """The names of the two swapped components: a saved system writes each with the package that owns it."""
    spec = system.resolved.spec
    return spec.backbone.name.rpartition("/")[2], spec.diffusion.name.rpartition("/")[2]


def test_a_cell_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def emosym(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["emosym", *words])
        return main()

    monkeypatch.chdir(tmp_path)
    swap = ("backbone.name=llava", "diffusion.name=sdxl", *CHEAP)
    sets = [word for value in swap for word in ("--set", value)]
    assert emosym("run", str(SPEC), *sets, "--smoke", "--device", "cpu") == 0
    assert _bare(System.load(tmp_path / "runs" / "tiny-smoke", device="cpu")) == ("llava", "sdxl")
    assert (
        emosym(
            "generate", "--system", "runs/tiny-smoke", "--emotion", "awe", "--steps", "2", "--device", "cpu"
        )
        == 0
    )
    assert [path.name for path in (tmp_path / "generated").iterdir()] == ["awe-0.png"]
