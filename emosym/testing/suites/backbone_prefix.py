"""Checks of backbones: a prompt that is encoded once and read many times."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from emosym.testing.adapters import base_of
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.probes import finite, gap, gradient, in_mode, mixed, refusal
from emosym.testing.suites.backbone_base import BATCH, BackboneChecks


class PrefixChecks(BackboneChecks):
    """`encode` and `read` give what `forward` gives."""

    def require_shared(self) -> None:
        """End a check where prefixes cannot be shared."""
        if not self.subject.shares_prefixes:
            raise NotApplicable("the backbone says that its prefixes cannot be shared")

    def moved(self, backbone: Any) -> None:
        """Change the weights as training does, or a weight of the base where there is no adapter."""
        learns = list(backbone.adapters().values()) if backbone.prefix_learns else []
        parts = learns or [next(iter(base_of(backbone).values()))]
        with torch.no_grad():
            for part in parts:
                part.add_(0.05)

    @check(
        "backbone.prefix", "of each sample the last state, the mask, the tokens it used; and the fingerprint"
    )
    def test_prefix(self) -> None:
        """Budgets are told in tokens, and padding that passes for a token moves every position."""
        prefix = self.prefix()
        require(
            tuple(prefix.last_hidden.shape) == (BATCH, self.subject.hidden_size),
            f"{list(prefix.last_hidden.shape)}",
        )
        require(finite(prefix.last_hidden), "a last state that is not finite")
        require(
            len(prefix.next_positions) == BATCH,
            f"next positions of shape {list(prefix.next_positions.shape)}",
        )
        used = prefix.tokens.tolist()
        require(len(used) == BATCH and min(used) > 0, f"tokens {used}")
        require(
            prefix.mask.sum(1).tolist() == used,
            f"{prefix.mask.sum(1).tolist()} in the mask, {used} tokens used",
        )
        if self.subject.prefix_learns:
            require(
                prefix.fingerprint == self.subject.fingerprint(), "another fingerprint than the backbone's"
            )

    @check(
        "backbone.encode-quiet",
        "encoding without a graph, as in eval mode, with every mode as it was afterwards",
    )
    def test_encode_quiet(self) -> None:
        """The stage that reinforces encodes in the middle of training; dropout left off, or on, would go
        unnoticed."""
        calm = self.prefix()
        with in_mode(self.subject, training=True):
            modes = [part.training for part in self.subject.modules()]
            prefix = self.prefix()
            same = modes == [part.training for part in self.subject.modules()]
        require(same, "other modes of its parts after encoding")
        require(not prefix.last_hidden.requires_grad, "a graph")
        difference = self.apart(prefix.last_hidden, calm.last_hidden)
        require(difference <= self.tolerance, f"states that differ by {difference:.3g} in training mode")

    @check(
        "backbone.read", "`read` to equal `forward` for pictures of all sizes in a batch", tier="capability"
    )
    def test_read(self) -> None:
        """Stages with adapters train through one and the others through the other: it must be the same
        model."""
        self.require_shared()
        sides = ("left", "right") if "padding_side" in type(self.subject.config).model_fields else (None,)
        for side in sides:
            backbone = self.subject if side is None else self.make(padding_side=side)
            batch = [*self.samples(2), self.pair()]
            with torch.no_grad():
                difference = self.apart(
                    self.states(batch, by=backbone),
                    backbone.read(self.prefix(batch, backbone), self.tokens()),
                )
            where = "" if side is None else f" with padding on the {side}"
            require(difference <= self.tolerance, f"states that differ by {difference:.3g}{where}")

    @check(
        "backbone.rollouts", "states of G tries for each sample, a sample's tries in a row", tier="capability"
    )
    def test_rollouts(self) -> None:
        """The reinforcer compares the tries of one image; another order compares images."""
        self.require_shared()
        tries = 4
        tokens = self.tokens(BATCH * tries)
        with torch.no_grad():
            together = self.subject.read(self.prefix(), tokens)
        batch = [sample for sample in self.samples() for _ in range(tries)]
        difference = self.apart(self.states(batch, tokens), together)
        require(difference <= self.tolerance, f"states that differ by {difference:.3g} from those of forward")

    @check(
        "backbone.read-leaves-prefix",
        "the same states from a prefix that was read and written from before",
        tier="capability",
    )
    def test_read_leaves_prefix(self) -> None:
        """Caches of transformers grow in place: a second read would see the first one's tokens."""
        self.require_shared()
        prefix, tokens = self.prefix(), self.tokens()
        with torch.no_grad():
            first = self.subject.read(prefix, tokens)
            self.subject.read(prefix, self.tokens(seed=5))
            self.subject.write(prefix, tokens, max_new_tokens=2)
            again = self.subject.read(prefix, tokens)
        require(gap(first, again) <= 1e-6, f"states that differ by {gap(first, again):.3g} the second time")

    @check(
        "backbone.read-gradient",
        "the gradient to the tokens through `read` that `forward` gives",
        tier="capability",
    )
    def test_read_gradient(self) -> None:
        """It is how reasoning tokens learn from rollouts; a cut graph looks like tokens that cannot learn."""
        self.require_shared()
        gradients: list[Tensor] = []
        for way in ("forward", "read"):
            tokens = self.tokens().requires_grad_()
            with in_mode(self.subject, training=False):
                states = (
                    self.subject(self.samples(), tokens)
                    if way == "forward"
                    else self.subject.read(self.prefix(), tokens)
                )
            gradients.append(gradient(mixed(states), tokens))
        require(bool((gradients[1].norm(dim=-1) > 0).all()), "a token without a gradient")
        difference = self.apart(*gradients)
        require(difference <= 10 * self.tolerance, f"gradients that differ by {difference:.3g}")

    @check(
        "backbone.stale-prefix", "an error for a prefix that was made with other weights", tier="capability"
    )
    def test_stale_prefix(self) -> None:
        """Its keys and values belong to the model before the step; reading them mixes two models."""
        self.require_shared()
        backbone = self.make()
        prefix = self.prefix(by=backbone)
        self.moved(backbone)
        for name, use in (
            ("read", lambda: backbone.read(prefix, self.tokens())),
            ("written from", lambda: backbone.write(prefix, max_new_tokens=1)),
        ):
            require(refusal(use) is not None, f"that it is {name}")

    @check(
        "backbone.lasting-prefix",
        "a prefix that is read as before while adapters learn, where it says that nothing before the tokens does",
        tier="capability",
    )
    def test_lasting_prefix(self) -> None:
        """Such prefixes are shared by steps, epochs and rollouts: they must be those of the frozen model."""
        self.require_shared()
        backbone = self.make()
        adapters = backbone.adapters()
        if backbone.prefix_learns or not adapters:
            raise NotApplicable("its prompt changes with its adapters, or it has none")
        prefix, tokens = self.prefix(by=backbone), self.tokens()
        with torch.no_grad():
            before = backbone.read(prefix, tokens)
            for part in adapters.values():
                part.add_(0.05)
            after, whole = backbone.read(prefix, tokens), self.states(by=backbone)
        require(self.apart(before, after) > self.tolerance, "adapters that change nothing at the tokens")
        difference = self.apart(whole, after)
        require(difference <= self.tolerance, f"states that differ by {difference:.3g} from those of forward")

    @check(
        "backbone.unshared-prefix", "an error from `read` where prefixes cannot be shared", tier="capability"
    )
    def test_unshared_prefix(self) -> None:
        """Sliding windows forget keys; rollouts then take `forward`, and must not get wrong states
        instead."""
        if self.subject.shares_prefixes:
            raise NotApplicable("the backbone shares its prefixes")
        error = refusal(lambda: self.subject.read(self.prefix(), self.tokens()))
        require(error is not None, "states")

    @check(
        "backbone.checkpointing",
        "from `read` in training mode with gradient checkpointing the states that it gives without, or an error",
        tier="capability",
    )
    def test_checkpointing(self) -> None:
        """In transformers checkpointing drops the cache without a word, and the tokens would be read after no
        image at all."""
        self.require_shared()
        if "gradient_checkpointing" not in type(self.subject.config).model_fields:
            raise NotApplicable("the backbone has no gradient checkpointing")
        try:
            backbone = self.make(gradient_checkpointing=True)
        except ValidationError as error:
            raise NotApplicable("these parameters refuse gradient checkpointing") from error
        read = []
        for one in (self.make(gradient_checkpointing=False), backbone):
            prefix = self.prefix(by=one)
            with in_mode(one, training=True), torch.random.fork_rng():
                torch.manual_seed(0)
                if one is backbone and refusal(one.read, prefix, self.tokens()) is not None:
                    return
                torch.manual_seed(0)
                read.append(one.read(prefix, self.tokens()).detach())
        difference = self.apart(*read)
        require(difference <= self.tolerance, f"states that differ by {difference:.3g}")

    @check("backbone.write", "one text a sample, the same each time, of no more than the asked-for length")
    def test_write(self) -> None:
        """Knowledge may be written by the backbone itself; a run is repeated with the same texts."""
        prefix = self.prefix()
        for tokens in (None, self.tokens()):
            texts, again = (self.subject.write(prefix, tokens, max_new_tokens=12) for _ in range(2))
            require(len(texts) == BATCH and all(isinstance(text, str) for text in texts), f"{texts!r}")
            require(texts == again, f"{again!r} after {texts!r}")
            short = self.subject.write(prefix, tokens, max_new_tokens=1)
            require(all(len(text.split()) <= 1 for text in short), f"{short!r} for one token")
