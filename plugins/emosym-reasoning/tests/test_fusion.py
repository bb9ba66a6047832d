"""Vectors for the diffusion prompt: shapes, scale, reachability."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from emosym_reasoning.config import FusionConfig, ResamplerConfig
from emosym_reasoning.fusions.additive import AdditiveFusion
from emosym_reasoning.fusions.concat import ConcatFusion
from emosym_reasoning.fusions.gated import GatedFusion
from emosym_reasoning.fusions.resampler import Resampler
from emosym_registry import EmosymError
from pydantic import ValidationError

from emosym.contracts import States

PAIRS = pytest.mark.parametrize("fusion", [AdditiveFusion, ConcatFusion, GatedFusion])


@PAIRS
@pytest.mark.parametrize("form", ["mean", "flatten"])
@pytest.mark.parametrize("norm", ["vocabulary", "free"])
def test_every_parameter_receives_a_gradient(context, states, draw, fusion, form, norm):
    module = fusion(FusionConfig(vectors=2, hidden=16, context=form, norm=norm), context)
    module.calibrate([0.5, 3.0], states(20))
    vectors = module(states(4))
    assert [tuple(part.shape) for part in vectors] == [(4, 2, 6), (4, 2, 9)]
    sum((part * draw(*part.shape)).sum() for part in vectors).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@PAIRS
def test_vectors_start_at_the_norm_of_the_vocabulary_and_learn_a_gain(context, states, fusion):
    module = fusion(FusionConfig(vectors=2, hidden=16), context)
    module.calibrate([0.5, 3.0], states(20))
    with torch.no_grad():
        module.log_gain[1, 0] = 0.5
    first, second = (part.norm(dim=-1) for part in module(states(4)))
    torch.testing.assert_close(first, torch.full((4, 2), 0.5))
    torch.testing.assert_close(second[:, 0], torch.full((4,), 3.0) * torch.tensor(0.5).exp())
    torch.testing.assert_close(second[:, 1], torch.full((4,), 3.0))


@PAIRS
def test_calibrated_inputs_do_not_depend_on_the_scale_of_the_states(context, states, fusion):
    data, few = states(30), states(3)
    config = FusionConfig(hidden=16)
    plain, shifted = fusion(config, context), fusion(config, context)
    plain.calibrate([1, 1], data)
    shifted.calibrate([1, 1], States(data.context * 50 + 7, data.emotion * 0.01 - 2))
    for one, other in zip(
        plain(few), shifted(States(few.context * 50 + 7, few.emotion * 0.01 - 2)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_feature_without_spread_is_not_amplified(context, states):
    data = states(30)
    data.emotion[:, 0] = 4.0
    module = AdditiveFusion(FusionConfig(hidden=16), context)
    module.calibrate([1, 1], data)
    assert float(module.emotion_std[0]) == 1


def test_paper_form_is_the_sum_of_two_mlps(context, states):
    module = AdditiveFusion(FusionConfig(vectors=1, norm="free", standardise=False), context)
    module.calibrate([1, 1], states(20))
    batch = states(4)
    wanted = module.from_emotion(batch.emotion) + module.from_context(batch.context.mean(1))
    torch.testing.assert_close(torch.cat([part[:, 0] for part in module(batch)], -1), wanted)


@pytest.mark.parametrize(("activation", "between"), [("gelu", F.gelu), ("relu", F.relu)])
def test_the_activation_stands_between_the_two_layers(context, states, activation, between):
    config = FusionConfig(vectors=1, norm="free", standardise=False, activation=activation)
    module, rows = AdditiveFusion(config, context), states(4).emotion
    first, _, second = module.from_emotion
    torch.testing.assert_close(module.from_emotion(rows), second(between(first(rows))))


@PAIRS
def test_start_depends_on_the_seed_alone(context, states, fusion):
    torch.manual_seed(1)
    one = fusion(FusionConfig(hidden=16), context)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    two = fusion(FusionConfig(hidden=16), context)
    assert torch.equal(torch.get_rng_state(), before)
    batch = states(2)
    assert all(torch.equal(a, b) for a, b in zip(one(batch), two(batch), strict=True))
    three = fusion(FusionConfig(hidden=16), dataclasses.replace(context, seed=6))
    assert not torch.equal(one(batch)[0], three(batch)[0])


def test_calibration_travels_with_the_state_dict(context, states):
    module, fresh = (AdditiveFusion(FusionConfig(hidden=16), context) for _ in range(2))
    module.calibrate([0.5, 3.0], states(20))
    fresh.load_state_dict(module.state_dict())
    batch = states(2)
    assert torch.equal(fresh(batch)[1], module(batch)[1])


def test_a_fusion_without_a_diffusion_head_is_refused(context):
    with pytest.raises(EmosymError, match="needs a diffusion head"):
        AdditiveFusion(FusionConfig(), dataclasses.replace(context, token_widths=()))


def test_a_gate_lies_between_what_emotion_and_context_say(context, states):
    module = GatedFusion(FusionConfig(vectors=1, norm="free", standardise=False), context)
    batch = states(4)
    emotion, mean = batch.emotion, batch.context.mean(1)
    parts = module.from_emotion(emotion), module.from_context(mean)
    gate = module.gate(torch.cat([emotion, mean], -1)).sigmoid()
    mixed = torch.cat([part[:, 0] for part in module(batch)], -1)
    torch.testing.assert_close(mixed, gate * parts[0] + (1 - gate) * parts[1])
    low, high = torch.minimum(*parts), torch.maximum(*parts)
    assert bool(((mixed >= low - 1e-6) & (mixed <= high + 1e-6)).all())


@pytest.mark.parametrize("norm", ["vocabulary", "free"])
@pytest.mark.parametrize("layers", [1, 3])
def test_every_parameter_of_the_resampler_receives_a_gradient(context, states, draw, norm, layers):
    module = Resampler(ResamplerConfig(vectors=2, width=16, heads=4, layers=layers, norm=norm), context)
    module.calibrate([0.5, 3.0], states(20))
    vectors = module(states(4))
    assert [tuple(part.shape) for part in vectors] == [(4, 2, 6), (4, 2, 9)]
    sum((part * draw(*part.shape)).sum() for part in vectors).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_resampler_tells_apart_what_a_mean_cannot(context, states):
    """The same context states at other places have the same mean, and say something else."""
    batch = states(3)
    turned = States(batch.context.flip(1), batch.emotion)
    mean = AdditiveFusion(FusionConfig(hidden=16), context)
    torch.testing.assert_close(mean(batch)[0], mean(turned)[0])
    each = Resampler(ResamplerConfig(width=16, heads=2), context)
    assert float((each(batch)[0] - each(turned)[0]).detach().abs().max()) > 1e-3


def test_the_resampler_starts_from_its_seed_and_needs_whole_heads(context, states):
    config, batch = ResamplerConfig(width=16, heads=2), states(2)
    torch.manual_seed(1)
    one = Resampler(config, context)
    torch.manual_seed(2)
    assert torch.equal(Resampler(config, context)(batch)[1], one(batch)[1])
    with pytest.raises(ValidationError, match="expected heads that divide width 16, found 3"):
        ResamplerConfig(width=16, heads=3)
    with pytest.raises(EmosymError, match="takes each context state for itself"):
        Resampler(config, dataclasses.replace(context, context_tokens=0))
