"""Formats and places of the weights: precision, quantization, device maps, compilation."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from emosym_registry import EmosymError
from emosym_vlm import backbones, placing
from emosym_vlm.config import BackboneConfig, LlavaConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.integrations import dequantize_module_weight
from pydantic import ValidationError

from .families import BUILDERS, TEXT, VISION
from .test_adapters import step

quantizes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None,
    reason="bitsandbytes is not installed (emosym-vlm[4bit])",
)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl", "llava", "internvl"])
@torch.no_grad()
def test_bfloat16_reads_nearly_as_float32(family, attention, build, shared, samples, tokens):
    """Two or three digits of every number are left, so states of unit variance agree to a few hundredths."""
    exact, rough = shared(family), build(family, dtype="bf16", attention=attention)
    vectors = tokens(exact, len(samples))
    wanted, got = exact(samples, vectors), rough(samples, vectors)
    assert got.dtype == torch.float32
    assert (got - wanted).square().mean().sqrt() < 0.05 * wanted.square().mean().sqrt()
    assert not torch.equal(got, wanted)


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_quantization_without_bitsandbytes_says_what_to_install(kind, build, monkeypatch):
    monkeypatch.setattr(placing, "is_bitsandbytes_available", lambda: False)
    with pytest.raises(EmosymError) as caught:
        build("qwen2_vl", quantization=kind)
    assert caught.value.id == "backbone.no-bitsandbytes"
    assert "emosym-vlm[4bit]" in caught.value.hint


@pytest.fixture
def wide(tmp_path, monkeypatch):
    """A LLaVA whose widths are multiples of 64, as bitsandbytes needs them on a CPU."""
    for sizes in (TEXT, VISION):
        for name, value in {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 8}.items():
            monkeypatch.setitem(sizes, name, value)
    torch.manual_seed(0)
    for part in BUILDERS["llava"]("llava"):
        part.save_pretrained(tmp_path)
    return tmp_path


def round_weights(quantized, plain):
    """Give ``plain`` the values that the layers of ``quantized`` stand for: near its own, not the same."""
    rounded = 0
    for name, layer in quantized.named_modules():
        wraps, weight = isinstance(layer, BaseTunerLayer), getattr(layer, "weight", None)
        if wraps or weight is None or weight.dtype not in (torch.uint8, torch.int8):
            continue
        own = plain.get_submodule(name).weight
        if weight.dtype == torch.uint8:
            values = dequantize_module_weight(layer)
        else:
            values = weight.float() * weight.SCB[:, None] / 127
        assert 1e-4 < (values - own).norm() / own.norm() < 0.12
        own.copy_(values)
        rounded += 1
    return rounded


@quantizes
@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_quantized_weights_read_as_their_rounded_values_and_train(kind, wide, context, samples, tokens):
    backbone, rounded = (
        backbones.Llava(LlavaConfig(model=str(wide), quantization=how, adapter={"dropout": 0.0}), context)
        for how in (kind, "none")
    )
    vectors = tokens(rounded, len(samples))
    with torch.no_grad():
        assert round_weights(backbone.model, rounded.model) > 20
        wanted, got = rounded(samples, vectors), backbone(samples, vectors)
    # 8-bit layers round their inputs too, in half precision.
    close = 1e-4 if kind == "nf4" else 0.2
    assert (got - wanted).square().mean().sqrt() < close
    layer = backbone.model.get_decoder().layers[0].mlp.down_proj.base_layer.weight
    assert layer.dtype == (torch.uint8 if kind == "nf4" else torch.int8)
    prefix = backbone.encode(samples)
    torch.testing.assert_close(backbone.read(prefix, vectors), got, atol=close, rtol=close)
    assert backbone.to("cpu") is backbone
    norms = step(backbone.train(), samples, vectors)
    assert all(norm > 0 for name, norm in norms.items() if "lora_B" in name)
    with pytest.raises(EmosymError) as caught:
        backbone.merge()
    assert caught.value.id == "backbone.quantized-merge"


@quantizes
def test_widths_that_a_cpu_would_round_wrongly_are_refused(build):
    with pytest.raises(EmosymError, match=r"attn.qkv \(32\)") as caught:
        build("qwen2_vl", quantization="nf4")
    assert caught.value.id == "backbone.nf4-on-cpu"


@pytest.mark.parametrize("device_map", ["auto", {"": "cpu"}])
@torch.no_grad()
def test_a_device_map_reads_the_same(device_map, build, shared, samples, tokens):
    mapped, plain = build("qwen3_vl", device_map=device_map), shared("qwen3_vl")
    vectors = tokens(plain, len(samples))
    torch.testing.assert_close(mapped(samples, vectors), plain(samples, vectors), atol=1e-5, rtol=1e-5)
    assert mapped.to("meta") is mapped


@pytest.mark.parametrize("family", ["qwen3_vl", "llava"])
def test_tokens_enter_through_the_hooks_of_a_dispatched_model(family, build, shared, samples, tokens):
    """accelerate wraps the forward of every part of a map; here all parts are on one device."""
    mapped, plain = build(family), shared(family)
    decoder = mapped.model.get_decoder()
    for part in (
        mapped.model.get_encoder(modality="image"),
        decoder.embed_tokens,
        *decoder.layers,
        decoder.norm,
    ):
        add_hook_to_module(part, AlignDevicesHook(execution_device="cpu"))
    vectors = tokens(plain, len(samples)).requires_grad_()
    got = mapped(samples, vectors)
    torch.testing.assert_close(got, plain(samples, vectors), atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(got.square().mean(), vectors)
    assert (gradient.flatten(1).norm(dim=1) > 0).all()
    torch.testing.assert_close(mapped.read(mapped.encode(samples), vectors), got, atol=1e-5, rtol=1e-5)


def test_weights_left_on_disk_are_refused(build, tmp_path):
    with pytest.raises(EmosymError) as caught:
        build("llava", device_map={"model.vision_tower": "cpu", "": "disk"})
    assert caught.value.id == "backbone.offloaded"


@pytest.mark.slow
def test_compiled_layers_read_the_same_and_pass_gradients(build, shared, samples, tokens):
    compiled, plain = build("llava", compile=True), shared("llava")
    vectors = tokens(plain, len(samples)).requires_grad_()
    got, wanted = compiled(samples, vectors), plain(samples, vectors)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)
    gradients = [torch.autograd.grad(states.square().mean(), vectors)[0] for states in (got, wanted)]
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    "wrong", [{"device_map": "everywhere"}, {"quantization": "int3"}, {"trust_remote_code": True}]
)
def test_settings_that_are_not_there_are_refused(wrong):
    with pytest.raises(ValidationError):
        BackboneConfig(model="x", **wrong)
