"""What trains, what does not, and what is saved."""

from __future__ import annotations

import pytest
import torch
from emosym_registry import EmosymError
from emosym_vlm.adapter import linear_layers
from pydantic import ValidationError

from emosym.toolkit import hash_weights


def step(backbone, samples, vectors, **options):
    """One optimiser step on the adapters; gives every gradient's norm."""
    optimiser = torch.optim.AdamW(backbone.adapters().values(), lr=1e-2, **options)
    backbone(samples, vectors)[:, -1].square().mean().backward()
    norms = {name: float(parameter.grad.norm()) for name, parameter in backbone.adapters().items()}
    optimiser.step()
    return norms


@pytest.mark.parametrize(
    ("family", "adapter"),
    [
        ("qwen2_vl", {"dropout": 0.0}),
        ("qwen3_vl", {"targets": ["language", "vision", "projector"], "dropout": 0.0}),
        ("llava", {"type": "dora", "dropout": 0.0}),
        ("llava_onevision", {"targets": ["vision", "projector"], "dropout": 0.0}),
        ("idefics3", {"type": "rslora", "targets": ["projector"], "dropout": 0.0}),
    ],
)
def test_gradients_reach_tokens_and_every_adapter_tensor(family, adapter, build, samples, tokens):
    backbone = build(family, adapter=adapter).train()
    vectors = tokens(backbone, len(samples)).requires_grad_()
    # The second matrix of every pair starts at zero, so the first learns from the second step on.
    first = step(backbone, samples, vectors)
    assert all(norm > 0 for name, norm in first.items() if "lora_B" in name)
    backbone.zero_grad()
    second = step(backbone, samples, vectors)
    assert second
    assert [name for name, norm in second.items() if norm == 0] == []
    assert (vectors.grad.flatten(1).norm(dim=1) > 0).all()
    assert {name for name, p in backbone.named_parameters() if p.grad is not None} == {
        name for name, p in backbone.named_parameters() if p.requires_grad
    }


@pytest.mark.parametrize("checkpointing", [False, True])
def test_training_dropout_is_off_in_eval(checkpointing, build, samples, tokens):
    backbone = build("qwen2_vl", adapter={"dropout": 0.5}, gradient_checkpointing=checkpointing)
    vectors = tokens(backbone, len(samples))
    step(backbone.train(), samples, vectors)
    assert not torch.equal(backbone(samples, vectors), backbone(samples, vectors))
    prefix = backbone.encode(samples)
    assert backbone.model.training
    backbone.eval()
    assert torch.equal(backbone(samples, vectors), backbone(samples, vectors))
    torch.testing.assert_close(
        backbone.read(prefix, vectors), backbone(samples, vectors), atol=1e-5, rtol=1e-5
    )


def test_checkpointed_training_gives_the_same_gradients(build, samples, tokens):
    plain, saving = (
        build("qwen2_vl", adapter={"dropout": 0.0}, gradient_checkpointing=on).train() for on in (False, True)
    )
    vectors = tokens(plain, len(samples))
    wanted, got = step(plain, samples, vectors), step(saving, samples, vectors)
    assert got == pytest.approx(wanted, rel=1e-4, abs=1e-9)


def test_a_prefix_is_read_in_checkpointed_training(build, samples, tokens):
    backbone = build("qwen2_vl", gradient_checkpointing=True)
    prefix, vectors = backbone.encode(samples), tokens(backbone, len(samples)).requires_grad_()
    wanted = backbone.read(prefix, vectors)
    backbone.train()
    states = backbone.read(prefix, vectors)
    torch.testing.assert_close(states, wanted)
    states.square().sum().backward()
    assert vectors.grad.abs().sum(-1).gt(0).all()
    assert backbone.model.is_activation_checkpointing


