"""Conformance of backbones."""

from __future__ import annotations

import dataclasses
import math
from threading import Thread
from typing import ClassVar

import torch

from emosym.contracts import Backbone, Sample
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.pictures import picture
from emosym.testing.probes import finite, gap, gradient, in_mode, leaving_random_state, mixed, refusal
from emosym.testing.suites.backbone_adapter import AdapterChecks
from emosym.testing.suites.backbone_base import BATCH, COUNT
from emosym.testing.suites.backbone_prefix import PrefixChecks
from emosym.testing.suites.backbone_text import TextChecks


class BackboneSuite(PrefixChecks, AdapterChecks, TextChecks):
    """States of three samples with pictures of three sizes. Set ``params`` to a small model: it is built
    several times."""

    kind = "backbone"
    contract: ClassVar[type] = Backbone

    @check("backbone.states", "finite states [B,T,D] in the tokens' precision")
    def test_states(self) -> None:
        """The emotion head and the fusion are built for D, and the loss is computed in float32."""
        width = self.subject.hidden_size
        require(isinstance(width, int) and width > 0, f"hidden_size = {width!r}")
        states = self.states()
        require(tuple(states.shape) == (BATCH, COUNT, width), f"shape {list(states.shape)}")
        require(states.dtype == torch.float32, f"{states.dtype} for float32 tokens")
        require(finite(states), "a state that is not finite")

    @check("backbone.deterministic", "the same states in eval mode, with the global random state as it was")
    def test_deterministic(self) -> None:
        """An image has one reading."""
        with leaving_random_state():
            one, again = self.states(), self.states()
            self.subject.write(self.prefix(), max_new_tokens=2)
        require(gap(one, again) <= 1e-6, f"states that differ by {gap(one, again):.3g} the second time")

    @check("backbone.typical-embedding", "a finite mean [D] and a positive deviation of the vocabulary")
    def test_typical_embedding(self) -> None:
        """The reasoning tokens start there."""
        mean, std = self.subject.typical_embedding()
        require(
            tuple(mean.shape) == (self.subject.hidden_size,) and finite(mean), f"mean of {list(mean.shape)}"
        )
        require(isinstance(std, float) and math.isfinite(std) and std > 0, f"deviation {std!r}")
        require(not mean.requires_grad, "a mean with a graph")

    # ---- what a state depends on

    @check("backbone.reaches-tokens", "a gradient to every token of every sample, alike in training mode")
    def test_reaches_tokens(self) -> None:
        """The reasoning tokens are what the method learns; in the public code they never received a
        gradient."""
        for training in (False, True):
            tokens = self.tokens().requires_grad_()
            with in_mode(self.subject, training):
                states = self.subject(self.samples(), tokens)
            own = gradient(mixed(states), tokens)
            reached = finite(own) and bool((own.norm(dim=-1) > 0).all())
            require(reached, f"a token without a gradient (training={training})")

    @check("backbone.causal", "states that depend on their own token and those before, never on later ones")
    def test_causal(self) -> None:
        """[EMO] reads what the [CTX] tokens gathered, and not the other way round; a prefix can only be
        shared so."""
        base = self.states()
        for place in range(COUNT):
            tokens = self.tokens()
            tokens[:, place] = self.tokens(seed=7)[:, place]
            states = self.states(tokens=tokens)
            if place:
                leak = self.apart(base[:, :place], states[:, :place])
                require(
                    leak <= self.tolerance,
                    f"states before token {place} that differ by {leak:.3g} when it changes",
                )
            for later in range(place, COUNT):
                change = self.apart(base[:, later], states[:, later])
                require(change > self.tolerance, f"no change in state {later} when token {place} changes")

    @check(
        "backbone.layer-states",
        "states [L,B,T,D] of which the last are `forward`'s, and others where the prompt has a text",
    )
    def test_layer_states(self) -> None:
        """A compressor that lets the same backbone, reading the knowledge, teach it compares these."""
        batch, tokens = self.samples(), self.tokens()
        with in_mode(self.subject, training=False), torch.no_grad():
            layers = self.subject.layer_states(batch, tokens)
            told = self.subject.layer_states(batch, tokens, [f"a {sample.id}" for sample in batch])
            alone = self.subject.layer_states(batch[1:2], tokens[1:2], [f"a {batch[1].id}"])
        require(
            tuple(layers.shape[1:]) == tuple(tokens.shape) and layers.shape == told.shape,
            f"shapes {list(layers.shape)}, with texts {list(told.shape)}",
        )
        difference = self.apart(self.states(), layers[-1])
        require(difference <= self.tolerance, f"last states that differ by {difference:.3g} from forward's")
        change = min(self.apart(one, two) for one, two in zip(layers[-1], told[-1], strict=True))
        require(change > self.tolerance, f"a change of {change:.3g} by a text")
        difference = self.apart(told[:, 1:2], alone)
        require(
            difference <= self.tolerance, f"states of sample 1 with its text that differ by {difference:.3g}"
        )

    @check(
        "backbone.prepare", "the same states after `prepare` in another thread, of these samples or of others"
    )
    def test_prepare(self) -> None:
        """Training prepares the next batch beside a step; a batch that gets what was made of another learns from the wrong
        pictures."""
        batch, plain = self.samples(), self.states()
        for others in (batch, [self.other(sample) for sample in batch]):
            thread = Thread(target=self.subject.prepare, args=(others,))
            thread.start()
            thread.join()
            difference = self.apart(plain, self.states(batch))
            require(difference <= self.tolerance, f"states that differ by {difference:.3g} from those before")

    @check("backbone.image-matters", "other states for another picture, for every sample")
    def test_image_matters(self) -> None:
        """A picture that is lost on the way leaves a model that answers from the question alone."""
        base, others = self.states(), self.states([self.other(sample) for sample in self.samples()])
        for row in range(BATCH):
            change = self.apart(base[row], others[row])
            require(change > self.tolerance, f"a change of {change:.3g} in sample {row}")

    @check("backbone.question-matters", "other states for another question")
    def test_question_matters(self) -> None:
        """The prompt is a parameter of the experiment."""
        change = self.apart(self.states(), self.states(question="What is in the picture?"))
        require(change > self.tolerance, f"a change of {change:.3g}")

    @check("backbone.batch", "a sample's states to be the same alone and beside samples of other sizes")
    def test_batch(self) -> None:
        """Padding and packed pictures must not leak from one sample into another."""
        tokens, together = self.tokens(), self.states()
        for row, sample in enumerate(self.samples()):
            difference = self.apart(together[row : row + 1], self.states([sample], tokens[row : row + 1]))
            require(difference <= self.tolerance, f"states of sample {row} that differ by {difference:.3g}")

    @check(
        "backbone.several-images", "every picture of a sample to be read, in their order", tier="capability"
    )
    def test_several_images(self) -> None:
        """A sample may hold several pictures that are judged together."""
        pair = self.pair()
        if refusal(lambda: self.states([pair])) is not None:
            raise NotApplicable("the backbone takes one picture a sample")
        base, (first, second) = self.states([pair]), pair.images
        cases = {
            "the first picture is another": (self.other(pair).images[0], second),
            "the second picture is another": (first, self.other(pair).images[1]),
            "they change places": (second, first),
        }
        for case, images in cases.items():
            change = self.apart(base, self.states([dataclasses.replace(pair, images=images)]))
            require(change > self.tolerance, f"a change of {change:.3g} where {case}")

    @check(
        "backbone.never-truncates",
        "a long picture and many pictures to be read whole, or refused with the sample's id",
    )
    def test_never_truncates(self) -> None:
        """Image tokens that are cut at the model's length are a picture that nobody has seen."""
        side = max(*self.sizes[0])
        wide, many = picture(1, (16 * side, side)), [picture(number, (side, side)) for number in range(48)]
        changed = wide.copy()
        changed.paste(picture(2, (2 * side, side)), (14 * side, 0))
        for images, others in (((wide,), (changed,)), ((*many,), (*many[:-1], picture(99, (side, side))))):
            samples = [Sample("whole-or-refused", one) for one in (images, others)]
            error = refusal(self.states, samples[:1])
            if error is not None:
                require("whole-or-refused" in str(error), f"an error without the sample's id: {error}")
                continue
            change = self.apart(self.states(samples[:1]), self.states(samples[1:]))
            what = "the end of a long picture" if len(images) == 1 else f"the last of {len(images)} pictures"
            require(change > 0.0, f"no change by {what}")
