"""Settings of precision, placement, speed and memory: what they do, and that they change no picture."""

from __future__ import annotations

import shutil

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0
from emosym_diffusion.config import StableDiffusionConfig
from emosym_diffusion.hardware import set_attention
from emosym_diffusion.sd import StableDiffusion
from pydantic import ValidationError

from emosym.contracts import Condition

PROMPTS = ["a street", "a red street"]
META = torch.device("meta")


@pytest.fixture
def picture(generators):
    """Two pictures from a head."""

    def make(head, steps: int = 2) -> torch.Tensor:
        return head.sample(head.condition(None, PROMPTS), generators=generators(1, 2), steps=steps)

    return make


@pytest.fixture
def fresh(folder, context):
    """A head that a test may alter."""
    return lambda **params: StableDiffusion(StableDiffusionConfig(model=str(folder("sd")), **params), context)


# Precision.


@pytest.mark.parametrize(
    ("word", "means"),
    [
        *((word, word) for word in ("fp32", "bf16", "fp16", "auto")),
        *(("float32", "fp32"), ("bfloat16", "bf16"), ("float16", "fp16"), (None, "auto")),
    ],
)
def test_precisions_have_the_words_of_the_backbones_and_torchs_own(word, means):
    assert StableDiffusionConfig(model="m", dtype=word).dtype == means


@pytest.mark.parametrize("word", ["half", 16, ["fp16"]])
def test_other_words_for_precisions_are_refused(word):
    with pytest.raises(ValidationError, match="'auto', 'fp32', 'bf16' or 'fp16'"):
        StableDiffusionConfig(model="m", dtype=word)


def test_the_precision_is_the_configs_then_the_runs(folder, context):
    from dataclasses import replace

    run = replace(context, dtype=torch.bfloat16)

    def found(ctx, **params):
        head = StableDiffusion(StableDiffusionConfig(model=str(folder("sd")), **params), ctx)
        return {head.unet.dtype, head.towers[0].encoder.dtype, head.autoencoder.vae.dtype}

    assert found(context) == {torch.float32}
    assert found(run) == {torch.bfloat16}
    assert found(run, dtype="fp32") == {torch.float32}


# fp16 has 11 bits of precision, bf16 has 8.
@pytest.mark.parametrize(("dtype", "close"), [("bf16", 0.02), ("fp16", 0.002)])
def test_half_precision_keeps_float32_at_the_edges(open_head, vectors_for, generators, dtype, close):
    """On a CPU too."""
    head = open_head("sd", dtype=dtype)
    assert head.unet.dtype == getattr(torch, {"bf16": "bfloat16", "fp16": "float16"}[dtype])
    vectors = vectors_for(head, 1, grad=True)
    condition = head.condition(vectors, ["a {emotion}"])
    loss = head.loss(head.latents(torch.zeros(1, 3, 16, 16)), condition, torch.Generator().manual_seed(0))
    loss.sum().backward()
    assert loss.dtype == torch.float32
    assert vectors[0].grad.norm() > 0
    picture = head.sample(condition, generators=generators(1), steps=2)
    full = open_head("sd")
    exact = full.sample(full.condition(vectors, ["a {emotion}"]), generators=generators(1), steps=2)
    assert picture.dtype == torch.float32
    assert (picture - exact).abs().mean() < close


def test_an_autoencoder_that_overflows_in_fp16_stays_in_float32(open_head):
    """SDXL's says force_upcast, as do those that say nothing."""
    vae = open_head("sd", dtype="fp16").autoencoder.vae
    assert vae.config.force_upcast
    assert vae.dtype == torch.float32


def test_a_variants_files_are_read(folder, open_head, context, tmp_path, picture):
    """A folder as `variant="fp16"` leaves it on the hub: half precision under another file name, and nothing
    else."""
    path = shutil.copytree(folder("sd"), tmp_path / "sd")
    for component in ("unet", "vae", "text_encoder"):
        (file,) = (path / component).glob("*.safetensors")
        half = open_head("sd", dtype="fp16")
        part = {"unet": half.unet, "vae": half.autoencoder.vae.half(), "text_encoder": half.towers[0].encoder}
        file.unlink()
        part[component].save_pretrained(path / component, variant="fp16")
        assert {one.suffixes[0] for one in (path / component).glob("*.safetensors")} == {".fp16"}
    head = StableDiffusion(StableDiffusionConfig(model=str(path), variant="fp16"), context)
    assert head.unet.dtype == torch.float32
    assert (picture(head) - picture(open_head("sd"))).abs().mean() < 0.002


# Placement.


def test_parts_lie_where_the_device_map_says_and_stay_there(fresh):
    """The meta device stands for a card: it has shapes and a place, and no values to compute."""
    head = fresh(device_map={"unet": "meta"})
    assert head.device == META
    assert {p.device for p in head.unet.parameters()} == {META}
    assert {p.device.type for p in (*head.text.parameters(), *head.autoencoder.parameters())} == {"cpu"}
    assert head.to("cpu") is head
    assert head.device == META


