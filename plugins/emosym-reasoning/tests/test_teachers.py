"""Compressors whose teacher knows the text, against their definitions written out."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from emosym_reasoning.compressors.contrastive import Contrastive
from emosym_reasoning.compressors.distill import Distill, distance
from emosym_reasoning.compressors.privileged import Privileged
from emosym_reasoning.config import ContrastiveConfig, DistillConfig, PrivilegedConfig

from emosym.contracts import States

from .batches import compress_batch

LABELS = torch.tensor([3, -1, 0, -1, 3, -1])
PRESENT = torch.tensor([True, True, False, True, True, False])


def kl(teacher: torch.Tensor, logits: torch.Tensor) -> float:
    """Σ_a t(a)·(log t(a) − log p(a)), mean over rows."""
    own, followed = teacher.softmax(-1), logits.softmax(-1)
    rows = [
        sum(float(t) * (float(t.log()) - float(p.log())) for t, p in zip(one, other, strict=True))
        for one, other in zip(own, followed, strict=True)
    ]
    return sum(rows) / len(rows)


@pytest.fixture
def six(states, draw, told):
    """Six samples, four with text, three labelled, two with both."""
    return lambda **given: told(
        states(6),
        draw(6, 10),
        PRESENT,
        **{"labels": LABELS, "logits": draw(6, 8).requires_grad_(), **given},
    )


def judged(compressor: Privileged, knowledge: torch.Tensor) -> torch.Tensor:
    return compressor.teacher((knowledge - compressor.mean) / compressor.std).detach()


def test_privileged_is_its_four_terms(context, six):
    batch = six()
    compressor = Privileged(PrivilegedConfig(match_weight=2.0, decay=0.1, contrast_weight=0.25), context)
    compressor.calibrate(batch.knowledge)
    contrastive = Contrastive(ContrastiveConfig(), context)
    contrastive.load_state_dict(
        {
            key: value
            for key, value in compressor.state_dict().items()
            if key.startswith(("table", "projection"))
        }
    )
    teacher = judged(compressor, batch.knowledge)
    taught = -(teacher.log_softmax(-1)[[0, 4], [3, 3]]).mean()
    size = sum(float(one.detach().square().sum()) for one in compressor.teacher.parameters())
    follows = kl(teacher[PRESENT], batch.logits.detach()[PRESENT])
    wanted = float(taught) + 0.1 * size + 2.0 * follows + 0.25 * float(contrastive.loss(batch).loss.detach())
    got = compressor.loss(batch)
    assert float(got.loss.detach()) == pytest.approx(wanted, rel=1e-5)
    assert got.values["teacher_ce"] == pytest.approx(float(taught), rel=1e-5)
    assert got.values["teacher_kl"] == pytest.approx(follows, rel=1e-5)
    assert {"infonce", "alignment", "retrieval", "teacher_accuracy"} <= set(got.values)


def test_the_head_follows_the_teacher_and_the_teacher_nobody(context, six):
    compressor = Privileged(PrivilegedConfig(contrast_weight=0, decay=0.0), context)
    batch = six(labels=torch.full((6,), -1), targets=torch.zeros(6, 8))
    compressor.loss(batch).loss.backward()
    followed = batch.logits.softmax(-1) - judged(compressor, batch.knowledge).softmax(-1)
    wanted = followed * PRESENT[:, None] / 4
    torch.testing.assert_close(batch.logits.grad, wanted.detach())
    assert all(bool((one.grad == 0).all()) for one in compressor.teacher.parameters())


def test_hard_labels_are_the_teachers_most_probable_emotions(context, six):
    batch = six(step=60)
    compressor = Privileged(PrivilegedConfig(labels="hard", decay=0.0, contrast_weight=0.0), context)
    values = compressor.loss(batch).values
    wanted = judged(compressor, batch.knowledge)[PRESENT].argmax(-1)
    assert values["teacher_kl"] == pytest.approx(
        F.cross_entropy(batch.logits[PRESENT], wanted).item(), rel=1e-5
    )


def test_the_teacher_learns_from_soft_targets_where_there_are_some(context, six):
    targets = torch.zeros(6, 8)
    targets[0], targets[4] = torch.tensor([0.5, 0.25, 0.25, 0, 0, 0, 0, 0]), F.one_hot(torch.tensor(3), 8)
    compressor = Privileged(PrivilegedConfig(), context)
    batch = six(targets=targets)
    logs = judged(compressor, batch.knowledge).log_softmax(-1)
    wanted = -((targets[0] * logs[0]).sum() + logs[4, 3]) / 2
    assert compressor.loss(batch).values["teacher_ce"] == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize(("ramp", "step", "share"), [(30, 0, 0.0), (30, 15, 0.5), (30, 40, 1.0), (0, 0, 1.0)])
def test_the_teachers_word_grows_over_the_ramp(context, six, ramp, step, share):
    compressor = Privileged(PrivilegedConfig(ramp=ramp, contrast_weight=0, decay=0.0), context)
    terms = compressor.loss(six(step=step))
    rest = float(terms.loss.detach()) - terms.values["teacher_ce"]
    assert rest == pytest.approx(share * terms.values["teacher_kl"], abs=1e-6)


def test_features_are_standardised_by_all_texts_and_the_statistics_are_saved(context, draw):
    texts = 3.0 + 2.0 * draw(200, 10)
    texts[:, 4] = 7.0
    compressor = Privileged(PrivilegedConfig(), context)
    compressor.calibrate(texts)
    standard = (texts - compressor.mean) / compressor.std
    torch.testing.assert_close(standard.mean(0), torch.zeros(10), atol=1e-5, rtol=0)
    spread = standard.std(0, correction=0)
    torch.testing.assert_close(spread, torch.ones(10).index_fill(0, torch.tensor(4), 0.0), atol=1e-5, rtol=0)
    again = Privileged(PrivilegedConfig(), dataclasses.replace(context, seed=9))
    again.load_state_dict(compressor.state_dict())
    assert torch.equal(again.mean, compressor.mean)
    assert torch.equal(again.std, compressor.std)
    assert not {"mean", "std"} & set(dict(compressor.named_parameters()))


def test_without_contrast_there_is_no_projection_to_leave_dead(context, six, states):
    compressor = Privileged(PrivilegedConfig(contrast_weight=0), context)
    assert set(compressor.knowledge_parameters()) == {"teacher.weight", "teacher.bias"}
    assert compressor.project(states(2)) is None
    assert "infonce" not in compressor.loss(six()).values


def test_a_linear_teacher_learns_what_the_texts_argue_and_the_head_with_it(context, draw):
    """Thirty labels of six hundred texts, each a noisy direction of its emotion: the head, which sees no label and no text,
    reads by its logits alone what the teacher has learnt."""
    directions, emotions = draw(8, 10), torch.arange(600) % 8
    texts = directions[emotions] + 0.4 * draw(600, 10)
    labels = torch.where(torch.arange(600) < 32, emotions, torch.tensor(-1))
    compressor = Privileged(PrivilegedConfig(contrast_weight=0), context)
    compressor.calibrate(texts)
    logits = torch.zeros(600, 8, requires_grad=True)
    states = States(torch.zeros(600, 3, 12), torch.zeros(600, 12))
    optimiser = torch.optim.Adam([logits, *compressor.teacher.parameters()], lr=0.1)
    for step in range(100):
        optimiser.zero_grad()
        compressor.loss(
            compress_batch(states, texts, labels=labels, logits=logits, step=step)
        ).loss.backward()
        optimiser.step()
    unlabelled = labels < 0
    accuracy = float((logits.argmax(-1) == emotions)[unlabelled].float().mean())
    assert accuracy > 0.9


def test_distance_is_each_layers_in_units_of_its_teachers_deviation(draw):
    teacher, student = draw(3, 4, 12), draw(3, 4, 12).requires_grad_()
    scale = torch.tensor([1.0, 10.0, 0.1])[:, None, None]
    wanted = sum(
        float((one - other).abs().mean() / one.std(correction=0))
        for one, other in zip(teacher, student.detach(), strict=True)
    )
    assert float(distance(teacher, student).detach()) == pytest.approx(wanted / 3, rel=1e-5)
    assert float(distance(teacher * scale, student * scale).detach()) == pytest.approx(wanted / 3, rel=1e-5)
    teacher.requires_grad_()
    distance(teacher, student).backward()
    assert teacher.grad is None


class Backbone:
    """Readings with a text, and how they were asked for."""

    def __init__(self, layers: torch.Tensor, logits: torch.Tensor) -> None:
        self.layers, self.logits = layers.requires_grad_(), logits.requires_grad_()
        self.asked: list[tuple[list[int], list[str], bool]] = []

    def read(self, rows, texts):
        self.asked.append((list(rows), list(texts), torch.is_grad_enabled()))
        return self.layers[:, rows], self.logits[rows]


@pytest.mark.parametrize(("positions", "seen"), [("emotion", slice(3, 4)), ("all", slice(0, 4))])
def test_distill_draws_the_states_after_every_layer_to_those_with_the_text(
    context, six, draw, positions, seen
):
    backbone, layers = Backbone(draw(2, 6, 4, 12), draw(6, 8)), draw(2, 6, 4, 12).requires_grad_()
    compressor = Distill(DistillConfig(positions=positions, distance_weight=3.0, teacher_weight=0.5), context)
    terms = compressor.loss(six(layers=layers, read=backbone.read))
    rows = [0, 4, 1, 3]
    apart = float(distance(backbone.layers[:, rows, seen], layers[:, rows, seen]).detach())
    taught = -float(backbone.logits.detach().log_softmax(-1)[[0, 4], [3, 3]].mean())
    assert terms.values["distance"] == pytest.approx(apart, rel=1e-5)
    assert terms.values["teacher_ce"] == pytest.approx(taught, rel=1e-5)
    assert float(terms.loss.detach()) == pytest.approx(3.0 * apart + 0.5 * taught, rel=1e-5)
    assert backbone.asked == [([0, 4], ["text 0", "text 4"], True), ([1, 3], ["text 1", "text 3"], False)]
    terms.loss.backward()
    assert backbone.layers.grad is None
    assert backbone.logits.grad is not None
    moved = layers.grad.abs().sum((0, 2, 3)) > 0
    assert moved.tolist() == PRESENT.tolist()


def test_distill_leaves_a_teacher_without_weight_without_a_graph(context, six, draw):
    backbone = Backbone(draw(2, 6, 4, 12), draw(6, 8))
    compressor = Distill(DistillConfig(teacher_weight=0), context)
    terms = compressor.loss(six(layers=draw(2, 6, 4, 12).requires_grad_(), read=backbone.read))
    assert backbone.asked == [([0, 1, 3, 4], ["text 0", "text 1", "text 3", "text 4"], False)]
    assert "teacher_ce" not in terms.values


def test_distill_reads_nothing_where_nobody_has_a_text(context, six, draw):
    backbone = Backbone(draw(2, 6, 4, 12), draw(6, 8))
    nobody = torch.zeros(6, dtype=torch.bool)
    terms = Distill(DistillConfig(), context).loss(
        dataclasses.replace(
            six(), present=nobody, texts=[None] * 6, layers=draw(2, 6, 4, 12), read=backbone.read
        )
    )
    assert (float(terms.loss), terms.values, backbone.asked) == (0.0, {"knowledge_present": 0.0}, [])
