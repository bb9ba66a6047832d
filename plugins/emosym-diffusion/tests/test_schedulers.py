"""Schedulers by name: which sample, which are refused, and what passes between families."""

from __future__ import annotations

import pytest
import torch
from emosym_diffusion.schedulers import _known, sampling_scheduler
from emosym_registry import EmosymError

SAVED = {
    "_class_name": "DDIMScheduler",
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0, "num_train_timesteps": 1000}
REPRODUCIBLE = sorted(name for name in _known() if not name.startswith("FlowMatch"))

USUAL = (
    *("DDIM", "DDPM", "DEISMultistep", "DPMSolverMultistep", "DPMSolverSinglestep", "LCM", "LMSDiscrete"),
    *("EulerAncestralDiscrete", "EulerDiscrete", "FlowMatchEulerDiscrete", "FlowMatchHeunDiscrete"),
    *("HeunDiscrete", "KDPM2AncestralDiscrete", "KDPM2Discrete", "PNDM", "TCD", "UniPCMultistep"),
)


@pytest.mark.parametrize("name", USUAL)
def test_the_usual_schedulers_are_found_by_name_with_and_without_the_suffix(name):
    saved = FLOW if name.startswith("FlowMatch") else SAVED
    for written in (name, f"{name}Scheduler"):
        assert type(sampling_scheduler(saved, written, {})).__name__ == f"{name}Scheduler"


def test_schedulers_that_fit_one_model_of_their_own_are_not_offered():
    assert not {"RePaintScheduler", "DDIMInverseScheduler", "UnCLIPScheduler"} & set(_known())


@pytest.mark.parametrize("name", REPRODUCIBLE)
def test_every_offered_scheduler_steps_reproducibly_to_a_finite_picture(name):
    """The denoiser here knows the answer (noise of one fixed picture), so whatever it does must stay finite
    and repeat."""
    from emosym_diffusion.sampling import denoise, draw_noise, schedule, start
    from emosym_diffusion.schedulers import fresh

    template = sampling_scheduler(SAVED, name, {})
    target = torch.full((2, 4, 4, 4), 0.5)
    results = []
    for batch in (2, 2, 1):
        scheduler = fresh(template)
        generators = [torch.Generator().manual_seed(seed) for seed in range(batch)]
        times = schedule(scheduler, 5, torch.device("cpu"), None)
        latents = start(scheduler, draw_noise(generators, (4, 4, 4), torch.device("cpu")), times, None)
        results.append(
            denoise(scheduler, lambda x, t: x - target[: len(x)], latents, times, generators, None)
        )
    assert torch.isfinite(results[0]).all()
    assert torch.equal(results[0], results[1])
    torch.testing.assert_close(results[0][:1], results[2])


def test_the_folders_own_scheduler_is_the_default_and_a_training_scheduler_is_not():
    assert type(sampling_scheduler(SAVED, None, {})).__name__ == "DDIMScheduler"
    made = sampling_scheduler(SAVED | {"_class_name": "DDPMScheduler"}, None, {})
    assert type(made).__name__ == "DPMSolverMultistepScheduler"
    assert made.config.beta_end == 0.012


def test_the_suffix_may_be_left_out_and_options_are_set():
    made = sampling_scheduler(SAVED, "EulerDiscrete", {"use_karras_sigmas": True})
    assert made.config.use_karras_sigmas is True
    assert made.config.beta_start == 0.00085


@pytest.mark.parametrize(
    ("saved", "name", "options", "error", "says"),
    [
        (
            SAVED,
            "UniPCMultistepSchedular",
            {},
            "diffusion.unknown-scheduler",
            'did you mean "UniPCMultistepScheduler"?',
        ),
        (SAVED, "AutoencoderKL", {}, "diffusion.unknown-scheduler", "DDIMScheduler"),
        (SAVED, None, {"beta_strat": 1}, "diffusion.scheduler-options", 'did you mean "beta_start"?'),
        (SAVED, "FlowMatchEulerDiscreteScheduler", {}, "diffusion.scheduler-mismatch", "epsilon prediction"),
        (FLOW, "DDIMScheduler", {}, "diffusion.scheduler-mismatch", "flow matching"),
    ],
)
def test_wrong_names_and_options_are_explained(saved, name, options, error, says):
    with pytest.raises(EmosymError) as caught:
        sampling_scheduler(saved, name, options)
    assert caught.value.id == error
    assert says in str(caught.value)


def test_a_flow_model_samples_with_a_solver_that_can_flow():
    made = sampling_scheduler(FLOW, "UniPCMultistepScheduler", {})
    assert (made.config.prediction_type, made.config.use_flow_sigmas, made.config.flow_shift) == (
        "flow_prediction",
        True,
        3.0,
    )


def test_a_flow_solver_finds_the_picture_a_straight_path_leads_to():
    """With the true velocity of one picture, every step stays on the line from noise to it."""
    from emosym_diffusion.sampling import denoise, schedule, start

    picture = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    for name in (None, "UniPCMultistepScheduler", "DPMSolverMultistepScheduler"):
        scheduler = sampling_scheduler(FLOW, name, {})
        times = schedule(scheduler, 6, torch.device("cpu"), None)
        latents = start(scheduler, noise, times, None)
        found = denoise(scheduler, lambda x, t: noise - picture, latents, times, [torch.Generator()], None)
        torch.testing.assert_close(found, picture, rtol=0, atol=2e-2)
