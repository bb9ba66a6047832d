"""Opening folders: what is read from them, and what a wrong one is told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from emosym_diffusion.config import StableDiffusionConfig
from emosym_diffusion.plugin import emosym_components
from emosym_diffusion.sd import StableDiffusion
from safetensors.torch import load_file, save_file


def test_the_light_module_and_the_configs_import_no_torch():
    code = (
        "import sys, emosym_diffusion.plugin; from emosym_diffusion import StableDiffusionConfig;"
        "print([m for m in ('torch', 'diffusers', 'transformers', 'peft') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_plugin_offers_both_heads():
    assert [(spec.kind, spec.name) for spec in emosym_components()] == [
        ("diffusion", "sd"),
        ("diffusion", "sdxl"),
    ]


def test_facts_of_the_heads(open_head):
    assert open_head("sd").token_widths == (24,)
    assert open_head("sdxl").token_widths == (24, 40)
    assert open_head("sd").image_size == (16, 16)
    assert open_head("sd", image_size=24).image_size == (24, 24)


def test_an_alias_of_the_component_names_a_folder(folder, context):
    aliased = replace(context, component="sd", aliases={("diffusion", "sd", "tiny"): folder("sd")})
    assert StableDiffusion(StableDiffusionConfig(model="tiny"), aliased).image_size == (16, 16)


def test_defaults_come_from_the_config_then_the_folder_then_the_paper(copied, folder, context):
    path = copied()
    (path / "emosym.json").write_text(json.dumps({"steps": 3, "guidance_scale": 2.0}))

    def defaults(model, **params):
        head = StableDiffusion(StableDiffusionConfig(model=str(model), **params), context)
        return head.default_steps, head.default_guidance_scale

    assert defaults(folder("sd")) == (50, 7.5)
    assert defaults(path) == (3, 2.0)
    assert defaults(path, steps=2, guidance_scale=0) == (2, 0.0)


@pytest.mark.parametrize("text", ["{", "[]", '{"steps": "many"}', '{"guidance_scale": -1}'])
def test_defaults_that_make_no_sense_are_refused(copied, refused, text):
    path = copied()
    (path / "emosym.json").write_text(text)
    error = refused("sd", path)
    assert error.id == "diffusion.bad-defaults"
    assert "emosym.json" in str(error)


def test_sampling_takes_the_defaults(copied, context, generators):
    path = copied()
    (path / "emosym.json").write_text(json.dumps({"steps": 3, "guidance_scale": 2.0}))
    head = StableDiffusion(StableDiffusionConfig(model=str(path)), context)
    condition = head.condition(None, ["a street"])
    silent = head.sample(condition, generators=generators(1))
    spoken = head.sample(condition, generators=generators(1), steps=3, guidance_scale=2.0)
    assert torch.equal(silent, spoken)


def test_another_autoencoder_takes_the_place_of_the_folders_own(copied, folder, context):
    other = copied("sdxl")
    file = other / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights["decoder.conv_out.bias"] += 1
    save_file(weights, file, metadata={"format": "pt"})
    heads = [
        StableDiffusion(StableDiffusionConfig(model=str(folder("sd")), vae=vae), context)
        for vae in (None, str(other), str(other / "vae"))
    ]
    biases = [float(head.autoencoder.vae.decoder.conv_out.bias[0]) for head in heads]
    assert biases[1] == biases[2] == pytest.approx(float(weights["decoder.conv_out.bias"][0]))
    assert biases[0] != biases[1]
    assert len({head.fingerprint() for head in heads}) == 2


def test_weights_saved_by_older_transformers_load_whole(copied, open_head, context):
    """Before version 5 the names began with text_model; a folder of that time must not start at random."""
    path = copied()
    file = path / "text_encoder" / "model.safetensors"
    old = {f"text_model.{name.removeprefix('text_model.')}": value for name, value in load_file(file).items()}
    save_file(old, file, metadata={"format": "pt"})
    head = StableDiffusion(StableDiffusionConfig(model=str(path)), context)
    assert head.fingerprint() == open_head("sd").fingerprint()


def test_a_text_encoder_of_another_width_is_refused(copied, folder, refused):
    path = copied("sdxl")
    shutil.rmtree(path / "text_encoder_2")
    from transformers import CLIPTextModelWithProjection

    other = CLIPTextModelWithProjection.from_pretrained(folder("sdxl"), subfolder="text_encoder_2").config
    other.hidden_size = 32
    CLIPTextModelWithProjection(other).save_pretrained(path / "text_encoder_2")
    error = refused("sdxl", path)
    assert error.id == "diffusion.misfit"
    assert "width 64" in str(error)
    assert "24 + 32" in str(error)


def test_an_encoder_that_would_pool_at_the_wrong_token_is_refused(copied, refused):
    path = copied("sdxl")
    file = path / "text_encoder_2" / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"eos_token_id": 7}))
    error = refused("sdxl", path)
    assert error.id == "diffusion.bad-end-token"


def test_a_transformer_model_is_refused(copied, refused):
    path = copied()
    (path / "unet").rename(path / "transformer")
    assert refused("sd", path).id == "diffusion.wrong-family"
