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

    def make(seed: int = 5, dtype: str | None = None, **lora) -> StableDiffusion:
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
    head = adapted(dtype="bfloat16")
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


def test_targets_that_fit_nothing_are_refused(adapted):
    with pytest.raises(EmosymError) as caught:
        adapted(targets=["to_nothing"])
    assert caught.value.id == "diffusion.bad-lora-targets"


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
        open_head("sd", dtype="bfloat16").fingerprint(),
    }
    assert len(marks) == 3


def test_the_fingerprint_is_the_same_in_another_process(open_head, folder):
    code = (
        "import sys; from emosym.contracts import Context, LabelSet;"
        "from emosym_diffusion.sd import StableDiffusion; from emosym_diffusion.config import StableDiffusionConfig;"
        "head = StableDiffusion(StableDiffusionConfig(model=sys.argv[1]), Context(labels=LabelSet.of('binary')));"
        "print(head.fingerprint())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder("sd"))],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
    )
    assert done.stdout.strip() == open_head("sd").fingerprint()
