"""Published models at their real size, on the meta device."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from emosym_diffusion.config import StableDiffusionConfig, StableDiffusionXLConfig
from emosym_diffusion.footprint import KNOWN, SIZES
from emosym_diffusion.sd import StableDiffusion
from emosym_diffusion.sdxl import StableDiffusionXL
from emosym_registry import EmosymError

from emosym.contracts import Context, Footprint, LabelSet, Workload
from emosym.toolkit import known_folder

SD15, SDXL = "stable-diffusion-v1-5/stable-diffusion-v1-5", "stabilityai/stable-diffusion-xl-base-1.0"
VAE, CLIP_L, BIG_G = 83_653_863, 123_060_480, 694_659_840
TRAIN = Workload(2, autocast=torch.bfloat16)


def footprint(model: str, load: Workload = TRAIN, **params: object) -> Footprint:
    context = Context(LabelSet.of("mikels-8"), device=torch.device("cuda"), dtype=torch.bfloat16)
    cls, config = (
        (StableDiffusion, StableDiffusionConfig)
        if model == SD15
        else (StableDiffusionXL, StableDiffusionXLConfig)
    )
    found = cls.footprint(config(model=model, **params), context, load)
    assert found is not None
    return found


def test_stable_diffusion_has_its_published_size() -> None:
    found = footprint(SD15)
    assert found.details == {
        "unet_parameters": 859_520_964,
        "vae_parameters": VAE,
        "text_encoder_1_parameters": CLIP_L,
        "token_width_1": 768,
        "image_width": 512,
        "image_height": 512,
    }
    assert found.parameters == 859_520_964 + VAE + CLIP_L
    assert found.weight_bytes == 2 * found.parameters
    assert found.trainable == 0


def test_stable_diffusion_xl_has_its_published_size() -> None:
    found = footprint(SDXL, replace(TRAIN, samples=1))
    assert found.details == {
        "unet_parameters": 2_567_463_684,
        "vae_parameters": VAE,
        "text_encoder_1_parameters": CLIP_L,
        "text_encoder_2_parameters": BIG_G,
        "token_width_1": 768,
        "token_width_2": 1280,
        "image_width": 1024,
        "image_height": 1024,
    }
    assert found.parameters == 2_567_463_684 + VAE + CLIP_L + BIG_G


def test_an_adapter_trains_rank_times_in_plus_out() -> None:
    # Rank 4 on queries, keys, values and outputs of 16 blocks, with self and cross attention (text is 768 wide).
    widths = [320] * 5 + [640] * 5 + [1280] * 6
    wanted = sum(4 * (2 * 4 * 2 * w - 2 * w + 2 * 768) for w in widths)
    assert footprint(SD15, unet_lora={}).trainable == wanted == 797_184


@pytest.mark.slow
def test_smaller_pictures_hold_less() -> None:
    full = footprint(SD15)
    assert footprint(SD15, image_size=256).held_bytes < full.held_bytes / 3
    assert footprint(SD15, attention="plain").held_bytes > full.held_bytes
    assert footprint(SD15, image_size=(512, 256)).held_bytes == pytest.approx(full.held_bytes / 2, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "load", "recomputes"), [(True, None, True), (False, True, True), (True, False, False)]
)
def test_checkpointing_is_the_configs_unless_the_load_asks(
    config: bool, load: bool | None, recomputes: bool
) -> None:
    full = footprint(SD15)
    asked = footprint(SD15, replace(TRAIN, checkpointing=load), gradient_checkpointing=config)
    assert (full.checkpointing, asked.checkpointing) == (False, recomputes)
    assert (asked.peak_bytes < full.peak_bytes / 2) == recomputes
    assert (asked.peak_bytes == full.peak_bytes) != recomputes


def test_a_size_that_the_autoencoder_cannot_have_is_refused() -> None:
    with pytest.raises(EmosymError) as caught:
        footprint(SD15, image_size=(512, 300))
    assert caught.value.id == "diffusion.bad-size"


@pytest.mark.slow
def test_an_autoencoder_decodes_as_many_at_a_time_as_it_is_told() -> None:
    sampling = Workload(8, gradients=False, autocast=torch.bfloat16)
    whole, single, tiled = (
        footprint(SDXL, sampling, decode_batch=n, vae_tiling=tiled)
        for n, tiled in ((8, False), (1, False), (1, True))
    )
    assert whole.held_bytes == 0
    assert whole.peak_bytes > single.peak_bytes >= tiled.peak_bytes


def test_a_folder_that_is_not_there_yet_is_known_by_its_name() -> None:
    assert known_folder("models/stable-diffusion-xl-base-1.0", KNOWN) == SIZES / "sdxl-base"
    assert known_folder("somebody/else", KNOWN) is None
