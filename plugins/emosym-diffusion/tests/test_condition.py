"""Vectors in prompts: they land in their place, the vocabulary stays, prompts are never cut."""

from __future__ import annotations

import copy

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from emosym_registry import EmosymError

FAMILIES = ("sd", "sdxl")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_vector_acts_as_an_embedding_row_of_the_same_value(open_head, vectors_for, family):
    """Exact: an encoder whose row for the word "red" holds the vector reads "a red street" to the same
    bits."""
    head = open_head(family)
    vectors = vectors_for(head, 1, n=1)
    ours = head.condition(vectors, ["a {emotion} street"])
    altered = copy.deepcopy(head)
    for tower, vector in zip(altered.text, vectors, strict=True):
        (row,) = tower.prompts._tokenizer("red", add_special_tokens=False).input_ids
        tower.encoder.get_input_embeddings().weight.data[row] = vector[0, 0]
    theirs = altered.condition(None, ["a red street"])
    assert torch.equal(ours.hidden, theirs.hidden)
    if family == "sdxl":
        assert torch.equal(ours.pooled, theirs.pooled)


@pytest.mark.parametrize(
    "prompt", ["{emotion}", "{emotion}, dark", "a dark red {emotion}", "a {emotion}street"]
)
def test_vectors_take_consecutive_slots_between_the_texts_ids(open_head, prompt):
    prompts = open_head("sd").text[0].prompts
    tokens = prompts([prompt], 3)
    before, after = (prompts._text_ids(text.strip()) for text in prompt.split("{emotion}"))
    begin = 1 + len(before)
    assert tokens.slots.tolist() == [[begin, begin + 1, begin + 2]]
    ids = tokens.ids[0].tolist()
    tokenizer = prompts._tokenizer
    assert ids[:begin] == [tokenizer.bos_token_id, *before]
    assert ids[begin + 3 : begin + 4 + len(after)] == [*after, tokenizer.eos_token_id]
    assert set(ids[begin + 4 + len(after) :]) == {tokenizer.pad_token_id}
    assert prompts.filler_id not in tokenizer.all_special_ids


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("prompt", ["", "a dark red street", "Red,  street!"])
def test_plain_prompts_are_encoded_as_diffusers_encodes_them(open_head, folder, family, prompt):
    head = open_head(family)
    cls = StableDiffusionPipeline if family == "sd" else StableDiffusionXLPipeline
    pipeline = cls.from_pretrained(folder(family))
    ours = head.condition(None, [prompt])
    if family == "sd":
        theirs, _ = pipeline.encode_prompt(prompt, "cpu", 1, False)
    else:
        theirs, _, pooled, _ = pipeline.encode_prompt(prompt, do_classifier_free_guidance=False)
        assert torch.equal(ours.pooled, pooled)
    assert torch.equal(ours.hidden, theirs)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_vocabulary_is_the_same_bits_after_a_training_step(open_head, vectors_for, family):
    head = open_head(family)
    before = [tower.encoder.get_input_embeddings().weight.clone() for tower in head.text]
    vectors = vectors_for(head, 2, grad=True)
    condition = head.condition(vectors, ["a {emotion} street", "{emotion}"])
    head.loss(torch.randn(2, 4, 8, 8), condition, torch.Generator().manual_seed(0)).sum().backward()
    for tower, weight in zip(head.text, before, strict=True):
        embedding = tower.encoder.get_input_embeddings()
        assert torch.equal(embedding.weight, weight)
        assert embedding.weight.grad is None
        assert not embedding._forward_hooks


def test_the_hook_goes_even_when_the_encoder_fails(open_head, vectors_for, monkeypatch):
    tower = open_head("sd").text[0]

    def fail(*args, **kwargs):
        raise RuntimeError("no memory")

    monkeypatch.setattr(tower.encoder.final_layer_norm, "forward", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        tower(["{emotion}"], vectors_for(open_head("sd"), 1)[0])
    assert not tower.encoder.get_input_embeddings()._forward_hooks


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_reaches_every_position_of_every_text_encoder(open_head, vectors_for, family):
    head = open_head(family)
    vectors = vectors_for(head, 2, n=3, grad=True)
    condition = head.condition(vectors, ["a {emotion} street", "dark {emotion}"])
    head.loss(torch.randn(2, 4, 8, 8), condition, torch.Generator().manual_seed(1)).sum().backward()
    for vector in vectors:
        assert (vector.grad.norm(dim=-1) > 0).all()
    assert all(parameter.grad is None for parameter in head.parameters())


def test_prompts_of_one_batch_do_not_mix(open_head, vectors_for):
    head = open_head("sdxl")
    vectors = vectors_for(head, 2)
    prompts = ["a {emotion} street", "dark {emotion}"]
    both = head.condition(vectors, prompts)
    second = head.condition(tuple(value[1:] for value in vectors), prompts[1:])
    torch.testing.assert_close(both[1:].hidden, second.hidden)
    torch.testing.assert_close(both[1:].pooled, second.pooled)
    assert not torch.allclose(both[:1].hidden, second.hidden)


def test_plain_prompts_build_no_graph(open_head):
    condition = open_head("sdxl").condition(None, ["a street"])
    assert not condition.hidden.requires_grad
    assert not condition.pooled.requires_grad


def test_a_prompt_that_just_fits_is_encoded_and_one_token_more_is_refused(open_head, vectors_for):
    head = open_head("sd")
    fits = "a " * 15 + "{emotion}"  # 15 + 3 vectors + start + end = 20
    assert head.condition(vectors_for(head, 1, n=3), [fits]).hidden.shape == (1, 20, 24)
    with pytest.raises(EmosymError) as caught:
        head.condition(vectors_for(head, 1, n=4), [fits])
    assert caught.value.id == "diffusion.prompt-too-long"
    assert "21 tokens (15 of text, 4 vectors, 2 special)" in str(caught.value)
    assert "takes 20" in str(caught.value)
    with pytest.raises(EmosymError) as caught:
        head.condition(None, ["a " * 19])
    assert caught.value.id == "diffusion.prompt-too-long"


@pytest.mark.parametrize(
    ("prompt", "with_vectors", "error"),
    [
        ("a street", True, "diffusion.placeholder"),
        ("{emotion} {emotion}", True, "diffusion.placeholder"),
        ("a {emotion}", False, "diffusion.unexpected-placeholder"),
    ],
)
def test_placeholder_and_vectors_belong_together(open_head, vectors_for, prompt, with_vectors, error):
    head = open_head("sd")
    with pytest.raises(EmosymError) as caught:
        head.condition(vectors_for(head, 1) if with_vectors else None, [prompt])
    assert caught.value.id == error
    assert repr(prompt) in str(caught.value)


def test_vectors_of_a_wrong_shape_are_refused(open_head, vectors_for):
    head = open_head("sdxl")
    good = vectors_for(head, 2)
    for wrong in (good[:1], good[::-1], tuple(v[:1] for v in good), tuple(v[:, :0] for v in good)):
        with pytest.raises(EmosymError) as caught:
            head.condition(wrong, ["{emotion}", "{emotion}"])
        assert caught.value.id == "diffusion.bad-vectors"


def test_token_norms_are_the_mean_norms_of_the_vocabularies(open_head):
    head = open_head("sdxl")
    for tower, norm in zip(head.text, head.token_norms, strict=True):
        rows = tower.encoder.get_input_embeddings().weight
        assert norm == pytest.approx(sum(float(row.norm()) for row in rows) / len(rows), rel=1e-5)
