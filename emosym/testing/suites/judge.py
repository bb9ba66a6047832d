"""Conformance of judges."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from emosym_registry import EmosymError
from PIL import Image
from torch import Tensor

from emosym.contracts import Context, Judge, LabelSet, Sample
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.generic import ComponentSuite
from emosym.testing.pictures import picture
from emosym.testing.probes import finite, gap, leaving_random_state, refusal

CLOSE = 1e-4
"""How far float32 probabilities of one picture may differ between batches of other sizes."""


class JudgeSuite(ComponentSuite):
    """What a judge says of :meth:`images`, six different pictures.

    ``within_run`` says whether the judge is taught by a run; None takes ``within-run`` among the capabilities of the
    component's spec. Such a judge is taught :meth:`lesson` as soon as it is made.
    """

    kind = "judge"
    contract: ClassVar[type] = Judge
    within_run: ClassVar[bool | None] = None

    def is_taught(self) -> bool:
        """Whether a run teaches the judge."""
        registered = self.spec is not None and "within-run" in self.spec.capabilities
        return registered if self.within_run is None else self.within_run

    def lesson(self, labels: LabelSet) -> list[Sample]:
        """Six pictures of every emotion, whose labels go by their names, whatever the order of these."""
        places = {name: place for place, name in enumerate(sorted(labels.names))}
        return [
            Sample(f"lesson-{number}", (picture(100 + number * len(places) + place),), labels.index(name))
            for number in range(6)
            for name, place in places.items()
        ]

    def build(self, changes: Mapping[str, Any], context: Context) -> Any:
        """A judge, taught where it is one that a run teaches."""
        judge = super().build(changes, context)
        if self.is_taught():
            judge.learn(self.lesson(context.labels))
        return judge

    def images(self) -> Sequence[Image.Image]:
        """The pictures that are judged."""
        return [picture(number) for number in range(6)]

    def weights(self, judge: Any) -> Mapping[str, Tensor]:
        """Every saved tensor of a judge, by name."""
        weights: Mapping[str, Tensor] = judge.state_dict(keep_vars=True)
        return weights

    @check(
        "judge.probabilities",
        "probabilities [B,C] of the run's labels, each row summing to one, without gradient",
    )
    def test_probabilities(self) -> None:
        """They become scores of the bank and rewards, and are compared with the model's own."""
        read = self.subject.probabilities(self.images())
        wanted = (len(self.images()), len(self.context().labels))
        require(tuple(read.shape) == wanted, f"shape {list(read.shape)} where {list(wanted)} is right")
        require(finite(read) and bool((read >= 0).all()), "a value that is negative or no number")
        require(float((read.sum(1) - 1).abs().max()) < CLOSE, f"rows that sum to {read.sum(1)[0]:.4g}")
        require(not read.requires_grad, "probabilities with a gradient")

    @check("judge.features", "finite features [B,F], F the same for every batch, without gradient")
    def test_features(self) -> None:
        """Diversity and nearest neighbours are measured in them."""
        read, one = self.subject.features(self.images()), self.subject.features(self.images()[:1])
        require(read.ndim == 2 and len(read) == len(self.images()), f"shape {list(read.shape)}")
        require(read.shape[1] == one.shape[1], f"F = {read.shape[1]} and {one.shape[1]}")
        require(finite(read), "a feature that is no number")
        require(not read.requires_grad, "features with a gradient")

    @check("judge.frozen", "the same judgement in training mode, from weights that do not train")
    def test_frozen(self) -> None:
        """A judge that learns along with the system is no longer independent of it."""
        judge = self.make()
        training = [name for name, weight in judge.named_parameters() if weight.requires_grad]
        require(not training, f"trainable weights, such as {training[:1]}")
        judge.train()
        apart = gap(judge.probabilities(self.images()), self.subject.probabilities(self.images()))
        require(apart < CLOSE, f"a difference of {apart:.3g} in training mode")

    @check("judge.batch", "judgements that do not depend on the other pictures of a batch")
    def test_batch(self) -> None:
        """A candidate's score must not depend on who else was offered with it."""
        together = self.subject.probabilities(self.images())
        alone = torch.cat([self.subject.probabilities([image]) for image in self.images()])
        require(gap(together, alone) < CLOSE, f"a difference of {gap(together, alone):.3g}")

    @check("judge.sees", "different judgements and features for different pictures")
    def test_sees(self) -> None:
        """A judge that says the same of everything passes every image or none."""
        for name in ("probabilities", "features"):
            read = getattr(self.subject, name)(self.images())
            require(float((read - read[:1]).abs().max()) > 1e-6, f"the same {name} for all")

    @check("judge.any-picture", "pictures of any size and mode to be judged")
    def test_any_picture(self) -> None:
        """Datasets hold grey scans, palettes and transparent PNGs; the one among 118,000 comes on the third
        day."""
        image = picture(1)
        odd = [
            image.convert("L"),
            image.convert("RGBA"),
            image.convert("P"),
            picture(2, (37, 211)),
            picture(3, (300, 20)),
        ]
        read = self.subject.probabilities(odd)
        require(
            finite(read) and len(read) == len(odd),
            f"shape {list(read.shape)}, or a value that is no number",
        )

    @check("judge.label-order", "columns in the order of the run's labels, whatever that order is")
    def test_label_order(self) -> None:
        """A classifier has its own order of emotions. Taken for the run's, it gives a wrong judge that
        looks right."""
        names = self.context().labels.names
        turned = self.under(names[::-1]).make().probabilities(self.images())
        apart = gap(turned.flip(1), self.subject.probabilities(self.images()))
        require(apart < CLOSE, f"a difference of {apart:.3g} after the labels were turned round")

    @check("judge.labels-fit", "labels that the judge does not know to be refused when it is built")
    def test_labels_fit(self) -> None:
        """It has nothing to say of them, and the run should not find that out in its evaluation."""
        if self.is_taught():
            return  # it learns whatever labels the run has
        try:
            self.under(("drizzle", "fog", "hail")).make()
        except EmosymError:
            return
        require(False, "that a run with the labels drizzle, fog, hail gets a judge")

    @check("judge.identity", "an identity that two judges of the same weights share")
    def test_identity(self) -> None:
        """Emo-A measured by the judge that chose the training images says nothing; the run is refused by
        identity."""
        own, other = self.subject.identity, self.make().identity
        require(isinstance(own, str) and bool(own), f"{own!r}")
        require(own == other, f"{own[:12]!r} and {other[:12]!r} for the same weights")

    @check(
        "judge.identity-of-weights", "another identity where one tensor alone is another", tier="capability"
    )
    def test_identity_of_weights(self) -> None:
        """A name is not enough: two files may share it, and one file may have two. Compute it from every
        tensor, when asked."""
        names = [name for name, value in self.weights(self.make()).items() if value.is_floating_point()]
        if not names:
            raise NotApplicable("the judge has no weights")
        for name in _few(names):
            other = self.make()  # one that was never asked; an identity may be kept
            with torch.no_grad():
                self.weights(other)[name].add_(1.0)
            require(
                other.identity != self.subject.identity, f"the same identity after {name} alone was changed"
            )

    @check(
        "judge.learns",
        "another judge after another lesson, the same after the same, and an error before any",
        tier="capability",
    )
    def test_learns(self) -> None:
        """What a run of few labels selects with must come from those labels: neither from others that were
        seen before, nor from chance."""
        if not self.is_taught():
            raise NotApplicable("no run teaches the judge")
        judge = super().build({}, self.context())
        early = refusal(lambda: judge.probabilities(self.images()))
        require(early is not None, "a judgement before it was taught")
        lesson = self.lesson(self.context().labels)
        judge.learn(lesson)
        said, again = judge.probabilities(self.images()), self.subject.probabilities(self.images())
        require(gap(said, again) < CLOSE, f"a difference of {gap(said, again):.3g} after the same lesson")
        count = len(self.context().labels)
        judge.learn([dataclasses.replace(one, label=((one.label or 0) + 1) % count) for one in lesson])
        turned = judge.probabilities(self.images())
        require(gap(turned, again) > CLOSE, "the same judgements after another lesson")

    @check("judge.attributes", "one mapping of words to words for each picture")
    def test_attributes(self) -> None:
        """What else a judge reads (scene, object) is looked up by the picture's place."""
        read = self.subject.attributes(self.images())
        require(
            isinstance(read, list) and len(read) == len(self.images()),
            f"{type(read).__name__} of another length",
        )
        words = all(
            isinstance(one, Mapping) and all(isinstance(v, str) for v in one.values()) for one in read
        )
        require(words, f"{read[0]!r}")

    @check("judge.random-state", "judging to leave the global random state alone")
    def test_random_state(self) -> None:
        """Evaluation between two stages must not change the second."""
        with leaving_random_state():
            self.subject.features(self.images())
            self.subject.probabilities(self.images())


def _few(names: list[str], at_most: int = 8) -> list[str]:
    """The first, the last, and some at even distances between them."""
    last = len(names) - 1
    return [names[place] for place in sorted({round(i * last / (at_most - 1)) for i in range(at_most)})]
