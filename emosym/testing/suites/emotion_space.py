"""Conformance of emotion spaces."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import EmotionSpace, States
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.generic import ComponentSuite
from emosym.testing.probes import finite, gap, leaving_random_state, refusal
from emosym.testing.suite import SIZES

EACH = 24
"""States of every class."""
DRAWS = 128


class EmotionSpaceSuite(ComponentSuite):
    """Draws from a space that was fitted to :meth:`data`: a cluster of states for every emotion, far from
    the others."""

    kind = "emotion_space"
    contract: ClassVar[type] = EmotionSpace

    def data(self, seed: int = 0) -> tuple[States, Tensor]:
        """States of :data:`EACH` samples a class around a centre of their own, in a shuffled order, and
        their labels."""
        draw = torch.Generator().manual_seed(seed)
        classes, tokens, width = len(self.context().labels), SIZES.context_tokens + 1, SIZES.hidden_size
        labels = torch.arange(classes).repeat(EACH)[torch.randperm(EACH * classes, generator=draw)]
        centres = 3 * torch.randn(classes, tokens, width, generator=draw)
        noise = 0.5 * torch.randn(len(labels), tokens, width, generator=draw)
        return States.split(centres[labels] + noise), labels

    def fitted(self, seed: int = 0) -> Any:
        """A new space, fitted."""
        space = self.make()
        space.fit(*self.data(seed))
        return space

    @property
    def ready(self) -> Any:
        """One fitted space for the checks that leave it as it is."""
        return self.keep("ready", self.fitted)

    def draw(self, weights: dict[int, float], count: int = DRAWS, seed: int = 5, space: Any = None) -> States:
        """``count`` draws of one mixture."""
        mixture = torch.zeros(count, len(self.context().labels))
        for label, weight in weights.items():
            mixture[:, label] = weight
        states: States = (space or self.ready).sample(mixture, torch.Generator().manual_seed(seed))
        return states

    def centres(self, seed: int = 0) -> Tensor:
        """Mean state of every class [C,(K+1)·D]."""
        states, labels = self.data(seed)
        rows = states.joined().flatten(1)
        return torch.stack([rows[labels == label].mean(0) for label in range(len(self.context().labels))])

    def distances(self, states: States, seed: int = 0) -> Tensor:
        """[C] from the mean of some draws to each class's centre."""
        away = states.joined().flatten(1).mean(0) - self.centres(seed)
        distances: Tensor = torch.linalg.vector_norm(away, dim=1)
        return distances

    @check("emotion-space.shape", "float32 states [B,K,D] and [B,D], finite, like those it was fitted to")
    def test_shape(self) -> None:
        """Drawn states take the place of real ones: the fusion is told K and D once."""
        states = self.draw({0: 1.0}, count=4)
        shapes = [list(states.context.shape), list(states.emotion.shape)]
        expected = [[4, SIZES.context_tokens, SIZES.hidden_size], [4, SIZES.hidden_size]]
        require(shapes == expected, f"shapes {shapes}")
        require(states.context.dtype == states.emotion.dtype == torch.float32, f"{states.emotion.dtype}")
        require(finite(states.joined()), "a state that is not finite")

    @check("emotion-space.no-gradient", "draws without a graph, also after a fit to states with one")
    def test_no_gradient(self) -> None:
        """A graph that is kept from the fit holds the activations of a whole training set."""
        states, labels = self.data()
        space = self.make()
        space.fit(States(states.context.requires_grad_(), states.emotion.requires_grad_()), labels)
        drawn = self.draw({0: 1.0}, count=2, space=space)
        kept = [name for name, value in space.state_dict(keep_vars=True).items() if value.grad_fn is not None]
        require(not drawn.joined().requires_grad and not kept, f"a graph ({', '.join(kept) or 'of draws'})")

    @check("emotion-space.deterministic", "the same draws from the same generator, and others from another")
    def test_deterministic(self) -> None:
        """An image is made again from its seed; the bank's ledger is replayed with it."""
        with leaving_random_state():
            one, again, other = (self.draw({1: 1.0}, seed=seed).joined() for seed in (5, 5, 6))
        require(gap(one, again) == 0.0, f"a gap of {gap(one, again):.3g} with the same generator")
        require(gap(one, other) > 1e-6, "the same draws with another generator")

    @check("emotion-space.classes", "draws of an emotion to lie nearest to the states of that emotion")
    def test_classes(self) -> None:
        """Otherwise the picture of fear is made from states of awe, and the bank fills with wrong labels."""
        for label in range(len(self.context().labels)):
            nearest = int(self.distances(self.draw({label: 1.0})).argmin())
            require(nearest == label, f"draws of label {label} nearest to label {nearest}")

    @check("emotion-space.spread", "draws of one emotion that differ from one another")
    def test_spread(self) -> None:
        """Without spread every picture of an emotion is the same picture."""
        rows = self.draw({0: 1.0}).joined().flatten(1)
        spread = float(rows.std(0).mean())
        require(spread > 1e-4, f"a mean deviation of {spread:.3g} over {DRAWS} draws")

    @check("emotion-space.mixture", "the mean of a 70/30 mixture at 70/30 between the two emotions")
    def test_mixture(self) -> None:
        """\"70 % awe, 30 % fear\" and the valence slider; whether each draw lies between or is of either,
        the mean says it."""
        first, second = self.centres()[:2]
        drawn = self.draw({0: 0.7, 1: 0.3}, count=4 * DRAWS).joined().flatten(1).mean(0)
        along = float((drawn - second) @ (first - second) / (first - second).square().sum())
        require(0.55 < along < 0.85, f"a mean at {along:.2f} of the way from the second to the first")
        aside = float((drawn - second - along * (first - second)).norm() / (first - second).norm())
        require(aside < 0.5, f"a mean that lies {aside:.2f} of their distance beside the two")

    @check("emotion-space.empty-class", "an error that names an emotion without samples")
    def test_empty_class(self) -> None:
        """Its statistics would be NaN, and NaN pictures would come out at the end of a run."""
        states, labels = self.data()
        kept = labels != 2
        space = self.make()
        error = refusal(lambda: space.fit(states[kept], labels[kept]))
        require(error is not None, "that it is fitted")
        name = self.context().labels.names[2]
        require(name in str(error), f"an error that does not name {name!r}: {error}")

    @check("emotion-space.refit", "a second fit to replace the first")
    def test_refit(self) -> None:
        """The space follows the weights: it is fitted anew at every refresh of the bank."""
        space = self.fitted()
        space.fit(*self.data(seed=1))
        drawn, fresh = (self.draw({3: 1.0}, space=one).joined() for one in (space, self.fitted(seed=1)))
        require(
            gap(drawn, fresh) < 1e-4,
            f"draws that differ by {gap(drawn, fresh):.3g} from those of a new space",
        )

    @check(
        "emotion-space.set-gaussians",
        "draws around the means that are set, with the deviations that are set",
        tier="capability",
    )
    def test_set_gaussians(self) -> None:
        """Spaces of the paper's authors are taken over by it."""
        space, shape = self.make(), (len(self.context().labels), SIZES.context_tokens + 1, SIZES.hidden_size)
        draw = torch.Generator().manual_seed(3)
        mean, std = 3 * torch.randn(shape, generator=draw), 0.1 + torch.rand(shape, generator=draw)
        try:
            space.set_gaussians(mean, std)
        except EmosymError as error:
            if error.id == "emotion-space.fitted-only":
                raise NotApplicable("the space takes no statistics") from error
            raise
        drawn = self.draw({1: 1.0}, count=16 * DRAWS, space=space).joined()
        require(gap(drawn.mean(0), mean[1]) < 0.25, f"means that differ by {gap(drawn.mean(0), mean[1]):.3g}")
        require(
            gap(drawn.std(0), std[1]) < 0.25, f"deviations that differ by {gap(drawn.std(0), std[1]):.3g}"
        )

    @check("emotion-space.round-trip", "the same draws from a new space that loads the state")
    def test_round_trip(self) -> None:
        """`emosym generate --emotion` draws from a saved system that has never seen the training set."""
        space = self.make()
        space.load_state_dict(self.ready.state_dict())
        one, other = (self.draw({1: 0.5, 4: 0.5}, space=each).joined() for each in (self.ready, space))
        require(gap(one, other) < 1e-6, f"a gap of {gap(one, other):.3g} after loading")

    @check("emotion-space.unfitted", "an error where it is sampled before it is fitted")
    def test_unfitted(self) -> None:
        """Zeros would pass for states and give grey pictures without a word."""
        require(
            refusal(lambda: self.draw({0: 1.0}, space=self.make())) is not None, "states that nobody fitted"
        )
