"""Pictures that are not square: trained on, sampled, started from, and refused."""

from __future__ import annotations

import json
from importlib.resources import files

import diffusers
import pytest
import torch
from emosym_diffusion.config import StableDiffusionConfig
from emosym_diffusion.sd import StableDiffusion
from emosym_registry import EmosymError
from pydantic import ValidationError

FAMILIES = ("sd", "sdxl")
WIDTH, HEIGHT = 64, 96
PROMPTS = ["a {emotion} street", "{emotion}"]
FROM_TEXT = {"sd": "StableDiffusionPipeline", "sdxl": "StableDiffusionXLPipeline"}


@pytest.fixture
def embedded(open_head):
    """A head with the embedded weights, which paint 64×96 pixels."""

    def make(family, **params):
        path = str(files("emosym_tiny") / "weights" / family)
        return open_head(family, model=path, image_size=(WIDTH, HEIGHT), **params)

    return make


def _pixels(batch: int) -> torch.Tensor:
    return torch.rand(batch, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(8)) * 2 - 1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_of_tall_pictures_reaches_the_vectors(embedded, vectors_for, family):
    head = embedded(family)
    assert head.image_size == (WIDTH, HEIGHT)
    latents = head.latents(_pixels(2))
    factor = WIDTH // latents.shape[3]
    assert latents.shape == (2, head.autoencoder.channels, HEIGHT // factor, WIDTH // factor)
    vectors = vectors_for(head, 2, grad=True)
    loss = head.loss(latents, head.condition(vectors, PROMPTS), torch.Generator().manual_seed(4))
    loss.sum().backward()
    assert loss.shape == (2,)
    for vector in vectors:
        assert (vector.grad.norm(dim=-1) > 0).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_tall_pictures_are_those_of_diffusers_own_pipeline(embedded, generators, family):
    head = embedded(family)
    prompts = ["a street", "a dark street"]
    ours = head.sample(head.condition(None, prompts), generators=generators(1, 2), steps=2)
    pipeline = getattr(diffusers, FROM_TEXT[family]).from_pretrained(head.config.model)
    pipeline.scheduler = type(head._scheduler).from_config(head._scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    noise = [torch.randn(head.latents(_pixels(1)).shape, generator=one) for one in generators(1, 2)]
    theirs = pipeline(
        prompts,
        width=WIDTH,
        height=HEIGHT,
        latents=torch.cat(noise),
        num_inference_steps=2,
        guidance_scale=head.default_guidance_scale,
        output_type="pt",
    ).images
    assert ours.shape == (2, 3, HEIGHT, WIDTH)
    # channels_last and chunked decoding may change the order of sums.
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_weak_start_from_a_tall_picture_stays_nearer_to_it(embedded, generators, family):
    head = embedded(family)
    pixels = _pixels(2)
    kept = head.autoencoder.decode(head.latents(pixels))
    weak, strong = (
        head.sample(
            head.condition(None, ["a street"] * 2),
            generators=generators(1, 2),
            steps=5,
            guidance_scale=1.0,
            init_image=pixels,
            strength=strength,
        )
        for strength in (0.2, 1.0)
    )
    assert weak.shape == strong.shape == (2, 3, HEIGHT, WIDTH)
    assert (weak - kept).square().mean() < (strong - kept).square().mean()


def test_the_time_ids_are_height_before_width(embedded):
    condition = embedded("sdxl").condition(None, ["a street"] * 2)
    assert condition.extra["time_ids"].tolist() == [[HEIGHT, WIDTH, 0, 0, HEIGHT, WIDTH]] * 2


def test_a_denoiser_trained_on_wide_pictures_paints_them(copied, context):
    """diffusers writes the sample size of such a model as [height, width], in latents."""
    path = copied()
    file = path / "unet" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"sample_size": [8, 12]}))
    assert StableDiffusion(StableDiffusionConfig(model=str(path)), context).image_size == (24, 16)


def test_pictures_that_lie_on_their_side_are_refused(embedded, generators):
    head = embedded("sd")
    turned = _pixels(1).transpose(2, 3)
    for use in (
        lambda: head.latents(turned),
        lambda: head.sample(
            head.condition(None, ["a street"]), generators=generators(1), steps=1, init_image=turned
        ),
    ):
        with pytest.raises(EmosymError) as caught:
            use()
        assert caught.value.id == "diffusion.bad-pixels"
        assert f"[B,3,{HEIGHT},{WIDTH}]" in str(caught.value)
        assert f"{WIDTH}×{HEIGHT} pixels" in str(caught.value)


@pytest.mark.parametrize("size", [15, [16, 15], [15, 16]])
def test_a_side_that_is_no_multiple_of_the_factor_is_refused(refused, folder, size):
    error = refused("sd", folder("sd"), image_size=size)
    assert error.id == "diffusion.bad-size"
    assert "multiples of 2" in str(error)


@pytest.mark.parametrize("size", [4, [64], [64, 4], [64, 64, 64], "large"])
def test_what_is_no_size_is_refused_by_the_parameters(size):
    with pytest.raises(ValidationError):
        StableDiffusionConfig(model="m", image_size=size)
