"""Sampling against diffusers' own pipelines; a picture belongs to its seed and to nothing else."""

from __future__ import annotations

import diffusers
import pytest
import torch
from diffusers import (
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)
from emosym_registry import EmosymError

from emosym.contracts import Watcher

FAMILIES = ("sd", "sdxl")
PROMPTS = ["a dark street", "a red street"]
PIPELINES = {"sd": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}
FROM_PICTURE = {"sd": StableDiffusionImg2ImgPipeline, "sdxl": StableDiffusionXLImg2ImgPipeline}
# Same arithmetic; channels_last and chunked decoding may change the order of sums.
CLOSE = {"rtol": 0, "atol": 2e-5}


def _pipeline(cls, path, head):
    pipeline = cls.from_pretrained(path)
    if head.config.scheduler is not None:
        pipeline.scheduler = getattr(diffusers, head.config.scheduler).from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _noise(seeds):
    return torch.cat(
        [torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("prediction", "scheduler", "guidance"),
    [
        ("epsilon", None, 7.5),
        ("epsilon", "UniPCMultistepScheduler", 3.0),
        ("epsilon", "EulerDiscreteScheduler", 1.0),
        ("v_prediction", "DPMSolverMultistepScheduler", 5.0),
    ],
)
def test_it_samples_what_diffusers_own_pipeline_samples(
    open_head, folder, generators, family, prediction, scheduler, guidance
):
    head = open_head(family, prediction, scheduler=scheduler)
    condition = head.condition(None, PROMPTS)
    ours = head.sample(condition, generators=generators(1, 2), steps=3, guidance_scale=guidance)
    pipeline = _pipeline(PIPELINES[family], folder(family, prediction), head)
    theirs = pipeline(
        PROMPTS, latents=_noise((1, 2)), num_inference_steps=3, guidance_scale=guidance, output_type="pt"
    ).images
    torch.testing.assert_close(ours, theirs, **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_from_vectors_are_those_of_a_word_with_that_embedding(
    open_head, vectors_for, generators, folder, family
):
    """The whole way, through diffusers' pipeline with an altered vocabulary."""
    head = open_head(family)
    vectors = vectors_for(head, 1, n=1)
    ours = head.sample(head.condition(vectors, ["a {emotion} street"]), generators=generators(3), steps=3)
    pipeline = _pipeline(PIPELINES[family], folder(family), head)
    encoders = [pipeline.text_encoder] + ([pipeline.text_encoder_2] if family == "sdxl" else [])
    (row,) = pipeline.tokenizer("red", add_special_tokens=False).input_ids
    for encoder, vector in zip(encoders, vectors, strict=True):
        encoder.get_input_embeddings().weight.data[row] = vector[0, 0]
    theirs = pipeline(
        "a red street", latents=_noise((3,)), num_inference_steps=3, guidance_scale=7.5, output_type="pt"
    ).images
    torch.testing.assert_close(ours, theirs, **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("scheduler", "strength"),
    [(None, 0.6), ("DPMSolverMultistepScheduler", 0.9), ("HeunDiscreteScheduler", 0.5)],
)
def test_img2img_is_diffusers_img2img(open_head, folder, generators, family, scheduler, strength):
    head = open_head(family, scheduler=scheduler)
    pixels = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(8)) * 2 - 1
    ours = head.sample(
        head.condition(None, PROMPTS),
        generators=generators(1, 2),
        steps=4,
        guidance_scale=4.0,
        init_image=pixels,
        strength=strength,
    )
    pipeline = _pipeline(FROM_PICTURE[family], folder(family), head)
    theirs = pipeline(
        PROMPTS,
        image=head.latents(pixels),
        strength=strength,
        generator=generators(1, 2),
        num_inference_steps=4,
        guidance_scale=4.0,
        output_type="pt",
    ).images
    torch.testing.assert_close(ours, theirs, **CLOSE)


def test_a_weak_img2img_stays_nearer_to_its_picture(open_head, generators):
    head = open_head("sd", "v_prediction")
    pixels = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(8)) * 2 - 1
    kept = head.autoencoder.decode(head.latents(pixels))
    condition = head.condition(None, ["a street"] * 4)
    distances = [
        (
            head.sample(
                condition,
                generators=generators(1, 2, 3, 4),
                steps=10,
                guidance_scale=1.0,
                init_image=pixels,
                strength=s,
            )
            - kept
        )
        .square()
        .mean()
        for s in (0.1, 0.5, 1.0)
    ]
    assert distances[0] < distances[1] < distances[2]


