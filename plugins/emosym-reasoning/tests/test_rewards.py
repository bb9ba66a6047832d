"""What each reward gives, by hand, and what it refuses."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from emosym_reasoning import config as c
from emosym_reasoning.rewards.attributes import AttributesReward, describe
from emosym_reasoning.rewards.brier import BrierReward
from emosym_reasoning.rewards.consistency import ConsistencyReward
from emosym_reasoning.rewards.judge import JudgeReward
from emosym_reasoning.rewards.knowledge import KnowledgeReward
from emosym_reasoning.rewards.label import LabelReward
from emosym_reasoning.rewards.paper import ConfidenceReward
from emosym_reasoning.rewards.teacher import fit
from emosym_reasoning.rewards.valence import ValenceReward
from emosym_reasoning.rewards.wheel import WheelReward
from emosym_registry import EmosymError
from PIL import Image

from emosym.contracts import MIKELS_8, MIKELS_WHEEL, Context, LabelSet, RewardResources, Sample

AMUSEMENT, AWE, CONTENTMENT, EXCITEMENT, ANGER, DISGUST, FEAR, SADNESS = range(8)


def resources(**given):
    """What a reward may look at; reading is refused where a test gives no function for it."""
    return RewardResources(**{"read": lambda samples: pytest.fail("not to be read"), **given})


ANNOTATED = {
    LabelReward: c.LabelRewardConfig,
    ConfidenceReward: c.ConfidenceRewardConfig,
    ValenceReward: c.ValenceRewardConfig,
    WheelReward: c.WheelRewardConfig,
    BrierReward: c.BrierRewardConfig,
}


def test_label_is_one_for_the_annotated_emotion(context, rollouts):
    tries = rollouts([[AWE, FEAR, AWE], [FEAR, FEAR, AWE]], [AWE, AWE])
    score = LabelReward(c.LabelRewardConfig(), context).score(tries)
    assert score.tolist() == [[1, 0, 1], [0, 0, 1]]


def test_valence_ignores_which_emotion_of_a_kind(context, rollouts):
    tries = rollouts([[AWE, EXCITEMENT, FEAR], [SADNESS, ANGER, AWE]], [AMUSEMENT, DISGUST])
    assert ValenceReward(c.ValenceRewardConfig(), context).score(tries).tolist() == [
        [1, 1, 0],
        [1, 1, 0],
    ]


def test_wheel_counts_steps_the_shorter_way_round(context, rollouts):
    tries = rollouts([[AMUSEMENT, EXCITEMENT, ANGER, SADNESS, FEAR]], [AMUSEMENT])
    assert WheelReward(c.WheelRewardConfig(), context).score(tries).tolist() == [[1, 0.75, 0.75, 0, 0.5]]


def test_wheel_follows_the_names_not_the_order_of_the_labels(context, rollouts):
    turned = dataclasses.replace(context, labels=LabelSet(MIKELS_WHEEL))
    score = WheelReward(c.WheelRewardConfig(), turned).score(rollouts([list(range(8))], [0]))
    assert score.tolist() == [[1, 0.75, 0.5, 0.25, 0, 0.25, 0.5, 0.75]]
    assert set(MIKELS_8) == set(MIKELS_WHEEL)


def test_confidence_is_the_formula_of_the_paper(context, rollouts):
    tries = rollouts([[0, 0], [0, 0]], [AWE, FEAR])
    p = tries.probabilities
    wanted = [
        [0.3 * (int(p[b, g].argmax()) == y) + 0.7 * float(p[b, g, y]) for g in range(2)]
        for b, y in enumerate([AWE, FEAR])
    ]
    reward = ConfidenceReward(c.ConfidenceRewardConfig(), context)
    torch.testing.assert_close(reward.score(tries), torch.tensor(wanted))
    assert not reward.verifiable


def test_brier_is_one_minus_half_the_squared_distance(context, rollouts):
    sure = F.one_hot(torch.tensor([[AWE, FEAR]]), 8).float()
    tries = rollouts([[0, 0]], [AWE], probabilities=sure)
    reward = BrierReward(c.BrierRewardConfig(), context)
    assert reward.score(tries).tolist() == [[1, 0]]
    even = rollouts([[0]], [AWE], probabilities=torch.full((1, 1, 8), 1 / 8))
    assert float(reward.score(even)) == pytest.approx(1 - ((7 / 8) ** 2 + 7 / 64) / 2)


@pytest.mark.parametrize("reward", ANNOTATED)
def test_unlabelled_samples_have_no_reward(context, reward):
    samples = [Sample("a", (), AWE), Sample("b", ())]
    assert reward(ANNOTATED[reward](), context).applies(samples).tolist() == [True, False]


@pytest.mark.parametrize("reward", ANNOTATED)
def test_scores_stay_in_range(context, rollouts, draw, reward):
    tries = rollouts(
        [[(7 * b + 3 * g) % 8 for g in range(16)] for b in range(32)], [b % 8 for b in range(32)]
    )
    tries = dataclasses.replace(tries, probabilities=(20 * draw(32, 16, 8)).softmax(-1))
    score = reward(ANNOTATED[reward](), context).score(tries)
    assert score.shape == (32, 16)
    assert score.dtype == torch.float32
    assert not score.requires_grad
    assert float(score.min()) >= 0
    assert float(score.max()) <= 1


@pytest.mark.parametrize("names", [("awe", "fear"), ("negative", "positive")])
def test_wheel_refuses_other_labels(context, names):
    with pytest.raises(EmosymError, match="reward wheel knows"):
        WheelReward(c.WheelRewardConfig(), dataclasses.replace(context, labels=LabelSet(names)))


def test_valence_refuses_labels_of_one_kind(context):
    with pytest.raises(EmosymError, match="are all negative"):
        ValenceReward(
            c.ValenceRewardConfig(), dataclasses.replace(context, labels=LabelSet(("fear", "anger")))
        )


class Words:
    """Features of a text: one axis a known word, so that nearness can be computed by hand."""

    AXES = ("ghost", "dog", "forest", "beach")

    def __init__(self):
        self.asked: list[str] = []

    def encode(self, texts):
        self.asked += texts
        rows = torch.tensor([[float(word in text) for word in self.AXES] for text in texts])
        return F.normalize(F.pad(rows, (0, 6)), dim=-1)


def attribute_case(rollouts):
    known = [
        {"object": ["ghost"], "scene": "forest"},
        {"object": ["dog"], "scene": "beach"},
        {"object": ["ghost"], "scene": "forest"},
        {"object": ["dog"]},
        {},
    ]
    samples = [Sample(f"s{index}", (), attributes=attributes) for index, attributes in enumerate(known)]
    features = torch.zeros(5, 3, 10)
    features[:, 0, [0, 2]] = 1.0  # reads a ghost in a forest
    features[:, 1, [1, 3]] = 1.0  # reads a dog on a beach
    features[:, 2, 0] = 1.0  # reads a ghost
    return rollouts([[0] * 3] * 5, [0] * 5, samples=samples, context_features=features)


def test_attributes_rank_the_own_text_among_the_different_ones(context, rollouts):
    reward = AttributesReward(c.AttributesRewardConfig(), context)
    reward.bind(resources(text_encoder=Words()))
    # Candidates: "ghost in forest" (twice, one candidate), "dog in beach", "dog". Ties count as not nearer.
    assert reward.score(attribute_case(rollouts)).tolist() == [
        [1, 0, 1],
        [0.5, 1, 0.5],
        [1, 0, 1],
        [0.5, 0.5, 0.5],
        [0, 0, 0],
    ]
    assert reward.applies(attribute_case(rollouts).samples).tolist() == [True] * 4 + [False]


def test_attributes_probability_is_a_softmax_over_different_texts(context, rollouts):
    reward = AttributesReward(c.AttributesRewardConfig(mode="probability", temperature=0.5), context)
    words = Words()
    reward.bind(resources(text_encoder=words))
    score = reward.score(attribute_case(rollouts))
    cosines = torch.tensor([1.0, 0, 0])  # of try 0 to ghost-forest, dog-beach, dog
    assert float(score[0, 0]) == pytest.approx(float((cosines / 0.5).softmax(0)[0]), rel=1e-5)
    assert torch.equal(score[0], score[2])
    reward.score(attribute_case(rollouts))
    assert len(words.asked) == 3


def test_attributes_name_what_is_missing(context, rollouts):
    reward = AttributesReward(c.AttributesRewardConfig(), context)
    with pytest.raises(EmosymError, match="projects none"):
        reward.score(rollouts([[0]], [0], context_features=None))


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"object": ["a dog", "a kite"], "scene": "park"}, "a photo of a dog and a kite in park"),
        ({"object": "dog", "scene": "park"}, "a photo of dog in park"),
        ({"scene": "park"}, "a photo of park"),
        ({"object": []}, None),
    ],
)
def test_an_image_is_described_by_what_is_known(attributes, text):
    assert describe(Sample("s", (), attributes=attributes), c.AttributesRewardConfig().template) == text


class Texts:
    """Texts by the samples' ids; how many were asked for."""

    def __init__(self, **texts):
        self.known, self.asked = texts, 0

    def texts(self, samples):
        self.asked += len(samples)
        return [self.known.get(sample.id) for sample in samples]


