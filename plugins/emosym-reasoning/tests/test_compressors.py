"""Reasoning tokens and the contrastive loss, against a loop that computes it term by term."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from emosym_reasoning.compressors.contrastive import Contrastive, info_nce
from emosym_reasoning.compressors.tokens import TokensOnly
from emosym_reasoning.config import ContrastiveConfig, TokensConfig
from emosym_registry import EmosymError

from emosym.contracts import Context, LabelSet, States

from .batches import compress_batch


def slow_info_nce(queries, keys, temperature, same=None):
    """−mean_i log exp(q_i·k_i/τ) / Σ_j exp(q_i·k_j/τ), written out."""
    total = 0.0
    for i, query in enumerate(queries):
        terms = [
            math.exp(float((query @ key).detach()) / temperature)
            for j, key in enumerate(keys)
            if j == i or same is None or not same[i][j]
        ]
        total -= math.log(math.exp(float(query @ keys[i]) / temperature) / sum(terms))
    return total / len(queries)


def test_info_nce_equals_its_definition_in_both_directions(draw):
    queries, keys = F.normalize(draw(6, 10), dim=-1), F.normalize(draw(6, 10), dim=-1)
    one, _ = info_nce(queries, keys, 0.3, symmetric=False)
    both, _ = info_nce(queries, keys, 0.3, symmetric=True)
    forth, back = slow_info_nce(queries, keys, 0.3), slow_info_nce(keys, queries, 0.3)
    assert float(one) == pytest.approx(forth, rel=1e-5)
    assert float(both) == pytest.approx((forth + back) / 2, rel=1e-5)


def test_identical_texts_are_not_negatives(context, states, draw, told):
    texts = F.normalize(draw(5, 10), dim=-1)[[0, 1, 0, 2, 3]]
    batch = states(5)
    compressor = Contrastive(ContrastiveConfig(symmetric=False), context)
    same = [[i == j or {i, j} == {0, 2} for j in range(5)] for i in range(5)]
    wanted = slow_info_nce(compressor.project(batch).detach(), texts, 0.07, same)
    got = compressor.loss(told(batch, texts))
    assert got.values["infonce"] == pytest.approx(wanted, rel=1e-4)
    unmasked = Contrastive(ContrastiveConfig(symmetric=False, mask_identical=False), context)
    plain = unmasked.loss(told(batch, texts))
    assert plain.values["infonce"] == pytest.approx(
        slow_info_nce(unmasked.project(batch).detach(), texts, 0.07), rel=1e-4
    )
    assert plain.values["infonce"] > got.values["infonce"]


def test_half_precision_does_not_mistake_similar_texts_for_identical(context, states, draw, told):
    close = F.normalize(draw(1, 10) + 0.02 * draw(6, 10), dim=-1)
    compressor, batch = Contrastive(ContrastiveConfig(), context), told(states(6), close)
    wanted = compressor.loss(batch)
    with torch.autocast("cpu", torch.bfloat16):
        got = compressor.loss(batch)
    assert got.values["infonce"] == pytest.approx(wanted.values["infonce"], rel=1e-5)


def test_samples_without_knowledge_change_nothing(context, states, draw, told):
    compressor, batch, texts = (
        Contrastive(ContrastiveConfig(), context),
        states(6),
        F.normalize(draw(6, 10), dim=-1),
    )
    present = torch.tensor([True, False, True, True, False, True])
    got = compressor.loss(told(batch, texts, present))
    alone = compressor.loss(told(batch[present], texts[present]))
    assert got.values["infonce"] == pytest.approx(alone.values["infonce"], rel=1e-6)
    assert got.values["knowledge_present"] == pytest.approx(4 / 6)
    none = compressor.loss(told(batch, texts, torch.zeros(6, dtype=torch.bool)))
    none.loss.backward()
    assert float(none.loss.detach()) == 0
    assert all(parameter.grad is not None for parameter in compressor.projection.parameters())


def test_aligned_states_have_no_loss_and_retrieve_their_text(context, told):
    texts = torch.eye(10)[:8]
    compressor = Contrastive(ContrastiveConfig(), context)
    with torch.no_grad():
        compressor.projection.weight.copy_(torch.eye(10, 12))
        compressor.projection.bias.zero_()
    batch = States(F.pad(texts, (0, 2))[:, None].expand(-1, 3, -1), torch.zeros(8, 12))
    terms = compressor.loss(told(batch, texts))
    assert terms.values["infonce"] == pytest.approx(math.log(1 + 7 * math.exp(-1 / 0.07)), abs=1e-6)
    assert terms.values["alignment"] == pytest.approx(1)
    assert terms.values["retrieval"] == 1


def test_official_form_projects_the_text_and_offers_no_context_features(context, states, draw, told):
    config = ContrastiveConfig(projection="text", symmetric=False, mask_identical=False)
    compressor, batch, texts = Contrastive(config, context), states(4), draw(4, 10)
    projected = F.normalize(compressor.projection(texts), dim=-1).detach()
    wanted = slow_info_nce(F.normalize(batch.context.mean(1), dim=-1), projected, 0.07)
    got = compressor.loss(told(batch, texts)).loss.detach()
    assert float(got) == pytest.approx(wanted, rel=1e-4)
    assert compressor.project(batch) is None


@pytest.mark.parametrize("side", ["context", "text"])
def test_every_trainable_tensor_receives_a_gradient(context, draw, told, side):
    compressor = Contrastive(ContrastiveConfig(projection=side, tokens=3), context)
    reader = torch.nn.TransformerEncoderLayer(12, 2, 16, dropout=0, batch_first=True)
    images = draw(5, 4, 12)
    read = reader(torch.cat([images, compressor.tokens(5)], 1))[:, -4:]
    terms = compressor.loss(told(States.split(read), draw(5, 10)))
    (terms.loss + read[:, -1].square().mean()).backward()
    for name, parameter in compressor.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert bool((compressor.table.grad.abs().sum(1) > 0).all())


def test_the_projection_is_told_from_the_tokens(context):
    compressor = Contrastive(ContrastiveConfig(), context)
    own = dict(compressor.named_parameters())
    knowledge = compressor.knowledge_parameters()
    assert set(own) - set(knowledge) == {"table"}
    assert all(own[name] is parameter for name, parameter in knowledge.items())
    assert TokensOnly(TokensConfig(), context).knowledge_parameters() == {}


def test_without_knowledge_there_is_no_projection_and_the_loss_says_so(context, states, told):
    compressor = Contrastive(ContrastiveConfig(), dataclasses.replace(context, text_width=0))
    terms = compressor.loss(told(states(2)))
    assert [name for name, _ in compressor.named_parameters()] == ["table"]
    assert (float(terms.loss), terms.values) == (0, {"knowledge_present": 0.0})
    assert compressor.project(states(2)) is None


def test_tokens_start_at_the_scale_of_the_vocabulary_and_by_the_seed(context):
    wide = dataclasses.replace(context, hidden_size=4000)
    mean = torch.linspace(-1, 1, 4000)

    def start(seed):
        compressor = TokensOnly(TokensConfig(tokens=2), dataclasses.replace(wide, seed=seed))
        compressor.initialise(mean, 0.25)
        return compressor.tokens(2)

    tokens = start(1)
    assert tokens.shape == (2, 3, 4000)
    # The standard error of a deviation over 12,000 draws is 0.25/√24,000 = 0.0016: five of them.
    assert float((tokens[0] - mean).std()) == pytest.approx(0.25, abs=0.008)
    assert torch.equal(tokens, start(1))
    assert not torch.equal(tokens, start(2))


def test_tokens_of_another_program_take_the_place_of_all(context, draw):
    compressor = TokensOnly(TokensConfig(tokens=3), context)
    given = draw(4, 12)
    compressor.set_tokens(given)
    assert torch.equal(compressor.tokens(2), given.expand(2, -1, -1))
    assert compressor.tokens(1).requires_grad
    with pytest.raises(EmosymError, match=r"tokens are \[5, 12\], this compressor has \[4, 12\]") as caught:
        compressor.set_tokens(draw(5, 12))
    assert "compressor.params.tokens to 4" in caught.value.hint


@pytest.mark.parametrize("control", ["random", "zero"])
def test_controls_cannot_be_trained(context, control):
    compressor = TokensOnly(TokensConfig(control=control), context)
    compressor.initialise(torch.ones(12), 0.5)
    compressor.requires_grad_(True)
    assert not list(compressor.parameters())
    assert not compressor.tokens(3).requires_grad
    assert bool((compressor.tokens(1) == 0).all()) == (control == "zero")
    trained = TokensOnly(TokensConfig(), context)
    trained.load_state_dict(compressor.state_dict())
    assert torch.equal(trained.tokens(1), compressor.tokens(1))


def joint_step(rank: int, folder: str) -> dict[str, torch.Tensor]:
    """One process's share of the joint loss; the mean of gradients is what DDP would take."""
    data = torch.load(f"{folder}/data.pt", weights_only=True)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        where = Context(LabelSet.of("mikels-8"), seed=5, hidden_size=12, text_width=10)
        compressor = Contrastive(ContrastiveConfig(), where)
        rows = slice(0, 3) if rank == 0 else slice(3, 8)
        states = States(data["context"][rows], data["context"][rows, 0])
        terms = compressor.loss(compress_batch(states, data["texts"][rows], data["present"][rows]))
        terms.loss.backward()
        gradient = compressor.projection.weight.grad
        dist.all_reduce(gradient)
        return {"loss": terms.loss.detach(), "gradient": gradient / 2}
    finally:
        dist.destroy_process_group()


def test_two_processes_give_the_loss_and_gradient_of_their_joint_batch(context, draw, tmp_path: Path):
    data = {"context": draw(8, 3, 12), "texts": draw(8, 10), "present": torch.arange(8) != 4}
    torch.save(data, tmp_path / "data.pt")
    here = Path(__file__)
    other = subprocess.Popen(
        [sys.executable, "-m", f"{here.parent.name}.{here.stem}", str(tmp_path)], cwd=here.parents[1]
    )
    try:
        got = joint_step(0, str(tmp_path))
        assert other.wait(300) == 0
    finally:
        other.kill()
    compressor = Contrastive(ContrastiveConfig(), context)
    whole = States(data["context"], data["context"][:, 0])
    terms = compressor.loss(compress_batch(whole, data["texts"], data["present"]))
    terms.loss.backward()
    torch.testing.assert_close(got["loss"], terms.loss.detach())
    torch.testing.assert_close(got["gradient"], compressor.projection.weight.grad)


if __name__ == "__main__":
    joint_step(1, sys.argv[1])