@pytest.mark.parametrize(
    ("family", "prediction", "scheduler"),
    [
        ("sd", "epsilon", None),
        ("sdxl", "epsilon", None),
        ("sd", "epsilon", "EulerAncestralDiscreteScheduler"),
        ("sd", "epsilon", "DDPMScheduler"),
        ("sd", "flow", None),
        ("sd", "flow", "UniPCMultistepScheduler"),
    ],
)
def test_a_picture_does_not_depend_on_its_batch(
    open_head, vectors_for, generators, family, prediction, scheduler
):
    head = open_head(family, prediction, scheduler=scheduler)
    condition = head.condition(vectors_for(head, 8), ["a {emotion} street"] * 8)
    eight = head.sample(condition, generators=generators(*range(8)), steps=3, guidance_scale=3.0)
    assert eight.shape == (8, 3, 16, 16)
    assert eight.dtype == torch.float32
    assert eight.std() > 0.01
    for i in (0, 5):
        alone = head.sample(condition[i : i + 1], generators=generators(i), steps=3, guidance_scale=3.0)
        # Batched matrix products sum in another order.
        torch.testing.assert_close(alone[0], eight[i], rtol=0, atol=1e-4)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_picture(open_head, generators):
    head = open_head("sd", scheduler="EulerAncestralDiscreteScheduler")
    condition = head.condition(None, PROMPTS)
    first, again, other = (
        head.sample(condition, generators=generators(*seeds), steps=3) for seeds in ((1, 2), (1, 2), (1, 3))
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first[1], other[1], atol=1e-3)


def test_sampling_leaves_no_state_for_the_next_call(open_head, generators):
    """Multistep solvers keep earlier outputs; a second call must not see the first's."""
    head = open_head("sd", scheduler="PNDMScheduler")
    condition = head.condition(None, PROMPTS)
    first = head.sample(condition, generators=generators(1, 2), steps=4)
    head.sample(condition, generators=generators(5, 6), steps=7)
    assert torch.equal(first, head.sample(condition, generators=generators(1, 2), steps=4))


def test_guidance_one_and_zero_run_only_the_wanted_branch(open_head, generators, monkeypatch):
    head = open_head("sd")
    sizes = []
    forward = head.unet.forward
    monkeypatch.setattr(
        head.unet, "forward", lambda sample, *a, **k: (sizes.append(len(sample)), forward(sample, *a, **k))[1]
    )
    condition = head.condition(None, PROMPTS)
    pictures = [
        head.sample(condition, generators=generators(1, 2), steps=1, guidance_scale=g) for g in (0, 1, 2)
    ]
    assert sizes == [2, 2, 4]
    assert torch.equal(pictures[0], pictures[1])
    assert not torch.allclose(pictures[1], pictures[2], atol=1e-4)


def test_the_empty_prompt_is_encoded_once(open_head, generators, monkeypatch):
    head = open_head("sd", "sample")
    condition = head.condition(None, PROMPTS)
    head._empty = None
    calls = []
    forward = head.text[0].forward
    monkeypatch.setattr(head.text[0], "forward", lambda *a, **k: (calls.append(a), forward(*a, **k))[1])
    for batch in (2, 1):
        head.sample(condition[:batch], generators=generators(*range(batch)), steps=1)
    assert len(calls) == 1


def test_on_step_counts_to_the_end(open_head, generators):
    head = open_head("sd")
    seen = []
    head.sample(
        head.condition(None, PROMPTS[:1]),
        generators=generators(1),
        steps=3,
        on_step=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


class Seen(Watcher):
    """Keeps the pictures after every second step."""

    def __init__(self):
        self.pictures = []

    def wants(self, done, total):
        return done % 2 == 0

    def see(self, pictures):
        self.pictures.append(pictures)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_watcher_sees_the_picture_on_its_way_and_changes_nothing_of_it(open_head, generators, family):
    head, watcher = open_head(family), Seen()
    condition = head.condition(None, PROMPTS[:1])
    alone = head.sample(condition, generators=generators(1), steps=4)
    watched = head.sample(condition, generators=generators(1), steps=4, on_step=watcher)
    assert torch.equal(alone, watched)
    assert len(watcher.pictures) == 2
    assert not torch.equal(watcher.pictures[0], watched)
    assert torch.equal(watcher.pictures[1], watched)


def test_sampling_keeps_no_graph(open_head, vectors_for, generators):
    head = open_head("sd")
    condition = head.condition(vectors_for(head, 1, grad=True), ["{emotion}"])
    assert condition.hidden.requires_grad
    assert not head.sample(condition, generators=generators(1), steps=1).requires_grad


def test_wrong_inputs_are_refused(open_head, generators):
    head = open_head("sd")
    condition = head.condition(None, PROMPTS)
    picture = torch.zeros(2, 3, 16, 16)
    for error, inputs in (
        ("diffusion.bad-generators", {"generators": generators(1)}),
        ("diffusion.bad-pixels", {"generators": generators(1, 2), "init_image": picture[:, :, :8]}),
        ("diffusion.bad-pixels", {"generators": generators(1, 2), "init_image": picture[:1]}),
        ("diffusion.bad-strength", {"generators": generators(1, 2), "init_image": picture, "strength": 1.5}),
    ):
        with pytest.raises(EmosymError) as caught:
            head.sample(condition, steps=1, **inputs)
        assert caught.value.id == error


def test_strength_zero_keeps_the_picture(open_head, generators):
    head = open_head("sd")
    width, height = head.image_size
    picture = torch.linspace(-1, 1, 3 * height * width).reshape(1, 3, height, width)
    kept = head.sample(
        head.condition(None, ["a"]), generators=generators(1), steps=2, init_image=picture, strength=0
    )
    assert torch.allclose(kept, picture / 2 + 0.5)
