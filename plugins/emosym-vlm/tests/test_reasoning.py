"""A reason and an answer in words: what they cost is what the stock model says, and what is written is scored as written."""

from __future__ import annotations

import pytest
import torch
from emosym_registry import EmosymError, load_registry
from torch.nn import functional as F

from emosym.contracts import MIKELS_8, REASONED_QUESTION, Context, LabelSet
from emosym.toolkit import evaluating

from .families import FAMILIES
from .test_reading import CLOSE, stock_inputs


@pytest.fixture(scope="module")
def embedded():
    """``embedded(name, **params)``: a backbone on its embedded model."""
    registry = load_registry()

    def make(name, **params):
        offer = registry.find("backbone", name)
        context = Context(LabelSet.of("mikels-8"), aliases=registry.folders, kind="backbone", component=name)
        return offer.load()(offer.load_config()(**{"model": "tiny", **params}), context)

    return make


CUE = "answer"
ANSWERS = [" dog", " dog forest", " picture"]
TURNS = [
    ("the dog is a picture answer", " forest"),
    ("", "answer dog forest"),
    ("what answer", ""),
    ("in the forest the dog is one picture of the forest answer", " dog"),
]
"""A reason and an answer, an answer alone, a reason that is left open, a long one."""


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_turn_is_as_improbable_as_the_stock_model_says(family, side, build, samples):
    backbone = build(family, padding_side=side)
    together = backbone.compose(samples, TURNS)
    accepted = backbone._reader._forward_inputs | backbone._reader._feature_inputs
    for row, (sample, turn) in enumerate(zip(samples, TURNS, strict=True)):
        inputs = stock_inputs(backbone, sample, REASONED_QUESTION)
        spelled = backbone._speller.turn(turn)
        words = torch.tensor([[one for part in spelled for one in part]])
        ids = torch.cat([inputs["input_ids"], words], 1)
        longer = {
            name: torch.cat([value, value.new_full(words.shape, int(name == "attention_mask"))], 1)
            for name, value in inputs.items()
            if value.shape == inputs["input_ids"].shape
        }
        passed = {
            name: value for name, value in {**inputs, **longer, "input_ids": ids}.items() if name in accepted
        }
        logits = backbone.model(**passed, use_cache=False).logits[0, -words.shape[1] - 1 : -1].float()
        losses = F.cross_entropy(logits, words[0], reduction="none").split([len(part) for part in spelled])
        wanted = torch.stack([one.mean() if len(one) else one.new_zeros(()) for one in losses])
        torch.testing.assert_close(together[row], wanted, **CLOSE)
    assert together[1, 0] == together[2, 1] == 0


def test_the_end_belongs_to_a_last_part_that_says_something(shared):
    speller = shared("qwen2_vl")._speller
    stop = speller.tokenizer.eos_token_id
    assert [part[-1:] == [stop] for part in speller.turn(("the dog", " forest"))] == [False, True]
    assert all(stop not in part for part in speller.turn(("the dog answer", "")))


def writing_words_alone(backbone):
    """The model writes no special token but the turn's end: text that is read again is then the same tokens."""
    tokenizer = backbone.processor.tokenizer
    special = [one for one in tokenizer.all_special_ids if one != tokenizer.eos_token_id]
    head = backbone.model.get_output_embeddings()
    head.register_forward_hook(
        lambda module, given, logits: logits.index_fill(-1, torch.tensor(special), -100.0)
    )
    return backbone


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_an_answer_is_as_probable_as_the_turn_that_was_written_with_it(family, side, build, samples):
    backbone = writing_words_alone(build(family, padding_side=side))
    end = backbone._speller.end
    concluded = backbone.conclude(samples, CUE, ANSWERS, 5)
    assert len(set(concluded.texts)) > 1 or family == "gemma3"  # which writes one word whatever it sees
    for column, answer in enumerate(ANSWERS):
        turns = [(f"{text} {CUE}", answer) for text in concluded.texts]
        count = len(backbone._speller.following(CUE, answer)) + len(end)
        improbable = backbone.compose(samples, turns)[:, 1]
        torch.testing.assert_close(concluded.log_probabilities[:, column], -count * improbable, **CLOSE)
    for row, sample in enumerate(samples):
        alone = backbone.conclude([sample], CUE, ANSWERS, 5)
        assert alone.texts == [concluded.texts[row]]
        torch.testing.assert_close(alone.log_probabilities[0], concluded.log_probabilities[row], **CLOSE)


@torch.no_grad()
def test_the_reason_ends_where_the_model_writes_the_cue(build, samples):
    """Each sample's own second word is the cue, so that it is the model who writes it, elsewhere in each text."""
    backbone = writing_words_alone(build("qwen2_vl"))
    written = backbone.write(backbone.encode(samples, REASONED_QUESTION), max_new_tokens=8)
    for cue in {text.split()[1] for text in written}:
        concluded = backbone.conclude(samples, cue, ANSWERS, 8)
        assert list(concluded.texts) == [text.partition(cue)[0].strip() for text in written]
        for text, row in zip(concluded.texts, concluded.log_probabilities, strict=True):
            sample = samples[concluded.texts.index(text)]
            turn = (f"{text} {cue}".strip(), ANSWERS[2])
            wanted = -2 * backbone.compose([sample], [turn])[0, 1]
            torch.testing.assert_close(row[2], wanted, **CLOSE)