ARGUED = {"a": "a ghost", "b": "a dog", "c": "a ghost in a forest", "d": "a dog on a beach", "e": "a ghost"}
TAUGHT = [
    Sample("a", (), FEAR),
    Sample("b", (), AMUSEMENT),
    Sample("c", (), FEAR),
    Sample("d", (), AMUSEMENT),
]


def knowledge_reward(context, training, **texts):
    reward = KnowledgeReward(c.KnowledgeRewardConfig(), context)
    reward.bind(resources(text_encoder=Words(), knowledge=Texts(**{**ARGUED, **texts}), training=training))
    return reward


def test_knowledge_gives_unlabelled_images_what_their_text_argues(context, rollouts):
    reward = knowledge_reward(context, [*TAUGHT, Sample("e", ())], f="a dog")
    samples = [Sample("e", ()), Sample("f", ()), Sample("silent", ())]
    assert reward.applies(samples).tolist() == [True, True, False]
    score = reward.score(rollouts([[FEAR, AMUSEMENT]] * 3, [-1] * 3, samples=samples))
    assert score[0, 0] > 0.8 > 0.1 > score[0, 1]
    assert score[1, 1] > 0.8 > 0.1 > score[1, 0]
    every = reward.score(rollouts([list(range(8))], [-1], samples=samples[:1]))
    assert float(every.sum()) == pytest.approx(1)


