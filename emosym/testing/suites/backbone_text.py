"""Checks of backbones: a reason that is written, and an answer after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from emosym.contracts import Sample
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.probes import finite, in_mode, refusal, unreached
from emosym.testing.suites.backbone_base import BATCH, BackboneChecks

TURNS = (
    ("It shows why. Emotion:", " awe"),
    ("", "Emotion: fear"),
    ("A long reason why it is so. Emotion:", ""),
)
"""A reason and an answer, an answer alone, a reason that is left open."""
CUE, ANSWERS, MOST = "Emotion:", (" awe", " fear", " fear of the dark"), 6


class TextChecks(BackboneChecks):
    """`compose` and `conclude`, of backbones with the capability `text`."""

    def require_text(self) -> None:
        """End a check where the backbone writes no reasons, and says so."""
        error = refusal(lambda: self.subject.compose(self.samples(1), TURNS[:1]))
        if error is not None and error.id == "backbone.no-text":
            declared = self.spec is not None and "text" in self.spec.capabilities
            require(not declared, f"the capability text, and from compose: {error.message}")
            raise NotApplicable("the backbone writes no reasons and answers")

    def composed(self, batch: Sequence[Sample], turns: Sequence[tuple[str, str]], by: Any = None) -> Tensor:
        """Without a graph, in eval mode."""
        backbone = by or self.subject
        with torch.no_grad(), in_mode(backbone, training=False):
            improbable: Tensor = backbone.compose(batch, turns)
        return improbable

    @check(
        "backbone.compose",
        "what each part of a turn costs a token, zero for an empty part, the same alone and beside others",
        tier="capability",
    )
    def test_compose(self) -> None:
        """It is the loss of `reading: explicit`: padding that counts as text, or a cost that is spread over another part,
        teaches something else than the text."""
        self.require_text()
        batch = self.samples()
        together = self.composed(batch, TURNS)
        require(tuple(together.shape) == (BATCH, 2) and finite(together), f"{list(together.shape)}")
        for row, turn in enumerate(TURNS):
            for column, part in enumerate(turn):
                cost = float(together[row, column])
                require((cost > 0) == bool(part), f"a cost of {cost:.4g} for the text {part!r}")
            difference = self.apart(self.composed(batch[row : row + 1], (turn,)), together[row : row + 1])
            require(
                difference <= self.tolerance, f"costs of turn {row} that differ by {difference:.3g} alone"
            )
        others = [self.other(sample) for sample in batch]
        change = self.apart(together, self.composed(others, TURNS))
        require(change > self.tolerance, f"a change of {change:.3g} for other pictures")

    @check(
        "backbone.compose-reaches", "a gradient through `compose` to every adapter tensor", tier="capability"
    )
    def test_compose_reaches(self) -> None:
        """The adapters alone learn to write."""
        self.require_text()
        if not self.subject.adapters():
            raise NotApplicable("the backbone has no adapters with these parameters")
        backbone = self.make()
        with torch.no_grad():  # a factor that starts at zero lets no gradient through to its partner
            for number, own in enumerate(backbone.adapters().values()):
                noise = torch.randn(own.shape, generator=torch.Generator().manual_seed(number))
                own.add_(0.01 * noise.to(own))
        missed = unreached(backbone.compose(self.samples(), TURNS).sum(), backbone.adapters())
        require(not missed, f"no gradient in {', '.join(missed)}")

    @check(
        "backbone.conclude",
        "a text for each sample, and each answer as probable as `compose` says it is after that text",
        tier="capability",
    )
    def test_conclude(self) -> None:
        """It is the reading of `reading: explicit`: answers that are looked at after something else than what was written, or
        whose last tokens are not counted, are no probabilities of this model."""
        self.require_text()
        batch = self.samples()
        with in_mode(self.subject, training=True):
            concluded = self.subject.conclude(batch, CUE, ANSWERS, MOST)
        scores = concluded.log_probabilities
        require(tuple(scores.shape) == (BATCH, len(ANSWERS)) and finite(scores), f"{list(scores.shape)}")
        require(not scores.requires_grad, "a graph")
        require(len(concluded.texts) == BATCH, f"{len(concluded.texts)} texts")
        require(all(CUE not in text for text in concluded.texts), f"{concluded.texts!r}")
        for row, sample in enumerate(batch):
            alone = self.subject.conclude([sample], CUE, ANSWERS, MOST)
            require(
                list(alone.texts) == [concluded.texts[row]], f"{alone.texts!r} alone, {concluded.texts!r}"
            )
            difference = self.apart(alone.log_probabilities, scores[row : row + 1])
            require(difference <= self.tolerance, f"probabilities that differ by {difference:.3g} alone")
        self.require_composed(batch, concluded.texts, scores)

    def require_composed(self, batch: Sequence[Sample], texts: Sequence[str], scores: Tensor) -> None:
        """The answers' log-probabilities are in proportion to what a token of each costs: its number of tokens, a whole
        number that is the same for every sample. Nearly so, as what an untrained model writes may be spelt with other tokens
        when it is read again."""
        for column, answer in enumerate(ANSWERS):
            costs = self.composed(batch, [(f"{text} {CUE}".strip(), answer) for text in texts])[:, 1]
            counts = (-scores[:, column] / costs).tolist()
            exact = all(abs(one - round(one)) < 0.1 and round(one) == round(counts[0]) > 0 for one in counts)
            require(exact, f"{answer!r} as if it had {', '.join(f'{one:.3f}' for one in counts)} tokens")
