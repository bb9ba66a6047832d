"""The safety checker of a checkpoint: diffusers' own verdicts, opened late, and missed with one clear error."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from emosym_diffusion.config import StableDiffusionConfig
from emosym_diffusion.sd import StableDiffusion
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessor

EDGE, PARTS = 32, ("safety_checker", "feature_extractor")
NEVER, ALWAYS = 2.0, -2.0
"""Thresholds that no cosine reaches, and that every one does."""


def _edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def _checker(threshold: float) -> StableDiffusionSafetyChecker:
    torch.manual_seed(13)
    vision = {"image_size": EDGE, "patch_size": 8, "projection_dim": 8}
    sizes = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    config = CLIPConfig(vision_config=vision | sizes, text_config=sizes, projection_dim=8)
    checker = StableDiffusionSafetyChecker(config).eval()
    checker.concept_embeds.data.normal_()
    checker.concept_embeds_weights.data.fill_(threshold)
    checker.special_care_embeds_weights.data.fill_(NEVER)
    return checker


@pytest.fixture
def checked(copied):
    """A pipeline folder with a safety checker of this threshold."""

    def make(threshold: float) -> Path:
        path = copied()
        _checker(threshold).save_pretrained(path / "safety_checker")
        size = {"height": EDGE, "width": EDGE}
        CLIPImageProcessor(size={"shortest_edge": EDGE}, crop_size=size).save_pretrained(
            path / "feature_extractor"
        )
        _edit(
            path / "model_index.json",
            safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
            feature_extractor=["transformers", "CLIPImageProcessor"],
            requires_safety_checker=True,
        )
        return path

    return make


@pytest.fixture
def open_checked(context):
    return lambda path, **params: StableDiffusion(StableDiffusionConfig(model=str(path), **params), context)


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    """Noise, even colours and stripes."""
    made = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    made[2:4] = made[2:4, :, :1, :1]
    made[4:, :, ::2] = 0
    return made


def _set_threshold(path: Path, threshold: float) -> None:
    file = path / "safety_checker" / "model.safetensors"
    weights = load_file(file)
    weights["concept_embeds_weights"].fill_(threshold)
    save_file(weights, file, metadata={"format": "pt"})


def _nearest(path: Path, pictures: torch.Tensor) -> list[float]:
    """The highest cosine of each picture with a concept, as the checker itself scores it."""
    pipeline = StableDiffusionPipeline.from_pretrained(path)
    checker, shown = pipeline.safety_checker, pipeline.image_processor.postprocess(pictures * 2 - 1)
    pixels = pipeline.feature_extractor(shown, return_tensors="pt").pixel_values
    with torch.no_grad():
        embedded = checker.visual_projection(checker.vision_model(pixels)[1])
    return torch.cosine_similarity(embedded[:, None], checker.concept_embeds[None], dim=-1).amax(1).tolist()


def test_it_flags_what_diffusers_own_pipeline_flags(checked, open_checked, pictures):
    path = checked(NEVER)
    scores = sorted(_nearest(path, pictures))
    gap, low = max((high - low, low) for low, high in itertools.pairwise(scores))
    assert gap > 0.01  # Else rounding would decide.
    _set_threshold(path, low + gap / 2)
    pipeline = StableDiffusionPipeline.from_pretrained(path)
    _, theirs = pipeline.run_safety_checker(pictures.clone() * 2 - 1, "cpu", torch.float32)
    assert set(theirs) == {True, False}
    before = pictures.clone()
    for batch in (1, 8):
        assert open_checked(path, decode_batch=batch).screen(pictures).tolist() == theirs
    assert torch.equal(pictures, before)


@pytest.mark.parametrize(("threshold", "flagged"), [(NEVER, False), (ALWAYS, True)])
def test_a_threshold_decides_in_any_precision_and_without_a_word_of_diffusers(
    checked, open_checked, pictures, caplog, threshold, flagged
):
    head = open_checked(checked(threshold), dtype="bf16")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert head.screen(pictures).tolist() == [flagged] * 6
    assert head._safety._opened[0].dtype == torch.float32
    assert not caplog.messages


def test_nothing_is_flagged_where_it_is_left_out_or_the_model_has_none(
    checked, open_checked, open_head, pictures
):
    path = checked(ALWAYS)
    for head in (open_checked(path, safety_checker=False), open_head("sd"), open_head("sdxl")):
        assert head.screen(pictures).tolist() == [False] * 6


def test_it_is_opened_at_the_first_sampling_and_is_no_part_of_the_head(
    checked, open_checked, open_head, pictures, refused
):
    path = checked(NEVER)
    head, plain = open_checked(path), open_head("sd")
    torch.manual_seed(0)
    head.screen(pictures)
    drawn = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(3))
    assert head.state_dict().keys() == plain.state_dict().keys()
    assert head.fingerprint() == plain.fingerprint()
    file = path / "safety_checker" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    spoilt = open_checked(path)
    condition = spoilt.condition(None, ["a street"])
    assert spoilt.loss(torch.zeros(1, 4, 8, 8), condition, torch.Generator().manual_seed(0)).isfinite()
    with pytest.raises(Exception, match=r"safety_checker: model\.safetensors is damaged") as caught:
        spoilt.screen(pictures)
    assert caught.value.id == "diffusion.damaged-weights"


def test_one_as_stable_diffusion_1_5_has_it_is_read(checked, open_checked, pictures):
    """Names of weights from before transformers 5, a pickle, and the preprocessor's config of that time."""
    path = checked(ALWAYS)
    safe = path / "safety_checker" / "model.safetensors"
    old = {
        name.replace("vision_model.", "vision_model.vision_model.", 1): value
        for name, value in load_file(safe).items()
    }
    old["vision_model.vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    torch.save(old, safe.with_name("pytorch_model.bin"))
    safe.unlink()
    preprocessor = {
        "crop_size": EDGE,
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3,
        "size": EDGE,
    }
    (path / "feature_extractor" / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    head = open_checked(path)
    assert head.screen(pictures).all()
    checker, extractor = head._safety._opened
    for name, value in _checker(ALWAYS).state_dict().items():
        assert torch.equal(checker.state_dict()[name], value)
    assert extractor(pictures[0], do_rescale=False, return_tensors="pt").pixel_values.shape == (1, 3, 32, 32)


@pytest.mark.parametrize("part", PARTS)
def test_one_that_is_promised_and_not_there_is_an_error_that_says_how_to_do_without(
    checked, refused, open_checked, pictures, part
):
    path = checked(ALWAYS)
    shutil.rmtree(path / part)
    error = refused("sd", path)
    assert error.id == "diffusion.no-safety-checker"
    assert f"no file {part}/" in str(error)
    assert "diffusion.params.safety_checker: false" in str(error)
    assert not open_checked(path, safety_checker=False).screen(pictures).any()


def test_one_of_another_class_is_not_passed_over(checked, refused):
    path = checked(ALWAYS)
    _edit(path / "model_index.json", safety_checker=["deepfloyd_if", "IFSafetyChecker"])
    error = refused("sd", path)
    assert error.id == "diffusion.no-safety-checker"
    assert "a IFSafetyChecker, which is not known here" in str(error)


def test_one_that_asks_for_code_of_the_hub_is_refused(checked, open_checked, pictures):
    path = checked(ALWAYS)
    _edit(path / "safety_checker" / "config.json", _attn_implementation="somebody/kernel")
    with pytest.raises(Exception, match="code of the hub") as caught:
        open_checked(path).screen(pictures)
    assert caught.value.id == "diffusion.untrusted-code"


def test_weights_that_are_not_there_are_named_with_the_way_to_do_without(checked, open_checked, pictures):
    path = checked(ALWAYS)
    (path / "safety_checker" / "model.safetensors").unlink()
    with pytest.raises(Exception, match="safety_checker: false") as caught:
        open_checked(path).screen(pictures)
    assert caught.value.id == "diffusion.unreadable-component"