def test_knowledge_learns_from_labelled_training_images_alone_and_reads_each_text_once(context, rollouts):
    reward = knowledge_reward(context, TAUGHT)
    more = knowledge_reward(
        context, [*TAUGHT, *(Sample(f"x{i}", ()) for i in range(9))], x0="a ghost", x1="a beach"
    )
    tries = rollouts([[FEAR, AMUSEMENT]], [-1], samples=[Sample("e", ())])
    assert torch.equal(reward.score(tries), more.score(tries))
    asked = reward.resources.knowledge.asked
    reward.score(tries)
    assert reward.resources.knowledge.asked == asked


def test_knowledge_without_a_label_or_a_labelled_text_is_refused(context, rollouts):
    with pytest.raises(EmosymError, match="learns from labelled training images, and there is none"):
        knowledge_reward(context, [Sample("e", ())])
    reward = knowledge_reward(context, [Sample("wordless", (), FEAR)])
    with pytest.raises(EmosymError, match="no training image has both"):
        reward.score(rollouts([[FEAR]], [-1], samples=[Sample("e", ())]))


def test_the_teacher_is_at_the_minimum_of_its_loss(draw):
    features, labels = draw(40, 6), torch.arange(40) % 3
    teacher = fit(features, labels, 3, decay=0.05)
    rows = (features.double() - features.double().mean(0)) / features.double().std(0, correction=0)
    p = torch.nn.functional.linear(rows, teacher.weight, teacher.bias).softmax(-1)
    torch.testing.assert_close(teacher(features), p.float())
    # The gradient of mean CE + decay·(‖W‖² + ‖b‖²) in closed form.
    error = (p - F.one_hot(labels, 3)) / 40
    for gradient in (error.T @ rows + 0.1 * teacher.weight, error.sum(0) + 0.1 * teacher.bias):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-7)
    assert torch.equal(fit(features, labels, 3, decay=0.05).weight, teacher.weight)


