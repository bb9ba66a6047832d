"""Conformance of reinforcers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from emosym.contracts import ReinforceBatch, Reinforcer, Rollouts, States
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.generic import ComponentSuite
from emosym.testing.pictures import samples
from emosym.testing.probes import finite, gap, leaving_random_state, unreached
from emosym.testing.suite import SIZES

BATCH, TOKENS, WIDTH = 6, SIZES.context_tokens, SIZES.hidden_size


@dataclass
class Game:
    """A policy small enough to know the answer: logits are linear in the context tokens, plus each image's
    own.

    The reward is 1 for the annotated emotion and 0.2 for any other, alike for every try of an unlabelled image; where
    ``half`` it does not apply to every other image, to which no reward does. ``seen`` keeps the rollouts that were scored, ``rows`` how many rows of each image every reading had.
    """

    classes: int
    labelled: bool = True
    seed: int = 0
    half: bool = False
    seen: list[Rollouts] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        draw = torch.Generator().manual_seed(3)
        self.mean = torch.randn(TOKENS, WIDTH, generator=draw).requires_grad_()
        self.weight = (torch.randn(TOKENS * WIDTH, self.classes, generator=draw) / 10).requires_grad_()
        self.images = torch.randn(BATCH, 1, self.classes, generator=draw)
        self.labels = torch.arange(BATCH) % self.classes if self.labelled else torch.full((BATCH,), -1)
        self.reference = self.log_p().detach()

    def read(self, context: Tensor) -> tuple[States, Tensor]:
        self.rows.append(context.shape[1])
        logits = context.flatten(2) @ self.weight + self.images
        return States(context, context.mean(2)), logits

    def log_p(self) -> Tensor:
        """Log-probabilities [B,C] of the reading without noise."""
        return (self.mean.flatten() @ self.weight + self.images)[:, 0].log_softmax(-1)

    def score(self, rollouts: Rollouts) -> tuple[Tensor, Mapping[str, Tensor]]:
        self.seen.append(rollouts)
        right = 0.2 + 0.8 * (rollouts.actions == self.labels[:, None]).float()
        same = torch.full_like(right, 0.5)
        if not self.half:
            return right, {"right": right, "same": same}
        silent = (torch.arange(BATCH) % 2 == 1)[:, None]
        each = {name: one.masked_fill(silent, math.nan) for name, one in (("right", right), ("same", same))}
        return right.masked_fill(silent, 0.0), each

    def project(self, states: States) -> Tensor:
        return states.context.mean(-2)[..., : SIZES.text_width]

    @property
    def batch(self) -> ReinforceBatch:
        """What a reinforcer is given; its generator starts from ``seed``."""
        return ReinforceBatch(
            samples=samples(BATCH),
            labels=self.labels,
            mean=self.mean,
            read=self.read,
            score=self.score,
            project=self.project,
            reference=self.reference,
            generator=torch.Generator().manual_seed(self.seed),
        )

    def divergence(self) -> float:
        """KL(p‖reference), the mean over the images."""
        log_p = self.log_p().detach()
        return float((log_p.exp() * (log_p - self.reference)).sum(-1).mean())

    def learn(self, reinforcer: Any, steps: int, rate: float) -> None:
        """Follow the gradient of the loss; every step draws anew."""
        parts = (self.mean, self.weight)
        for _ in range(steps):
            self.seed += 1
            gradients = torch.autograd.grad(reinforcer.loss(self.batch).loss, parts, allow_unused=True)
            with torch.no_grad():
                for part, gradient in zip(parts, gradients, strict=True):
                    if gradient is not None:
                        part.sub_(rate * gradient)


class ReinforcerSuite(ComponentSuite):
    """The loss of a :class:`Game`: six images whose reading is a linear function of the context tokens."""

    kind = "reinforcer"
    contract: ClassVar[type] = Reinforcer
    steps: ClassVar[int] = 150
    rate: ClassVar[float] = 0.1
    """How long and how fast ``reinforcer.improves`` learns."""

    def game(self, *, labelled: bool = True, seed: int = 0) -> Game:
        return Game(len(self.context().labels), labelled, seed)

    @check("reinforcer.loss", "a finite scalar loss with a gradient")
    def test_loss(self) -> None:
        """It is added to the cross entropy and stepped on."""
        loss = self.subject.loss(self.game().batch).loss
        require(loss.shape == () and finite(loss), f"{loss.detach()}")
        require(loss.requires_grad, "a loss without a gradient")

    @check("reinforcer.reaches-tokens", "a gradient from the loss to the context tokens")
    def test_reaches_tokens(self) -> None:
        """The stage reinforces the reasoning tokens; where adapters are frozen, nothing else would learn."""
        game = self.game()
        loss = self.subject.loss(game.batch).loss
        require(not unreached(loss, {"tokens": game.mean}), "no gradient in the context tokens")

    @check("reinforcer.reaches-network", "a gradient from the loss through `read`")
    def test_reaches_network(self) -> None:
        """Adapters and the emotion head lie behind it."""
        game = self.game()
        loss = self.subject.loss(game.batch).loss
        require(not unreached(loss, {"network": game.weight}), "no gradient in what `read` reads with")

    @check(
        "reinforcer.logits",
        "logits, where there are any, of the tokens as they are, with a gradient to them",
        tier="capability",
    )
    def test_logits(self) -> None:
        """The stage takes its cross entropy from them: those of a try would teach the labels under noise."""
        game = self.game()
        logits = self.subject.loss(game.batch).logits
        if logits is None:
            raise NotApplicable("it gives none")
        apart = gap(logits.detach().float().log_softmax(-1), game.log_p().detach())
        require(apart < 1e-4, f"log-probabilities that differ by {apart:.3g} from those of the tokens")
        require(
            not unreached(logits.square().sum(), {"tokens": game.mean}), "no gradient in the context tokens"
        )

    @check("reinforcer.deterministic", "the same loss from the same generator")
    def test_deterministic(self) -> None:
        """A run continues from a checkpoint with the generator's state, and nothing else that is random."""
        with leaving_random_state():
            one, again = (self.subject.loss(self.game().batch).loss for _ in range(2))
        require(gap(one, again) == 0.0, f"losses that differ by {gap(one, again):.3g}")

    @check(
        "reinforcer.rollouts", "rollouts of the batch: actions, probabilities, states and features that fit"
    )
    def test_rollouts(self) -> None:
        """Rewards judge what they are shown; a graph in it would keep the backbone's activations."""
        game = self.game()
        self.subject.loss(game.batch)
        require(bool(game.seen), "that nothing was scored")
        for tries in game.seen:
            images, count = tries.actions.shape
            require(images == BATCH and len(tries.samples) == BATCH, f"actions {list(tries.actions.shape)}")
            require(torch.equal(tries.labels, game.labels), "other labels than the batch's")
            inside = (tries.actions >= 0) & (tries.actions < game.classes)
            require(
                not tries.actions.is_floating_point() and bool(inside.all()), "actions that are no labels"
            )
            sums = tries.probabilities.detach().sum(-1)
            require(
                tuple(tries.probabilities.shape) == (images, count, game.classes)
                and gap(sums, torch.ones_like(sums)) < 1e-4,
                f"probabilities {list(tries.probabilities.shape)} that sum to {float(sums.min()):.4g}",
            )
            shapes = [list(tries.states.context.shape), list(tries.states.emotion.shape)]
            require(
                shapes == [[images, count, TOKENS, WIDTH], [images, count, WIDTH]],
                f"states of shapes {shapes}",
            )
            require(
                tries.context_features is not None
                and gap(tries.context_features, game.project(tries.states)) < 1e-5,
                "context features that are not the projected states",
            )
            graph = [tries.probabilities, tries.states.context, tries.states.emotion, tries.context_features]
            require(
                not any(one is not None and one.requires_grad for one in graph), "rollouts with a gradient"
            )

    @check("reinforcer.readings", "no more rows read for an image in one loss than `readings(config)` says")
    def test_readings(self) -> None:
        """Estimates of memory ask it: activations of all rows are kept until the backward pass."""
        game = self.game()
        self.subject.loss(game.batch)
        most = type(self.subject).readings(self.subject.config)
        require(sum(game.rows) <= most, f"{' + '.join(map(str, game.rows))} rows where it says {most}")

    @check("reinforcer.improves", "a higher expected reward after following its gradient")
    def test_improves(self) -> None:
        """It is what the stage is for; a wrong sign or a baseline of another image's tries trains as
        smoothly."""
        game = self.game()
        chosen = game.labels[:, None]
        before = float(game.log_p().gather(1, chosen).exp().mean().detach())
        game.learn(self.subject, self.steps, self.rate)
        after = float(game.log_p().gather(1, chosen).exp().mean().detach())
        require(
            after > before + 0.05, f"a probability of {after:.3f} for the rewarded action after {before:.3f}"
        )

    @check("reinforcer.unlabelled", "no push from unlabelled images whose tries are all rewarded alike")
    def test_unlabelled(self) -> None:
        """Most images of a real set have no label; what is left of rounding, divided by a spread of zero,
        is noise."""
        game = self.game(labelled=False)
        loss = self.subject.loss(game.batch).loss
        parts = (game.mean, game.weight)
        gradients = torch.autograd.grad(loss, parts, allow_unused=True)
        largest = max(float(gradient.abs().max()) for gradient in gradients if gradient is not None)
        require(largest < 1e-5, f"a gradient of up to {largest:.3g}")

    @check("reinforcer.reference", "a nearer reference after following its gradient", tier="capability")
    def test_reference(self) -> None:
        """The divergence keeps a policy that is paid for one thing from forgetting the others."""
        game = self.game(labelled=False)
        near = self.subject.loss(game.batch).loss
        game.reference = game.reference.roll(1, 0)
        far = self.subject.loss(game.batch).loss
        if gap(near, far) == 0.0:
            raise NotApplicable("the loss does not depend on the reference")
        before = game.divergence()
        game.learn(self.subject, 20, self.rate)
        after = game.divergence()
        require(after < before, f"a divergence of {after:.4g} after {before:.4g}")

    @check(
        "reinforcer.values",
        "for each reward its mean, its spread, and with several tries a third figure, as floats",
    )
    def test_values(self) -> None:
        """A reward without spread teaches nothing; the log is where one sees which."""
        game = self.game()
        values = self.subject.loss(game.batch).values
        wrong = {name: value for name, value in values.items() if not isinstance(value, float)}
        require(not wrong, f"{wrong}, which are no floats")
        require(all(map(math.isfinite, values.values())), f"{dict(values)}")
        (tries,) = game.seen[-1:]
        for name, scores in game.score(tries)[1].items():
            own = {key: value for key, value in values.items() if name in key}
            wanted = 2 if scores.shape[1] == 1 else 3
            require(len(own) >= wanted, f"for reward {name!r}: {own}")
            mean = float(scores.mean())
            near = any(abs(value - mean) < 1e-5 for value in own.values())
            require(near, f"for reward {name!r}, whose mean is {mean:.4g}: {own}")

    @check(
        "reinforcer.masked",
        "a finite loss where no reward applies to some images, and figures of the others alone",
    )
    def test_masked(self) -> None:
        """No reward is not a reward of 0: counted as one it would say that a reward falls when unlabelled images come."""
        game = Game(len(self.context().labels), half=True)
        terms = self.subject.loss(game.batch)
        require(finite(terms.loss), f"a loss of {float(terms.loss.detach())}")
        (tries,) = game.seen[-1:]
        mean = float(game.score(tries)[1]["right"].nanmean())
        own = {name: value for name, value in terms.values.items() if "right" in name}
        near = any(abs(value - mean) < 1e-5 for value in own.values())
        require(near, f"for a reward whose mean is {mean:.4g}: {own}")

    @check("reinforcer.state", "the same loss after a checkpoint, whatever it has adapted to in between")
    def test_state(self) -> None:
        """A resumed run goes on as one that was never stopped; what adapts from step to step must be saved."""
        game, one = self.game(), self.make()
        game.reference = game.reference.roll(1, 0)
        for _ in range(3):
            one.after_step(one.loss(game.batch).values)
        again = self.make()
        again.load_state(json.loads(json.dumps(one.state())))
        apart = gap(one.loss(game.batch).loss, again.loss(game.batch).loss)
        require(apart == 0.0, f"a loss that differs by {apart:.3g}")

    @check("reinforcer.leaves-policy", "tokens and reference as they were before")
    def test_leaves_policy(self) -> None:
        """The optimiser moves the tokens; the reference is what stage 1 left, for the whole stage."""
        game, fresh = self.game(), self.game()
        self.subject.loss(game.batch)
        require(gap(game.mean, fresh.mean) == 0.0, "other tokens after the loss")
        require(gap(game.reference, fresh.reference) == 0.0, "another reference after the loss")
