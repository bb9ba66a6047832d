"""Pictures that a safety checker flags, from the sampling to the file and the bank."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from emosym_registry import Registry
from PIL import Image
from torch import Tensor
from transformers import CLIPConfig, CLIPImageProcessorPil

from emosym.contracts import Watcher
from emosym.evaluation.probe import SystemProbe
from emosym.recipe import read_recipe
from emosym.request import Request
from emosym.system import System


class Seeing(Watcher):
    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def see(self, pictures: Tensor) -> None:
        self.seen.append(pictures)


@pytest.fixture(scope="module")
def system(run: Path, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> System:
    """The embedded system, whose diffusion model has a safety checker that flags all it sees."""
    plain = System.load(run, registry=registry, device="cpu", precision="fp32")
    head = plain.require_generation().diffusion
    model = tmp_path_factory.mktemp("models") / "sd"
    shutil.copytree(head.context.model_path("tiny"), model)
    torch.manual_seed(13)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {"image_size": 32, "patch_size": 8, **sizes}
    config = CLIPConfig(vision_config=vision, text_config=sizes, projection_dim=8)
    checker = StableDiffusionSafetyChecker(config)
    checker.concept_embeds_weights.data.fill_(-2.0)  # Below every cosine.
    checker.save_pretrained(model / "safety_checker")
    size = {"height": 32, "width": 32}
    extractor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size)
    extractor.save_pretrained(model / "feature_extractor")
    index = json.loads((model / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (model / "model_index.json").write_text(json.dumps(index))
    sets = [f"diffusion.params.model={model}"]
    return System.load(run, registry=registry, device="cpu", precision="fp32", sets=sets)


def _black(image: Image.Image) -> bool:
    return image.getbbox() is None


def test_what_is_flagged_is_black_and_says_so_once(
    system: System, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        made = system.generate("awe", n=3, seed=4, steps=2, batch_size=2)
    assert all(one.flagged and _black(one.image) and one.recipe["flagged"] is True for one in made)
    (said,) = caplog.messages
    assert "flagged 3 of 3 pictures" in said
    assert "other seeds or another prompt" in said
    file = made[0].save(tmp_path / "awe.png")
    recipe = read_recipe(file)
    assert recipe.flagged is True
    assert system.paint(recipe.request())[0].png() == made[0].png()


def test_what_is_not_flagged_has_no_mark(
    run: Path, registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = System.load(run, registry=registry, device="cpu", precision="fp32")
    (made,) = plain.generate("awe", steps=2)
    assert not made.flagged
    assert not _black(made.image)
    assert "flagged" not in made.recipe
    assert "flagged" not in read_recipe(made.save(tmp_path / "awe.png")).model_dump(exclude_none=True)
    assert not caplog.messages


def test_nobody_sees_it_on_its_way_either(system: System) -> None:
    watcher = Seeing()
    system.paint(Request("awe", steps=2), on_step=watcher)
    assert len(watcher.seen) == 2
    assert all(float(one.max()) == 0 for one in watcher.seen)


def test_pictures_for_measurements_are_screened_and_counted_once(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    generation = system.require_generation()
    states = generation.draw_states(torch.eye(8)[[1, 2, 3]], [5, 6, 7])
    assert all(_black(one) for one in SystemProbe(system, batch_size=2).paint(states, [5, 6, 7]))
    assert ["flagged 3 of 3" in said for said in caplog.messages] == [True]