@torch.no_grad()
def test_the_end_of_the_turn_counts_only_where_one_answer_begins_another(shared, samples):
    backbone = shared("qwen2_vl")
    speller = backbone._speller
    assert [len(ids) for ids in speller.answers(CUE, ANSWERS)] == [2, 3, 2]
    assert [len(ids) for ids in speller.answers(CUE, [" dog", " picture forest"])] == [1, 2]


def test_every_adapter_learns_from_a_turn_and_writes_it_then(build, samples):
    torch.manual_seed(0)  # dropout draws from it
    backbone, cue = build("qwen2_vl", gradient_checkpointing=True), "Answer"
    turns = [("the dog Answer", " forest"), ("a picture Answer", " word")] * 2
    optimiser = torch.optim.Adam(backbone.adapters().values(), lr=2e-2)
    for step in range(40):
        backbone.train()
        optimiser.zero_grad()
        backbone.compose(samples, turns).mean().backward()
        optimiser.step()
        if step == 1:
            assert all(bool(one.grad.any()) for one in backbone.adapters().values())
    concluded = backbone.conclude(samples, cue, [" forest", " word", " dog"], 8)
    assert list(concluded.texts) == ["the dog", "a picture"] * 2
    assert concluded.log_probabilities.argmax(1).tolist() == [0, 1, 0, 1]
    assert backbone.training  # as it was


def test_a_head_that_learns_leaves_the_embeddings_alone_and_merges(embedded, tmp_path, samples):
    """The embedded models share one table of words between what goes in and what comes out."""
    backbone = embedded("qwen-vl", adapter={"targets": ["language", "head"], "dropout": 0.0})
    words = backbone.model.get_input_embeddings().weight
    before, pictures = words.detach().clone(), [samples[0], samples[3]]
    turns = [("it is vast. Emotion:", " awe"), ("it lurks. Emotion:", " fear")]
    optimiser = torch.optim.Adam(backbone.adapters().values(), lr=1e-2)
    for _ in range(3):
        optimiser.zero_grad()
        backbone.compose(pictures, turns).mean().backward()
        optimiser.step()
    assert all(bool(one.grad.any()) for one in backbone.adapters().values())
    assert any(name.startswith("model.lm_head") or name.startswith("lm_head") for name in backbone.adapters())
    with torch.no_grad():
        wanted = backbone.compose(pictures, turns)
        backbone.merge()
        assert torch.equal(words, before)
        torch.testing.assert_close(backbone.compose(pictures, turns), wanted, atol=1e-4, rtol=1e-4)
        stock = embedded(
            "qwen-vl", model=str(backbone.save_pretrained(tmp_path / "merged")), training="frozen"
        )
        torch.testing.assert_close(stock.compose(pictures, turns), wanted, atol=1e-4, rtol=1e-4)


def test_the_config_s_question_is_asked_where_there_is_one(build, samples):
    asked, backbone = build("llava", question="Describe the dog."), build("llava")
    with torch.no_grad(), evaluating(asked.model, backbone.model):
        wanted = backbone.compose(samples, TURNS, "Describe the dog.")
        torch.testing.assert_close(asked.compose(samples, TURNS), wanted, rtol=0, atol=1e-5)
        assert not torch.allclose(backbone.compose(samples, TURNS), wanted, atol=1e-3)


@pytest.mark.parametrize(
    ("use", "id", "words"),
    [
        (lambda b, s: b.conclude(s, CUE, [" awe", " fear"]), "backbone.same-answers", "' fear' as ' awe'"),
        (lambda b, s: b.conclude(s, CUE, [""]), "backbone.same-answers", "with no token"),
        (lambda b, s: b.conclude(s, CUE, [" dog"], 600), "backbone.prompt-too-long", "sample small"),
        (lambda b, s: b.compose(s, TURNS[:3]), "backbone.bad-turns", "expected 4 turns"),
        (lambda b, s: b.compose(s, [("a",), ("a", "b")] * 2), "backbone.bad-turns", "equally many parts"),
        (lambda b, s: b.compose(s, [("", "")] * 4), "backbone.bad-turns", "each with some text"),
        (
            lambda b, s: b.compose(s, [("dog " * n, "") for n in (3, 600, 3, 3)]),
            "backbone.prompt-too-long",
            "sample wide",
        ),
    ],
)
def test_what_cannot_be_written_is_said(use, id, words, shared, samples):
    with pytest.raises(EmosymError) as caught:
        use(shared("qwen2_vl"), samples)
    assert caught.value.id == id
    assert words in caught.value.message


@pytest.mark.parametrize("name", ["qwen-vl", "llava", "hf-vlm"])
def test_the_embedded_tokenizers_spell_every_emotion_in_one_token(name, embedded):
    spelled = embedded(name)._speller.answers("Emotion:", [f" {name}" for name in MIKELS_8])
    assert [len(ids) for ids in spelled] == [1] * 8
