"""Conformance of fusions."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from emosym_registry.errors import some
from torch import Tensor

from emosym.contracts import Fusion, States
from emosym.testing.checks import check, require
from emosym.testing.generic import ComponentSuite
from emosym.testing.probes import finite, gap, in_mode, leaving_random_state, mixed, unreached
from emosym.testing.suite import SIZES

BATCH = 5
NORMS = (0.8, 1.6)
"""Vocabulary norms of the two text encoders."""


class FusionSuite(ComponentSuite):
    """Vectors of random states, from a fusion that was calibrated on :meth:`states` once."""

    kind = "fusion"
    contract: ClassVar[type] = Fusion

    def states(self, count: int = BATCH, seed: int = 0, tokens: int = SIZES.context_tokens) -> States:
        """Random states with a mean and a spread of their own in every feature."""
        draw = torch.Generator().manual_seed(seed)
        width = SIZES.hidden_size
        scale = torch.linspace(0.5, 3.0, width)
        shift = torch.linspace(-2.0, 2.0, width)
        context = torch.randn(count, tokens, width, generator=draw) * scale + shift
        return States(context, torch.randn(count, width, generator=draw) * scale - shift)

    def calibrated(self) -> Any:
        """A new fusion after its calibration."""
        fusion = self.make()
        fusion.calibrate(NORMS, self.states(64, seed=1))
        return fusion.eval()

    @property
    def ready(self) -> Any:
        """One calibrated fusion for the checks that leave it as it is."""
        return self.keep("ready", self.calibrated)

    def vectors(self, states: States | None = None, fusion: Any = None) -> tuple[Tensor, ...]:
        """Vectors without a graph."""
        with torch.no_grad():
            return tuple((fusion or self.ready)(states or self.states()))

    def compare(self, one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> list[float]:
        """The gap for each text encoder."""
        return [gap(a, b) for a, b in zip(one, other, strict=True)]

    @check("fusion.shape", "one float32 tensor [B,n,w] for each text encoder, finite")
    def test_shape(self) -> None:
        """The diffusion head puts them at the n places of its prompt; another width or number stops the run
        there."""
        count, vectors = self.ready.vectors, self.vectors()
        require(isinstance(count, int) and count >= 1, f"vectors = {count!r}")
        expected = [(BATCH, count, width) for width in SIZES.token_widths]
        require([tuple(one.shape) for one in vectors] == expected, f"{[list(v.shape) for v in vectors]}")
        require(all(one.dtype == torch.float32 for one in vectors), f"{[one.dtype for one in vectors]}")
        require(all(map(finite, vectors)), "a vector that is not finite")

    @check("fusion.sizes", "vectors for one text encoder and one context token as well")
    def test_sizes(self) -> None:
        """Stable Diffusion has one text encoder and SDXL two, and K is a parameter of the experiment."""
        fusion = self.make_in(token_widths=(12,), context_tokens=1)
        fusion.calibrate((1.0,), self.states(64, tokens=1))
        vectors = self.vectors(self.states(tokens=1), fusion)
        shapes = [list(one.shape) for one in vectors]
        require(shapes == [[BATCH, fusion.vectors, 12]], f"shapes {shapes}")

    @check("fusion.reaches-parameters", "a gradient to every trainable tensor from the vectors")
    def test_reaches_parameters(self) -> None:
        """A mapper that never learns looks like one that has nothing to say; it happened in the method's
        public code."""
        fusion = self.ready
        trainable = {name: p for name, p in fusion.named_parameters() if p.requires_grad}
        loss = torch.stack([mixed(one, seed) for seed, one in enumerate(fusion(self.states()))]).sum()
        missed = unreached(loss, trainable)
        require(not missed, f"no gradient in {some(missed)}")

    @check(
        "fusion.reaches-states", "a gradient to context and emotion states from each text encoder's vectors"
    )
    def test_reaches_states(self) -> None:
        """It is how the diffusion loss trains the reasoning tokens."""
        states = self.states()
        given = {"context": states.context.requires_grad_(), "emotion": states.emotion.requires_grad_()}
        for number, one in enumerate(self.ready(states)):
            missed = unreached(mixed(one), given)
            require(not missed, f"no gradient to the {some(missed)} states from text encoder {number}")

    @check("fusion.emotion", "other vectors for every text encoder where the emotion state is another")
    def test_emotion(self) -> None:
        """A picture of a wanted emotion comes from this state alone."""
        states, other = self.states(), self.states(seed=2)
        gaps = self.compare(self.vectors(), self.vectors(States(states.context, other.emotion)))
        require(min(gaps) > 1e-4, f"gaps of {[f'{one:.2g}' for one in gaps]} after another emotion")

    @check("fusion.context", "other vectors for every text encoder where the context states are others")
    def test_context(self) -> None:
        """What is seen (scene, objects) reaches the picture through the context states."""
        states, other = self.states(), self.states(seed=2)
        gaps = self.compare(self.vectors(), self.vectors(States(other.context, states.emotion)))
        require(min(gaps) > 1e-4, f"gaps of {[f'{one:.2g}' for one in gaps]} after another context")

    @check("fusion.batch", "a sample's vectors to be the same whatever else is in the batch")
    def test_batch(self) -> None:
        """An image must not depend on which others are made beside it; picture i of seed s is the same
        bytes."""
        alone = self.vectors(self.states()[1:2])
        gaps = self.compare(alone, tuple(one[1:2] for one in self.vectors()))
        require(
            max(gaps) < 1e-4, f"a gap of {max(gaps):.3g} between a sample alone and in a batch of {BATCH}"
        )

    @check("fusion.deterministic", "the same vectors for the same states in eval mode")
    def test_deterministic(self) -> None:
        """Noise here would be noise in every image and in the bank's scores."""
        with in_mode(self.ready, training=False), leaving_random_state():
            gaps = self.compare(self.vectors(), self.vectors())
        require(max(gaps) == 0.0, f"a gap of {max(gaps):.3g} the second time")

    @check(
        "fusion.calibration", "finite vectors after a calibration on states with a feature that never varies"
    )
    def test_calibration(self) -> None:
        """Dividing by the deviation of a constant feature gives infinity, hours into a run."""
        states = self.states(64, seed=1)
        states.emotion[:, 0] = 1.0
        states.context[..., 1] = 0.0
        fusion = self.make()
        fusion.calibrate(NORMS, states)
        require(all(map(finite, self.vectors(fusion=fusion))), "vectors that are not finite")

    @check(
        "fusion.round-trip", "the same vectors from a new fusion that loads the state, calibration included"
    )
    def test_round_trip(self) -> None:
        """A saved system holds the state alone; scales that are not in it would be lost on load."""
        fusion = self.make().eval()
        with torch.no_grad():
            for parameter in fusion.parameters():
                parameter.add_(0.1)
        fusion.load_state_dict(self.ready.state_dict())
        gaps = self.compare(self.vectors(), self.vectors(fusion=fusion))
        require(max(gaps) < 1e-6, f"a gap of {max(gaps):.3g} after loading")