def test_a_prefix_of_other_weights_is_stale(build, samples, tokens):
    backbone = build("qwen2_vl")
    vectors = tokens(backbone, len(samples))
    prefix = backbone.encode(samples)
    backbone.read(prefix, vectors)
    for change in (
        lambda: step(backbone, samples, vectors),
        # The fused kernel does not count a version.
        lambda: step(backbone, samples, vectors, fused=True),
        lambda: backbone.load_adapter_state(backbone.adapter_state()),
        lambda: torch.nn.init.zeros_(backbone.model.get_decoder().norm.weight),
    ):
        change()
        for use in (lambda old: backbone.read(old, vectors), backbone.write):
            with pytest.raises(EmosymError) as caught:
                use(prefix)
            assert caught.value.id == "backbone.stale-prefix"
        prefix = backbone.encode(samples)
        backbone.read(prefix, vectors)


def test_adapters_start_by_the_seed_alone(build):
    torch.manual_seed(1)
    one = build("llava", seed=5).adapter_state()
    torch.manual_seed(2)
    before = torch.get_rng_state()
    same, other = build("llava", seed=5).adapter_state(), build("llava", seed=6).adapter_state()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_adapter_state_is_the_adapter_and_brings_its_reading_back(build, samples, tokens):
    trained, fresh = build("qwen2_vl"), build("qwen2_vl", seed=9)
    vectors = tokens(trained, len(samples))
    step(trained, samples, vectors)
    step(trained, samples, vectors)
    state = trained.adapter_state()
    targets = linear_layers(build("qwen2_vl", training="frozen").model)["language"]
    assert trained.adapter_targets == targets
    assert sorted(state) == sorted(f"{name}.lora_{half}.weight" for name in targets for half in "AB")
    wanted = trained(samples, vectors)
    assert (fresh(samples, vectors) - wanted).abs().max() > 1e-3
    fresh.load_adapter_state(state)
    torch.testing.assert_close(fresh(samples, vectors), wanted)


def test_a_state_that_does_not_fit_is_refused_whole(build):
    backbone = build("qwen2_vl")
    good = backbone.adapter_state()
    some, other = sorted(good)[:2]
    for bad, word in (
        ({name: value for name, value in good.items() if name != some}, "missing"),
        ({**good, "stranger": good[some]}, "matched no more: stranger"),
        ({**good, some.replace(".weight", ".bias"): good[some]}, "unexpected"),
        ({**good, some: good[some][:1], other: good[other] + 1}, "another shape"),
    ):
        with pytest.raises(EmosymError, match=word) as caught:
            backbone.load_adapter_state(bad)
        assert caught.value.id == "backbone.adapter-mismatch"
    assert all(torch.equal(value, good[name]) for name, value in backbone.adapter_state().items())


@pytest.mark.parametrize("adapter", [None, {"type": "none"}])
def test_there_is_one_way_to_have_no_adapter(adapter, build):
    with pytest.raises(ValidationError, match="training: frozen"):
        build("idefics3", adapter=adapter)


def test_nothing_trains_in_a_frozen_model(build):
    backbone = build("idefics3", training="frozen")
    assert backbone.adapters() == {}
    assert backbone.adapter_state() == {}
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


def test_a_part_without_linear_layers_is_an_error(build):
    with pytest.raises(EmosymError, match="projector") as caught:
        build("gemma3", adapter={"targets": ["projector"]})
    assert caught.value.id == "backbone.no-adapter-target"


def test_the_weights_have_one_name_whatever_adapters_are_on_them(build):
    def name_of(backbone):
        return hash_weights(backbone, without=backbone.adapters().values())

    plain = name_of(build("qwen2_vl", training="frozen"))
    targets = ["language", "vision", "projector"]
    assert name_of(build("qwen2_vl", adapter={"rank": 2, "targets": targets})) == plain
    assert name_of(build("qwen2_vl", adapter={"type": "dora"}, seed=4)) == plain
    other = build("qwen2_vl", training="frozen")
    with torch.no_grad():
        next(other.parameters()).add_(1)
    assert name_of(other) != plain
