"""The denoising loss against slow references."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import DDIMScheduler
from emosym_registry import EmosymError

B = 3


def _inputs(head, vectors_for, seed=11):
    latents = torch.randn(B, 4, 8, 8, generator=torch.Generator().manual_seed(seed))
    return latents, head.condition(vectors_for(head, B), ["a {emotion} street"] * B)


def _draws(latents, times=1000, seed=4):
    """The times and the noise that ``loss`` draws."""
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(0, times, (len(latents),), generator=generator)
    return index, torch.randn(latents.shape, generator=generator)


def _unet(head, noisy, time, condition):
    added = None
    if condition.pooled is not None:
        added = {"text_embeds": condition.pooled, "time_ids": condition.extra["time_ids"]}
    return head.unet(noisy, time, encoder_hidden_states=condition.hidden, added_cond_kwargs=added).sample


def _reference(head, prediction, gamma, latents, condition):
    """Picture by picture, from the definitions."""
    saved = DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    index, noise = _draws(latents)
    losses = []
    for i in range(len(latents)):
        x, e = latents[i : i + 1], noise[i : i + 1]
        if prediction == "flow":
            u = (int(index[i]) + 1) / 1000
            sigma = 3 * u / (1 + 2 * u)
            time, noisy, target = torch.tensor([sigma * 1000]), (1 - sigma) * x + sigma * e, e - x
            weight = sigma**2 * min(((1 - sigma) / sigma) ** 2, gamma) if gamma else 1.0
        else:
            kept = math.prod(1 - float(beta) for beta in saved.betas[: int(index[i]) + 1])
            a, s = math.sqrt(kept), math.sqrt(1 - kept)
            time, noisy, snr = index[i : i + 1], a * x + s * e, kept / (1 - kept)
            target = {"epsilon": e, "v_prediction": a * e - s * x, "sample": x}[prediction]
            divisor = {"epsilon": snr, "v_prediction": snr + 1, "sample": 1.0}[prediction]
            weight = min(snr, gamma) / divisor if gamma else 1.0
        with torch.no_grad():
            predicted = _unet(head, noisy, time, condition[i : i + 1])
        losses.append(float((predicted - target).square().mean()) * weight)
    return torch.tensor(losses)


@pytest.mark.parametrize("gamma", [None, 5.0])
@pytest.mark.parametrize(
    ("family", "prediction"),
    [
        ("sd", "epsilon"),
        ("sd", "v_prediction"),
        ("sd", "sample"),
        ("sd", "flow"),
        ("sdxl", "epsilon"),
        ("sdxl", "v_prediction"),
    ],
)
def test_the_loss_is_the_definition_picture_by_picture(open_head, vectors_for, family, prediction, gamma):
    head = open_head(family, prediction, min_snr_gamma=gamma)
    latents, condition = _inputs(head, vectors_for)
    ours = head.loss(latents, condition, torch.Generator().manual_seed(4))
    assert ours.shape == (B,)
    # The schedule's float32 cumulative product differs from the exact one by a few 1e-5.
    torch.testing.assert_close(
        ours, _reference(head, prediction, gamma, latents, condition), rtol=3e-4, atol=1e-6
    )


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample", "flow"])
def test_min_snr_weights_the_clean_pictures_error_the_same_for_every_prediction(open_head, prediction):
    """Whatever is predicted, weight · (prediction's error) = min(SNR, γ) · (error of the picture it
    implies)."""
    objective = open_head("sd", prediction, min_snr_gamma=5.0)._objective
    generator = torch.Generator().manual_seed(0)
    x, e, error = (torch.randn(4, 4, 2, 2, generator=generator, dtype=torch.float64) for _ in range(3))
    index = torch.tensor([3, 200, 600, 990])
    made = objective.at(x, e, index)
    # Two points fix the line x_t = a·x + s·e at each time.
    a = objective.at(torch.ones_like(x), torch.zeros_like(e), index).noisy[:, :1, :1, :1].double()
    s = objective.at(torch.zeros_like(x), torch.ones_like(e), index).noisy[:, :1, :1, :1].double()
    implied = {
        "epsilon": lambda out: (made.noisy - s * out) / a,
        "v_prediction": lambda out: a * made.noisy - s * out,
        "sample": lambda out: out,
        "flow": lambda out: made.noisy - s * out,
    }[prediction]
    snr = (a / s).square().flatten()
    picture = (implied(made.target + error) - x).square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(
        made.weight.double() * error.square().mean(dim=(1, 2, 3)),
        snr.clamp(max=5.0) * picture,
        rtol=1e-3,
        atol=1e-6,
    )


def test_weights_scale_each_pictures_loss(open_head, vectors_for):
    head = open_head("sd")
    latents, condition = _inputs(head, vectors_for)
    plain = head.loss(latents, condition, torch.Generator().manual_seed(4))
    weights = torch.tensor([0.0, 1.0, 2.5])
    weighted = head.loss(latents, condition, torch.Generator().manual_seed(4), weights)
    assert torch.equal(weighted, plain * weights)


def test_the_generator_decides_the_loss(open_head, vectors_for):
    head = open_head("sd")
    latents, condition = _inputs(head, vectors_for)
    first, again, other = (head.loss(latents, condition, torch.Generator().manual_seed(s)) for s in (4, 4, 5))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_gradient_checkpointing_gives_the_same_gradients(open_head, vectors_for):
    found = []
    for checkpointing in (False, True):
        head = open_head("sd", gradient_checkpointing=checkpointing)
        head.train()
        vectors = vectors_for(head, B, grad=True)
        latents, _ = _inputs(head, vectors_for)
        condition = head.condition(vectors, ["a {emotion} street"] * B)
        head.loss(latents, condition, torch.Generator().manual_seed(4)).sum().backward()
        found.append(vectors[0].grad)
    torch.testing.assert_close(*found)


def test_the_base_stays_frozen_and_in_eval_mode(open_head):
    head = open_head("sd")
    head.train()
    assert not any(parameter.requires_grad for parameter in head.parameters())
    assert not any(module.training for child in head.children() for module in child.modules())
    assert head.adapters() == {}


def test_latents_are_the_posteriors_mean_and_decode_to_the_autoencoders_own_picture(open_head):
    head = open_head("sd")
    pixels = torch.rand(10, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    latents = head.latents(pixels)
    vae = head.autoencoder.vae
    with torch.no_grad():
        mean = vae.encode(pixels).latent_dist.mean
        decoded = (vae.decode(mean).sample / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(latents, mean * vae.config.scaling_factor)
    torch.testing.assert_close(head.autoencoder.decode(latents), decoded)


def test_a_generator_draws_latents_from_the_posterior(open_head):
    head = open_head("sd")
    pixels = torch.zeros(2, 3, 16, 16)
    drawn, again = (head.latents(pixels, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(drawn, again)
    posterior = head.autoencoder.vae.encode(pixels).latent_dist
    noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(drawn, ((posterior.mean + posterior.std * noise) * 0.5).detach())


def test_one_error_for_a_whole_batch_is_refused(open_head, vectors_for, monkeypatch):
    head = open_head("sd")
    latents, condition = _inputs(head, vectors_for)
    monkeypatch.setattr(
        type(head), "error", lambda self, predicted, target: (predicted - target).square().mean()
    )
    with pytest.raises(EmosymError, match=r"\.error: expected \[3\], one value a sample, got \[\]"):
        head.loss(latents, condition, torch.Generator())
