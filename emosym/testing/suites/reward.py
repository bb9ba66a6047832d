"""Conformance of rewards."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import (
    ComponentConfig,
    Context,
    RewardResources,
    RewardVerifier,
    Rollouts,
    Sample,
    States,
)
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.generic import ComponentSuite
from emosym.testing.pictures import (
    AnnotatedKnowledge,
    HashingTextEncoder,
    ProjectionConfig,
    ProjectionJudge,
    samples,
)
from emosym.testing.probes import finite, leaving_random_state
from emosym.testing.suite import OTHER_LABELS, SIZES

BATCH, TRIES = 6, 5


class RewardSuite(ComponentSuite):
    """Scores of :meth:`rollouts`, 6 samples with 5 tries each; :meth:`resources` is what the reward is
    bound to."""

    kind = "reward"
    contract: ClassVar[type] = RewardVerifier

    def resources(self) -> RewardResources:
        """An untrained judge, a text encoder and the annotated texts of the kit, training samples of which every other is
        labelled, and a second reading that depends on the picture."""
        read = ProjectionJudge(ProjectionConfig(seed=1), self.context())
        return RewardResources(
            read=lambda batch: read.probabilities([sample.open()[0] for sample in batch]),
            judge=ProjectionJudge(ProjectionConfig(), self.context()),
            text_encoder=HashingTextEncoder(ComponentConfig(), self.context()),
            knowledge=AnnotatedKnowledge(ComponentConfig(), self.context()),
            training=[
                sample if number % 2 else dataclasses.replace(sample, label=None)
                for number, sample in enumerate(samples(4 * BATCH, labels=len(self.context().labels)))
            ],
        )

    def build(self, changes: Mapping[str, Any], context: Context) -> Any:
        """A new reward, bound to what its parameters need."""
        reward, given = super().build(changes, context), self.resources()
        needs = reward.config.needs(reward.needs)
        reward.bind(
            dataclasses.replace(
                given,
                judge=given.judge if "judge" in needs else None,
                text_encoder=given.text_encoder if "text_encoder" in needs else None,
                knowledge=given.knowledge if "knowledge" in needs else None,
            )
        )
        return reward

    def rollouts(self, batch: Sequence[Sample] | None = None) -> Rollouts:
        """Random tries of labelled samples (or of ``batch``), the same each time."""
        batch = samples(BATCH, labels=len(self.context().labels)) if batch is None else batch
        draw = torch.Generator().manual_seed(0)
        shape, classes = (len(batch), TRIES), len(self.context().labels)
        context = torch.randn(*shape, SIZES.context_tokens, SIZES.hidden_size, generator=draw)
        return Rollouts(
            samples=batch,
            labels=torch.tensor([-1 if sample.label is None else sample.label for sample in batch]),
            actions=torch.randint(classes, shape, generator=draw),
            probabilities=torch.randn(*shape, classes, generator=draw).softmax(-1),
            states=States(context, torch.randn(*shape, SIZES.hidden_size, generator=draw)),
            context_features=torch.randn(*shape, SIZES.text_width, generator=draw),
        )

    def sure(self) -> Rollouts:
        """:meth:`rollouts` with probabilities of exactly 0 and 1: the first try of each sample is right,
        the others as they come."""
        rollouts = self.rollouts()
        certain = rollouts.probabilities.argmax(-1)
        certain[:, 0] = rollouts.labels.clamp_min(0)
        one_hot = torch.nn.functional.one_hot(certain, rollouts.probabilities.shape[-1])
        return dataclasses.replace(rollouts, probabilities=one_hot.to(rollouts.probabilities))

    def scores(self) -> Tensor:
        """Those of :meth:`rollouts`."""
        scores: Tensor = self.subject.score(self.rollouts())
        return scores

    @check("reward.shape", "scores of shape [B,G], float32, without gradient")
    def test_shape(self) -> None:
        """The reinforcer subtracts the mean of each row of G tries; any other shape would broadcast
        silently."""
        scores = self.scores()
        require(isinstance(scores, Tensor), f"a {type(scores).__name__}")
        require(tuple(scores.shape) == (BATCH, TRIES), f"shape {list(scores.shape)} for B={BATCH}, G={TRIES}")
        require(scores.dtype == torch.float32, f"{scores.dtype}")
        require(not scores.requires_grad, "scores with a gradient")

    @check("reward.range", "finite scores inside the declared `range`, of a sure policy too")
    def test_range(self) -> None:
        """Weights of several rewards only mean something when each keeps its scale; NaN poisons the whole
        batch. Late in training probabilities are exactly 0 and 1, and a logarithm or quotient of them is not finite."""
        low, high = self.subject.range
        require(math.isfinite(low) and math.isfinite(high) and low < high, f"range = ({low}, {high})")
        for policy, scores in (("random", self.scores()), ("sure", self.subject.score(self.sure()))):
            require(finite(scores), f"a score of a {policy} policy that is not finite")
            least, most = float(scores.min()), float(scores.max())
            require(
                low <= least and most <= high,
                f"scores of a {policy} policy from {least:.4g} to {most:.4g} for range ({low}, {high})",
            )

    @check("reward.deterministic", "the same scores for the same rollouts")
    def test_deterministic(self) -> None:
        """A reward is a measurement: noise in it is noise in the gradient, and no run could be repeated."""
        require(torch.equal(self.scores(), self.scores()), "other scores the second time")
        require(
            torch.equal(self.scores(), self.make().score(self.rollouts())), "other scores from a new reward"
        )

    @check("reward.spread", "different scores for different tries or samples")
    def test_spread(self) -> None:
        """A constant reward has no advantage: it costs time and teaches nothing."""
        scores = self.scores()
        require(
            float(scores.max() - scores.min()) > 0, f"{float(scores.max()):.4g} for every try of every sample"
        )

    @check("reward.order", "scores that follow the samples when the batch is put in another order")
    def test_order(self) -> None:
        """Batches are shuffled; a reward that looks at a sample's place in its batch scores the wrong
        image."""
        rollouts = self.rollouts()
        order = torch.arange(BATCH - 1, -1, -1)
        turned = dataclasses.replace(
            rollouts,
            samples=[rollouts.samples[i] for i in order.tolist()],
            labels=rollouts.labels[order],
            actions=rollouts.actions[order],
            probabilities=rollouts.probabilities[order],
            states=rollouts.states[order],
            context_features=None if rollouts.context_features is None else rollouts.context_features[order],
        )
        gap = float((self.subject.score(turned) - self.subject.score(rollouts)[order]).abs().max())
        require(gap < 1e-5, f"scores that differ by {gap:.3g}")

    @check("reward.leaves-rollouts", "rollouts that are as they were before")
    def test_leaves_rollouts(self) -> None:
        """Several rewards score the same rollouts, and the reinforcer reads them afterwards."""
        rollouts = self.rollouts()
        untouched = copy.deepcopy(rollouts)
        self.subject.score(rollouts)
        pairs = zip(_tensors(rollouts).items(), _tensors(untouched).values(), strict=True)
        changed = [name for (name, now), before in pairs if not torch.equal(now, before)]
        require(not changed, f"other {' and '.join(changed)} after scoring")
        require(list(rollouts.samples) == list(untouched.samples), "other samples after scoring")

    @check("reward.random-state", "scoring to leave the global random state alone")
    def test_random_state(self) -> None:
        """What the policy tries next must not depend on which rewards it has."""
        reward, rollouts = self.subject, self.rollouts()
        with leaving_random_state():
            reward.score(rollouts)

    @check(
        "reward.verifiable", "scores that depend on the sample, not on the policy alone", tier="capability"
    )
    def test_verifiable(self) -> None:
        """A verifiable reward is computed from the annotation or by an independent model. One that only
        looks at the policy's own probabilities rewards confidence; it must say `verifiable = False`."""
        if not self.subject.verifiable:
            raise NotApplicable("the reward says that it is not verifiable")
        rollouts = self.rollouts()
        others = samples(2 * BATCH + 1, labels=len(self.context().labels))[BATCH + 1 :]
        labels = torch.tensor([sample.label for sample in others])
        swapped = dataclasses.replace(rollouts, samples=others, labels=labels)
        same = torch.equal(self.subject.score(swapped), self.subject.score(rollouts))
        require(not same, "the same scores for other samples with other labels and pictures")

    @check(
        "reward.applies",
        "for each sample whether it can be scored, bool [B], whatever is beside it in the batch",
    )
    def test_applies(self) -> None:
        """What cannot be scored has no reward, which is another thing than a reward of 0: the weights of the other rewards
        then stand for all."""
        batch = samples(BATCH, labels=len(self.context().labels))
        applies = self.subject.applies(batch)
        require(isinstance(applies, Tensor), f"a {type(applies).__name__}")
        require(
            applies.dtype == torch.bool and applies.shape == (BATCH,),
            f"{applies.dtype} {list(applies.shape)}",
        )
        require(bool(applies.any()), "none of the labelled and annotated samples")
        alone = [bool(self.subject.applies([sample])[0]) for sample in batch]
        require(applies.tolist() == alone, "another answer for a sample alone")

    @check("reward.unlabelled", "no reward for an unlabelled sample", tier="capability")
    def test_unlabelled(self) -> None:
        """Most images of a real set have no label. Scoring them as label -1 would reward the last emotion."""
        if "labels" not in self.subject.needs:
            raise NotApplicable("the reward needs no labels")
        first, *rest = samples(BATCH, labels=len(self.context().labels))
        self.require_masked([dataclasses.replace(first, label=None), *rest])

    @check("reward.unannotated", "no reward for a sample without the annotations", tier="capability")
    def test_unannotated(self) -> None:
        """Not every image of a set is annotated with everything; a missing annotation says nothing for or
        against."""
        if "attributes" not in self.subject.needs:
            raise NotApplicable("the reward needs no attributes")
        first, *rest = samples(BATCH, labels=len(self.context().labels))
        self.require_masked([dataclasses.replace(first, attributes={}), *rest])

    def require_masked(self, batch: Sequence[Sample]) -> None:
        """The first sample is not scored, and does not keep the others from it."""
        require(not bool(self.subject.applies(batch)[0]), "that the reward applies to it")
        shape = list(self.subject.score(self.rollouts(batch)).shape)
        require(shape == [BATCH, TRIES], f"shape {shape} of a batch that holds it")

    @check("reward.resources", "scores from no more than the resources that `needs` names")
    def test_resources(self) -> None:
        """A run that lacks what a reward needs is refused before anything is loaded; what `needs` does not
        name is not there, and is missed at the first step."""
        self.make().score(self.rollouts())

    @check("reward.labels-fit", "other label sets to be scored, or refused when the reward is built")
    def test_labels_fit(self) -> None:
        """Mikels' wheel has eight emotions; a spec with other labels must be told so at once."""
        for names in OTHER_LABELS:
            other = self.under(names)
            try:
                reward = other.make()
            except EmosymError:
                continue
            shape = list(reward.score(other.rollouts()).shape)
            require(shape == [BATCH, TRIES], f"shape {shape} with {len(names)} labels")


def _tensors(rollouts: Rollouts) -> dict[str, Tensor]:
    """Every tensor of the rollouts, by name."""
    names = ("labels", "actions", "probabilities", "context_features")
    every = {
        **{name: getattr(rollouts, name) for name in names},
        "states.context": rollouts.states.context,
        "states.emotion": rollouts.states.emotion,
    }
    return {name: value for name, value in every.items() if value is not None}
