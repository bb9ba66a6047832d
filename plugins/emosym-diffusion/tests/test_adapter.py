"""The UNet's LoRA and the fingerprint of what makes the pictures."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from emosym_diffusion.config import StableDiffusionConfig
from emosym_diffusion.sd import StableDiffusion
from emosym_registry import EmosymError

LORA = {"rank": 2, "alpha": 4.0}


@pytest.fixture
def adapted(folder, context):
    """A fresh head with a LoRA, for a test to train."""

    def make(seed: int = 5, dtype: str = "auto", **lora) -> StableDiffusion:
        config = StableDiffusionConfig(model=str(folder("sd")), dtype=dtype, unet_lora=LORA | lora)
        return StableDiffusion(config, replace(context, component="sd", seed=seed))

    return make


def _train(head, steps=3):
    optimizer = torch.optim.Adam(head.adapters().values(), lr=1e-2)
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    condition = head.condition(None, ["a red street"] * 2)
    losses = []
    for _ in range(steps):
        loss = head.loss(latents, condition, torch.Generator().manual_seed(0)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_only_the_adapter_trains_and_it_lowers_the_loss(adapted):
    head = adapted()
    base = {name: value.clone() for name, value in head.state_dict().items() if "lora_" not in name}
    losses = _train(head, steps=4)
    assert losses[-1] < losses[0]
    assert all(
        parameter.grad is not None and parameter.grad.norm() > 0 for parameter in head.adapters().values()
    )
    trainable = {name for name, parameter in head.named_parameters() if parameter.requires_grad}
    assert trainable == {f"unet.{name}" for name in head.adapters()}
    after = head.state_dict()
    assert all(torch.equal(after[name], value) for name, value in base.items())


def test_the_adapter_of_a_half_precision_base_trains_in_float32(adapted):
    head = adapted(dtype="bf16")
    before = head.adapter_state()[
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_B.default.weight"
    ].clone()
    _train(head, steps=1)
    assert {parameter.dtype for parameter in head.adapters().values()} == {torch.float32}
    after = head.adapter_state()[
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_B.default.weight"
    ]
    assert not torch.equal(before, after)


def test_a_new_adapter_changes_no_prediction(adapted, open_head):
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    losses = [
        head.loss(latents, head.condition(None, ["a street"] * 2), torch.Generator().manual_seed(0))
        for head in (adapted(), open_head("sd"))
    ]
    torch.testing.assert_close(*losses)


def test_its_start_comes_from_the_seed_alone(adapted):
    first = adapted().adapter_state()
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    again, other = adapted().adapter_state(), adapted(seed=6).adapter_state()
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(again[name], value) for name, value in first.items())
    assert any(not torch.equal(other[name], value) for name, value in first.items())


def test_the_adapter_saves_and_loads(adapted, generators):
    head, other = adapted(), adapted(seed=6)
    _train(head)
    state = {name: value.clone() for name, value in head.adapter_state().items()}
    assert all("lora_" in name for name in state)
    other.load_adapter_state(state)
    pictures = [
        one.sample(one.condition(None, ["a street"]), generators=generators(1), steps=2)
        for one in (head, other)
    ]
    assert torch.equal(*pictures)
    assert head.fingerprint() == other.fingerprint()


def test_a_state_that_does_not_fit_is_refused_whole(adapted):
    head = adapted()
    before = {name: value.clone() for name, value in head.adapter_state().items()}
    changed = {name: value + 1 for name, value in before.items()}
    name = next(iter(changed))
    for wrong in (
        {key: value for key, value in changed.items() if key != name},
        changed | {"extra": torch.zeros(1)},
        changed | {name: torch.zeros(1)},
    ):
        with pytest.raises(EmosymError) as caught:
            head.load_adapter_state(wrong)
        assert caught.value.id == "diffusion.adapter-mismatch"
    assert all(torch.equal(head.adapter_state()[key], value) for key, value in before.items())


@pytest.mark.parametrize("targets", [["to_nothing"], ["to_q", "to_nothing"]])
def test_a_target_that_fits_nothing_is_refused_beside_one_that_fits_too(adapted, targets):
    with pytest.raises(EmosymError) as caught:
        adapted(targets=targets)
    assert caught.value.id == "diffusion.bad-lora-targets"
    assert "no layer of the UNet is called to_nothing" in str(caught.value)


def test_the_matched_layers_are_recorded(adapted, open_head):
    head = adapted(targets=["to_q", "attn2.to_k"])
    blocks = [
        name.removesuffix(".attn1")
        for name, _ in open_head("sd").unet.named_modules()
        if name.endswith(".attn1")
    ]
    assert len(blocks) > 1
    own = sorted(
        f"{block}.{layer}" for block in blocks for layer in ("attn1.to_q", "attn2.to_q", "attn2.to_k")
    )
    assert sorted(head.adapter_targets) == own
    assert sorted({name.partition(".lora_")[0] for name in head.adapter_state()}) == own
    assert open_head("sd").adapter_targets == []


def test_a_changed_match_is_refused_with_the_difference(adapted):
    saved = adapted(targets=["to_q", "to_k"]).adapter_state()
    with pytest.raises(EmosymError) as caught:
        adapted(targets=["to_q", "to_v"]).load_adapter_state(saved)
    gone, new = str(caught.value).split("; ")
    assert "layers matched no more:" in gone
    assert "to_k" in gone
    assert "to_q" not in gone
    assert "layers newly matched:" in new
    assert "to_v" in new


def test_merging_keeps_what_was_learnt_and_unloading_drops_it(adapted, open_head, generators):
    def picture(head):
        return head.sample(head.condition(None, ["a street"]), generators=generators(1), steps=2)

    merged, unloaded = adapted(), adapted()
    for head in (merged, unloaded):
        _train(head)
    learnt, trained = picture(merged), merged.fingerprint()
    merged.merge()
    unloaded.unload()
    # Merged products round otherwise.
    torch.testing.assert_close(picture(merged), learnt, rtol=0, atol=1e-4)
    assert (learnt - picture(open_head("sd"))).abs().max() > 1e-3
    # The same weights, at another place in memory: a kernel may sum them in another order.
    torch.testing.assert_close(picture(unloaded), picture(open_head("sd")), rtol=0, atol=1e-5)
    assert unloaded.fingerprint() == open_head("sd").fingerprint()
    assert merged.fingerprint() not in (trained, unloaded.fingerprint())
    for head in (merged, unloaded):
        assert head.adapters() == {}
        assert head.adapter_targets == []
        assert not any(parameter.requires_grad for parameter in head.parameters())


def test_the_fingerprint_follows_the_adapter_and_is_the_bases_without_one(adapted, open_head):
    head, plain = adapted(), open_head("sd")
    assert head._base_hash == plain.fingerprint()
    before = head.fingerprint()
    assert before != plain.fingerprint()
    _train(head, steps=1)
    assert head.fingerprint() != before


def test_the_fingerprint_differs_between_models(open_head):
    marks = {
        open_head("sd").fingerprint(),
        open_head("sdxl").fingerprint(),
        open_head("sd", dtype="bf16").fingerprint(),
    }
    assert len(marks) == 3


def test_the_fingerprint_is_the_same_in_another_process(open_head, folder):
    code = (
        "import sys; from emosym.contracts import Context, LabelSet;"
        "from emosym_diffusion.sd import StableDiffusion;"
        "from emosym_diffusion.config import StableDiffusionConfig;"
        "config = StableDiffusionConfig(model=sys.argv[1]);"
        "print(StableDiffusion(config, Context(labels=LabelSet.of('binary'))).fingerprint())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder("sd"))],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
    )
    assert done.stdout.strip() == open_head("sd").fingerprint()