def test_what_passes_between_parts_is_moved_to_the_unet(fresh, vectors_for):
    head = fresh(device_map={"unet": "meta"})
    vectors = vectors_for(head, 2, grad=True)
    condition = head.condition(vectors, ["a {emotion} street"] * 2)
    latents = head.latents(torch.zeros(2, 3, 16, 16))
    assert condition.hidden.device == latents.device == META
    assert condition.hidden.requires_grad
    loss = head.loss(latents, condition, torch.Generator().manual_seed(0))
    assert (loss.device, loss.shape) == (META, (2,))
    assert head._unconditional(3).hidden.device == META


def test_text_and_autoencoder_take_their_inputs_to_where_they_lie(fresh):
    head = fresh(device_map={"text": "meta", "vae": "meta"})
    vectors = torch.zeros(1, 2, 24)
    assert head.towers[0](["a {emotion}"], vectors).last_hidden_state.device == META
    assert head.autoencoder.encode(torch.zeros(1, 3, 16, 16), None).device == META
    assert head.autoencoder.decode(torch.zeros(1, 4, 8, 8)).device == META


def test_a_map_to_the_cpu_changes_no_picture(fresh, open_head, picture):
    head = fresh(device_map={"text": "cpu", "vae": "cpu"})
    torch.testing.assert_close(picture(head), picture(open_head("sd")), rtol=0, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="wants a CUDA card")
def test_on_a_card_the_parts_left_on_the_cpu_train_and_sample(folder, context, vectors_for, generators):
    from dataclasses import replace

    config = StableDiffusionConfig(model=str(folder("sd")), device_map={"text": "cpu", "vae": "cpu"})
    head = StableDiffusion(config, replace(context, device=torch.device("cuda")))
    vectors = vectors_for(head, 1, grad=True)
    condition = head.condition(vectors, ["a {emotion}"])
    head.loss(torch.zeros(1, 4, 8, 8), condition, torch.Generator().manual_seed(0)).sum().backward()
    assert vectors[0].grad.norm() > 0
    assert head.sample(condition, generators=generators(1), steps=2).device.type == "cuda"


@pytest.mark.parametrize("device", ["cuda:99", "gpu", 77])
def test_a_device_that_is_not_there_is_refused(refused, folder, device):
    error = refused("sd", folder("sd"), device_map={"vae": device})
    assert error.id == "diffusion.no-device"
    assert f"vae cannot lie on {device!r}" in str(error)
    assert "devices here: cpu" in str(error)


def test_other_parts_are_refused():
    with pytest.raises(ValidationError, match="'text', 'unet' or 'vae'"):
        StableDiffusionConfig(model="m", device_map={"text_encoder": "cpu"})


# Attention.


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_plain_attention_is_sdpa_up_to_rounding(open_head, family, picture):
    sdpa, plain = open_head(family, attention="sdpa"), open_head(family, attention="plain")
    assert {type(p) for p in sdpa.unet.attn_processors.values()} == {AttnProcessor2_0}
    assert {type(p) for p in plain.unet.attn_processors.values()} == {AttnProcessor}
    torch.testing.assert_close(picture(plain), picture(sdpa), rtol=0, atol=1e-5)


def test_attention_is_chosen_by_device_and_size(open_head):
    unet = open_head("sd").unet
    assert {type(p) for p in unet.attn_processors.values()} == {AttnProcessor}
    for device, width, wanted in (
        ("cpu", 32, AttnProcessor),
        ("cpu", 64, AttnProcessor2_0),
        ("cuda", 8, AttnProcessor2_0),
        ("cpu", (8, 64), AttnProcessor2_0),
    ):
        unet.set_attn_processor(AttnProcessor2_0())
        unet.register_to_config(sample_size=width)
        set_attention(unet, "auto", torch.device(device))
        assert {type(p) for p in unet.attn_processors.values()} == {wanted}


def test_xformers_without_xformers_says_what_to_install(refused, folder, monkeypatch):
    monkeypatch.setattr("diffusers.models.attention_processor.is_xformers_available", lambda: False)
    error = refused("sd", folder("sd"), attention="xformers")
    assert error.id == "diffusion.no-xformers"
    assert "pip install 'emosym-diffusion[xformers]'" in str(error)


