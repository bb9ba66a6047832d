"""What a backbone reads: the same as the stock model, however it is batched, padded or cached."""

from __future__ import annotations

import pytest
import torch
from emosym_registry import EmosymError
from emosym_vlm.prompt import lay_out

from emosym.contracts import QUESTION, Backbone, Sample, with_text

from .conftest import picture
from .families import FAMILIES, SHARING

# float32 sums in another order: states have unit variance, so this is a handful of roundings.
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def stock_inputs(backbone, sample, question=QUESTION):
    text = backbone._reader.text(question, len(sample.images))
    return backbone.processor(text=[text], images=[sample.open()], return_tensors="pt")


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_forward_is_the_stock_models_own(family, shared, samples):
    """Words read as vectors give the states that the stock forward gives for their ids, images and all."""
    backbone, words = shared(family), torch.tensor([[9, 12, 15]])
    for sample in samples:
        inputs = stock_inputs(backbone, sample)
        ids = torch.cat([inputs["input_ids"], words], 1)
        longer = {
            name: torch.cat([value, value.new_full((1, 3), int(name == "attention_mask"))], 1)
            for name, value in inputs.items()
            if value.shape == inputs["input_ids"].shape
        }
        accepted = backbone._reader._forward_inputs | backbone._reader._feature_inputs
        passed = {
            name: value for name, value in {**inputs, **longer, "input_ids": ids}.items() if name in accepted
        }
        stock = backbone.model.base_model(**passed, use_cache=False).last_hidden_state[:, -3:]
        vectors = backbone.model.get_input_embeddings()(words)
        torch.testing.assert_close(backbone([sample], vectors), stock, **CLOSE)


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_positions_are_the_stock_models_for_prompt_and_tokens(family, shared, samples):
    backbone = shared(family)
    batch = lay_out(backbone._prompts(samples, QUESTION), 4, backbone._filler, "left", torch.device("cpu"))
    grids = torch.cat([stock_inputs(backbone, sample)["image_grid_thw"] for sample in samples])
    kinds = (batch.ids == backbone.model.config.image_token_id).int()
    wanted, _ = backbone.model.base_model.get_rope_index(
        batch.ids, mm_token_type_ids=kinds, image_grid_thw=grids, attention_mask=batch.mask
    )
    assert torch.equal(batch.positions * batch.mask, wanted * batch.mask)
    assert len(set(batch.positions[:, 1, -5].tolist())) == 1
    assert not torch.equal(batch.positions[0], batch.positions[2])


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl", "llava"])
@torch.no_grad()
def test_sequential_positions_count_every_token_as_a_word(family, build, samples, tokens):
    backbone = build(family, positions="sequential")
    batch = lay_out(backbone._prompts(samples, QUESTION), 4, backbone._filler, "left", torch.device("cpu"))
    counted = (batch.mask.cumsum(1) - 1).clamp(min=0)
    assert torch.equal(batch.positions * batch.mask, (counted * batch.mask).expand_as(batch.positions))
    ours = backbone(samples, tokens(backbone, len(samples)))
    stock = build(family)(samples, tokens(backbone, len(samples)))
    assert torch.allclose(ours, stock, atol=1e-3) == (family == "llava")
    read = backbone.read(backbone.encode(samples), tokens(backbone, len(samples)))
    torch.testing.assert_close(read, ours, **CLOSE)