class Brightness:
    """A judge of brightness: p(awe) is the mean pixel, p(fear) the rest."""

    def __init__(self):
        self.seen = 0

    def probabilities(self, images):
        self.seen += len(images)
        rows = torch.zeros(len(images), 8)
        for row, image in zip(rows, images, strict=True):
            row[AWE] = image.resize((1, 1)).getpixel((0, 0))[0] / 255
            row[FEAR] = 1 - row[AWE]
        return rows


def grey(name, *levels):
    return Sample(name, tuple(Image.new("RGB", (8, 6), (level,) * 3) for level in levels))


def test_judge_gives_the_probability_of_the_action_and_is_asked_once_an_image(context, rollouts):
    judge = Brightness()
    reward = JudgeReward(c.JudgeRewardConfig(), context)
    reward.bind(resources(judge=judge))
    tries = rollouts([[AWE, FEAR], [AWE, AWE]], [-1, -1], samples=[grey("a", 51), grey("b", 102, 204)])
    wanted = torch.tensor([[0.2, 0.8], [0.6, 0.6]])
    torch.testing.assert_close(reward.score(tries), wanted)
    torch.testing.assert_close(reward.score(tries), wanted)
    assert judge.seen == 3


def test_a_judge_of_other_emotions_is_refused(rollouts):
    reward = JudgeReward(c.JudgeRewardConfig(), Context(LabelSet.of("binary")))
    reward.bind(resources(judge=Brightness()))
    with pytest.raises(EmosymError, match="knows 8 emotions, the spec has 2"):
        reward.score(rollouts([[0]], [0], samples=[grey("a", 51)]))


def test_consistency_reads_a_changed_copy_the_same_way_each_time(context, rollouts):
    reward = ConsistencyReward(c.ConsistencyRewardConfig(), context)
    judge = Brightness()
    read: list[list[Sample]] = []

    def reading(samples):
        read.append(samples)
        return judge.probabilities([image for sample in samples for image in sample.open()])

    reward.bind(resources(read=reading))
    tries = rollouts([[AWE, FEAR]], [0], samples=[grey("a", 102)])
    first, second = reward.score(tries), reward.score(tries)
    assert torch.equal(first, second)
    assert float(first.sum()) == pytest.approx(1)
    # Light changes by at most a fifth.
    assert 0.4 * 0.8 <= float(first[0, 0]) <= 0.4 * 1.2
    assert float(first[0, 0]) != pytest.approx(0.4, abs=1e-3)
    assert [sample.id for sample in read[0]] == ["a~changed"]
    assert read[0][0].images[0].size == (8, 6)


def test_consistency_mirrors_the_copy(context):
    half = Image.new("RGB", (8, 6))
    half.paste((255, 255, 255), (0, 0, 4, 6))
    reward = ConsistencyReward(c.ConsistencyRewardConfig(crop=0, light=0), context)
    changed = reward.changed(Sample("a", (half,))).images[0]
    assert (changed.getpixel((0, 0)), changed.getpixel((7, 0))) == ((0, 0, 0), (255, 255, 255))