def test_xformers_without_a_card_says_so(refused, folder, monkeypatch):
    monkeypatch.setattr("diffusers.models.attention_processor.is_xformers_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    error = refused("sd", folder("sd"), attention="xformers")
    assert error.id == "diffusion.no-xformers"
    assert "cuda" in str(error).lower()
    assert "attention: sdpa" in str(error)


# The autoencoder.


def _decoded(head, monkeypatch, batch, side):
    """What the autoencoder makes of latents, and the shapes that its decoder saw."""
    shapes = []
    forward = head.autoencoder.vae.decoder.forward
    monkeypatch.setattr(
        head.autoencoder.vae.decoder, "forward", lambda x: (shapes.append(tuple(x.shape)), forward(x))[1]
    )
    latents = torch.randn(batch, 4, side, side, generator=torch.Generator().manual_seed(0))
    return head.autoencoder.decode(latents), shapes


def test_slicing_decodes_one_by_one_to_the_same_pictures(open_head, monkeypatch):
    whole, at_once = _decoded(open_head("sd"), monkeypatch, 3, 8)
    sliced, one_by_one = _decoded(open_head("sd", vae_slicing=True), monkeypatch, 3, 8)
    assert at_once == [(3, 4, 8, 8)]
    assert one_by_one == [(1, 4, 8, 8)] * 3
    torch.testing.assert_close(sliced, whole, rtol=0, atol=1e-5)


def test_decode_batch_bounds_what_is_decoded_at_once(open_head, monkeypatch):
    whole, _ = _decoded(open_head("sd"), monkeypatch, 5, 8)
    chunked, shapes = _decoded(open_head("sd", decode_batch=2), monkeypatch, 5, 8)
    assert [shape[0] for shape in shapes] == [2, 2, 1]
    torch.testing.assert_close(chunked, whole, rtol=0, atol=1e-5)


def test_tiling_decodes_large_pictures_tile_by_tile_to_nearly_the_same(open_head, monkeypatch):
    whole, _ = _decoded(open_head("sd", image_size=32), monkeypatch, 1, 16)
    tiled, shapes = _decoded(open_head("sd", image_size=32, vae_tiling=True), monkeypatch, 1, 16)
    assert len(shapes) > 1
    assert max(max(shape[2:]) for shape in shapes) == 8
    assert tiled.shape == whole.shape
    # Group norms see a tile instead of the picture, and seams are blended: near, never the same.
    assert not torch.equal(tiled, whole)
    assert torch.corrcoef(torch.stack([tiled.flatten(), whole.flatten()]))[0, 1] > 0.8


def test_tiling_leaves_pictures_of_the_trained_size_alone(open_head, monkeypatch):
    whole, _ = _decoded(open_head("sd"), monkeypatch, 1, 8)
    tiled, shapes = _decoded(open_head("sd", vae_tiling=True), monkeypatch, 1, 8)
    assert shapes == [(1, 4, 8, 8)]
    assert torch.equal(tiled, whole)


# Compilation.


def _through(backend, monkeypatch):
    """Let ``compile: true`` use ``backend``; its graphs are counted."""
    graphs = []
    compiled = torch.nn.Module.compile

    def count(graph, inputs):
        graphs.append(graph)
        return backend(graph, inputs)

    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled(self, backend=count))
    return graphs


@pytest.mark.slow
def test_a_compiled_unet_is_one_graph_and_gives_the_same_pictures_and_gradients(
    fresh, open_head, picture, vectors_for, monkeypatch
):
    """Captured as always, run without generated code: a second instead of a minute."""
    from torch._dynamo import reset

    reset()
    graphs = _through(lambda graph, inputs: graph.forward, monkeypatch)
    head, plain = fresh(compile=True), open_head("sd")
    torch.testing.assert_close(picture(head), picture(plain), rtol=0, atol=1e-5)
    assert len(graphs) == 1
    assert head.fingerprint() == plain.fingerprint()
    found = []
    for one in (head, plain):
        vectors = vectors_for(one, 2, grad=True)
        condition = one.condition(vectors, ["a {emotion} street"] * 2)
        one.loss(torch.zeros(2, 4, 8, 8), condition, torch.Generator().manual_seed(4)).sum().backward()
        found.append(vectors[0].grad)
    torch.testing.assert_close(*found)


def test_a_compiled_unets_lora_trains_and_keeps_its_names(fresh, monkeypatch):
    from torch._dynamo import reset

    reset()
    _through(lambda graph, inputs: graph.forward, monkeypatch)
    head, plain = (fresh(unet_lora={"rank": 2}, compile=flag) for flag in (True, False))
    gradients = []
    for one in (head, plain):
        condition = one.condition(None, PROMPTS)
        one.loss(torch.zeros(2, 4, 8, 8), condition, torch.Generator().manual_seed(4)).sum().backward()
        gradients.append({name: parameter.grad for name, parameter in one.adapters().items()})
    torch.testing.assert_close(*gradients)


@pytest.mark.slow
def test_generated_code_gives_the_same_pictures(fresh, open_head, picture):
    torch.testing.assert_close(picture(fresh(compile=True)), picture(open_head("sd")), rtol=0, atol=1e-5)


# The cached empty prompt.


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_the_cached_empty_prompt_follows_the_text_encoders(folder, context, family, open_head):
    import copy

    head = copy.deepcopy(open_head(family))
    head._zero_empty = False
    kept = head._unconditional(1)
    assert torch.equal(head._unconditional(2).hidden[1:], kept.hidden)
    weights = {name: value + 0.1 for name, value in head.text.state_dict().items()}
    head.text.load_state_dict(weights)
    changed = head._unconditional(1)
    assert not torch.allclose(changed.hidden, kept.hidden)
    expected: Condition = head.condition(None, [""])
    assert torch.equal(changed.hidden, expected.hidden)
    head.text.double()
    assert head._unconditional(1).hidden.dtype == torch.float64