@torch.no_grad()
def test_the_question_of_the_config_is_asked_where_none_is_given(build, samples, tokens):
    asked, backbone = build("qwen2_vl", question="Describe the dog."), build("qwen2_vl")
    vectors = tokens(backbone, len(samples))
    ours = asked(samples, vectors)
    torch.testing.assert_close(ours, backbone(samples, vectors, "Describe the dog."), **CLOSE)
    torch.testing.assert_close(asked(samples, vectors, QUESTION), backbone(samples, vectors), **CLOSE)
    assert not torch.allclose(ours, backbone(samples, vectors), atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_sample_reads_the_same_in_any_batch(family, build, samples, tokens):
    left, right = (build(family, padding_side=side) for side in ("left", "right"))
    vectors = tokens(left, len(samples))
    together = left(samples, vectors)
    assert len(set(left._batch(samples, QUESTION, 0).lengths.tolist())) > 1
    torch.testing.assert_close(right(samples, vectors), together, **CLOSE)
    for i, sample in enumerate(samples):
        torch.testing.assert_close(left([sample], vectors[i : i + 1])[0], together[i], **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_very_different_sizes_share_a_batch_whole(family, shared, tokens):
    """A thumbnail, a panorama and a large picture: each reads as it does alone, so nothing of it was cut."""
    backbone = shared(family)
    sizes = {"thumbnail": (9, 7), "panorama": (480, 12), "large": (400, 300)}
    extremes = [Sample(id, (picture(*size, seed),)) for seed, (id, size) in enumerate(sizes.items())]
    vectors = tokens(backbone, len(extremes))
    together = backbone(extremes, vectors)
    for i, sample in enumerate(extremes):
        torch.testing.assert_close(backbone([sample], vectors[i : i + 1])[0], together[i], **CLOSE)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", SHARING)
@torch.no_grad()
def test_reading_a_prefix_equals_forward(family, side, build, samples, tokens):
    backbone = build(family, padding_side=side)
    vectors = tokens(backbone, len(samples))
    prefix = backbone.encode(samples)
    assert prefix.tokens.tolist() == prefix.mask.sum(1).tolist()
    torch.testing.assert_close(backbone.read(prefix, vectors), backbone(samples, vectors), **CLOSE)


@pytest.mark.parametrize("family", ["qwen2_vl", "llava"])
@torch.no_grad()
def test_reads_of_one_prefix_agree_and_leave_it_alone(family, shared, samples, tokens):
    backbone = shared(family)
    prefix = backbone.encode(samples)
    before = [(layer.keys.clone(), layer.values.clone()) for layer in prefix.cache.layers]
    many = tokens(backbone, 3 * len(samples))
    first = backbone.read(prefix, many)
    backbone.write(prefix, many[::3], 4)
    assert torch.equal(backbone.read(prefix, many), first)
    for layer, (keys, values) in zip(prefix.cache.layers, before, strict=True):
        assert torch.equal(layer.keys, keys)
        assert torch.equal(layer.values, values)
    for g in range(3):
        torch.testing.assert_close(first[g::3], backbone(samples, many[g::3]), **CLOSE)


def test_a_prefix_gives_the_gradient_of_forward_to_the_tokens(shared, samples, tokens):
    backbone = shared("qwen2_vl")
    prefix = backbone.encode(samples)
    gradients = []
    for read in (lambda v: backbone.read(prefix, v), lambda v: backbone(samples, v)):
        vectors = tokens(backbone, len(samples)).requires_grad_()
        (gradient,) = torch.autograd.grad(read(vectors).square().mean(), vectors)
        gradients.append(gradient)
    assert (gradients[0].flatten(1).norm(dim=1) > 0).all()
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("family", ["qwen2_vl", "llava", "idefics3"])
@torch.no_grad()
def test_writing_is_the_stock_models_greedy_text(family, build, samples):
    """The stock generate(), one sample at a time, and ours for a padded batch."""
    backbone = build(family, padding_side="right")
    ours = backbone.write(backbone.encode(samples), max_new_tokens=6)
    for sample, text in zip(samples, ours, strict=True):
        inputs = stock_inputs(backbone, sample)
        ids = backbone.model.generate(**inputs, max_new_tokens=6, do_sample=False)[
            0, inputs["input_ids"].shape[1] :
        ]
        assert text == backbone.processor.tokenizer.decode(ids, skip_special_tokens=True).strip()
    assert len(set(ours)) > 1


@pytest.mark.parametrize("family", ["qwen2_vl", "gemma3"])
@torch.no_grad()
def test_writing_goes_on_from_the_tokens(family, shared, samples, tokens):
    """The first word after the tokens is what the head says of the last token's state."""
    backbone = shared(family)
    vectors = tokens(backbone, len(samples))
    chosen = backbone.model.get_output_embeddings()(backbone(samples, vectors)[:, -1]).argmax(-1)
    wanted = [
        backbone.processor.tokenizer.decode([one], skip_special_tokens=True).strip()
        for one in chosen.tolist()
    ]
    assert backbone.write(backbone.encode(samples), vectors, 1) == wanted


def test_a_sample_may_have_no_image(shared, samples, tokens):
    backbone = shared("qwen2_vl")
    mixed = [samples[0], Sample("text only", ())]
    vectors = tokens(backbone, 2)
    with torch.no_grad():
        together = backbone(mixed, vectors)
        torch.testing.assert_close(backbone(mixed[1:], vectors[1:])[0], together[1], **CLOSE)
    assert backbone.encode(mixed).tokens[0] > backbone.encode(mixed).tokens[1]


def test_sliding_windows_declare_that_prefixes_are_not_shared(shared, samples, tokens):
    backbone = shared("gemma3")
    assert not backbone.shares_prefixes
    with pytest.raises(EmosymError) as caught:
        backbone.read(backbone.encode(samples), tokens(backbone, len(samples)))
    assert caught.value.id == "backbone.no-shared-prefix"


def test_nothing_of_a_call_stays_on_the_model(shared, samples, tokens):
    backbone = shared("qwen2_vl")
    backbone(samples, tokens(backbone, len(samples)))
    with pytest.raises(EmosymError):
        backbone(samples, tokens(backbone, len(samples))[..., :5])
    assert not backbone.model.get_input_embeddings()._forward_hooks
    # Stale positions kept on the module by somebody else do not matter.
    wanted = backbone(samples, tokens(backbone, len(samples)))
    backbone.model.base_model.rope_deltas = torch.full((len(samples), 1), 99)
    assert torch.equal(backbone(samples, tokens(backbone, len(samples))), wanted)
    backbone.model.base_model.rope_deltas = None


@pytest.mark.parametrize("family", FAMILIES)
def test_states_after_every_layer_end_in_those_of_forward_and_know_a_text(family, shared, samples, tokens):
    backbone = shared(family)
    given = tokens(backbone, len(samples))
    with torch.no_grad():
        layers = backbone.layer_states(samples, given)
        told = backbone.layer_states(samples, given, [f"image {index}" for index in range(len(samples))])
        alone = Backbone.layer_states(backbone, samples[1:2], given[1:2], ["image 1"])
        plain = Backbone.layer_states(backbone, samples, given)
        asked = backbone(samples[1:2], given[1:2], with_text(QUESTION, "image 1"))
    assert layers.shape == (2, *given.shape)
    assert torch.equal(plain[0], layers[-1])
    torch.testing.assert_close(told[-1, 1:2], asked, atol=1e-4, rtol=1e-4)
    assert torch.equal(alone[0], asked)
    assert float((told - layers).abs().amax((0, 2, 3)).min()) > 1e-3
