"""Checks of backbones: a frozen base, and adapters that train, are saved and are told apart."""

from __future__ import annotations

from typing import Any

import torch
from emosym_registry.errors import some

from emosym.testing.adapters import (
    base_of,
    require_adapters_alone,
    require_frozen,
    require_same_tensors,
    require_whole_loads,
)
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.probes import in_mode, mixed, unreached
from emosym.testing.suites.backbone_base import BackboneChecks


class AdapterChecks(BackboneChecks):
    """Nothing of the base ever changes; all of the adapter does."""

    def trained(self) -> Any:
        """A new backbone after three optimiser steps on adapters and tokens, the last with a fused kernel.

        Several, because a factor that starts at zero lets no gradient through to its partner in the first.
        """
        backbone = self.make()
        tokens = self.tokens().requires_grad_()
        before = {name: value.detach().clone() for name, value in base_of(backbone).items()}
        for fused in (False, False, True):
            optimiser = torch.optim.AdamW([tokens, *backbone.adapters().values()], lr=1e-2, fused=fused)
            with in_mode(backbone, training=True):
                mixed(backbone(self.samples(), tokens)).backward()
            optimiser.step()
            optimiser.zero_grad()
        self.keep("before", lambda: before)
        return backbone.eval()

    @property
    def learnt(self) -> Any:
        """One trained backbone for the checks that leave it as it is."""
        return self.keep("learnt", self.trained)

    def require_adapters(self) -> None:
        """End a check where nothing of the backbone trains."""
        if not self.subject.adapters():
            raise NotApplicable("the backbone has no adapters with these parameters")

    @check("backbone.frozen", "nothing to train but `adapters()`")
    def test_frozen(self) -> None:
        """The base is gigabytes that all experiments share, and no checkpoint saves it."""
        require_frozen(self.subject)

    @check(
        "backbone.base-unchanged", "the base's tensors as they were after training, the vocabulary's included"
    )
    def test_base_unchanged(self) -> None:
        """Reasoning tokens that are added to the vocabulary change it for every other prompt."""
        after = base_of(self.learnt)
        require_same_tensors(self._kept["before"], after)

    @check(
        "backbone.reaches-adapters", "a gradient through `forward` to every adapter tensor", tier="capability"
    )
    def test_reaches_adapters(self) -> None:
        """A tensor that is saved, counted and never trained."""
        self.require_adapters()
        missed = unreached(mixed(self.learnt(self.samples(), self.tokens())), self.learnt.adapters())
        require(not missed, f"no gradient in {some(missed)}")

    @check(
        "backbone.learns",
        "states nearer to wanted ones after 50 optimiser steps on tokens and adapters",
        tier="slow",
    )
    def test_learns(self) -> None:
        """Every gradient may be there and the states still not follow: a wrong sign, a scale that
        underflows, a stale cache."""
        backbone, tokens = self.make(), self.tokens().requires_grad_()
        states = self.states(by=backbone)
        wanted = states[torch.arange(len(states)).roll(1)].flip(1)  # another sample's, in another order
        _, std = backbone.typical_embedding()
        learning = [{"params": [tokens], "lr": 0.1 * std}]
        learning += [{"params": list(own.values())} for own in [backbone.adapters()] if own]
        optimiser, losses = torch.optim.Adam(learning, lr=1e-3), []
        for _ in range(51):
            optimiser.zero_grad()
            with in_mode(backbone, training=True):
                loss = (backbone(self.samples(), tokens) - wanted).square().mean()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        require(
            losses[-1] < losses[0] / 2,
            f"a squared distance of {losses[0]:.4g} before and {losses[-1]:.4g} after",
        )

    @check(
        "backbone.adapter-state",
        "the adapter's tensors in `adapter_state()`, and nothing of the base",
        tier="capability",
    )
    def test_adapter_state(self) -> None:
        """The public code's \"adapter\" held the whole base and the reference model: gigabytes a
        checkpoint."""
        self.require_adapters()
        require_adapters_alone(self.learnt)

    @check(
        "backbone.adapter-round-trip",
        "the same states from a new backbone that loads the state",
        tier="capability",
    )
    def test_adapter_round_trip(self) -> None:
        """A saved system holds this state and the name of the base."""
        self.require_adapters()
        backbone, wanted = self.make(), self.states(by=self.learnt)
        require(
            self.apart(wanted, self.states(by=backbone)) > 10 * self.tolerance, "adapters that change nothing"
        )
        backbone.load_adapter_state(self.learnt.adapter_state())
        difference = self.apart(wanted, self.states(by=backbone))
        require(difference <= self.tolerance, f"states that differ by {difference:.3g} after loading")

    @check(
        "backbone.adapter-mismatch",
        "an error for missing and for unexpected keys, which changes nothing",
        tier="capability",
    )
    def test_adapter_mismatch(self) -> None:
        """Half an adapter is a model that nobody trained."""
        self.require_adapters()
        require_whole_loads(self.make(), self.learnt.adapter_state())

    @check("backbone.fingerprint", "one fingerprint for as long as the weights are the same")
    def test_fingerprint(self) -> None:
        """A fingerprint that changes by itself makes every prefix stale."""
        first = self.subject.fingerprint()
        require(isinstance(first, str) and first != "", f"{first!r}")
        self.states()
        with in_mode(self.subject, training=True):
            self.prefix()
        require(self.subject.fingerprint() == first, "another one after reading")

    @check("backbone.fingerprint-base", "another fingerprint after a weight of the base has changed")
    def test_fingerprint_base(self) -> None:
        """Merging an adapter, or loading other weights, makes every prefix stale."""
        backbone = self.make()
        first = backbone.fingerprint()
        parts = [p for p in base_of(backbone).values() if p.is_floating_point()]
        with torch.no_grad():
            parts[-1].mul_(1.25)
        require(backbone.fingerprint() != first, "the same one")

    @check(
        "backbone.fingerprint-adapters",
        "another fingerprint after an optimiser step, fused or not, and after a load",
        tier="capability",
    )
    def test_fingerprint_adapters(self) -> None:
        """Fused optimisers write past torch's version counters; a prefix from before the step would pass
        for fresh."""
        self.require_adapters()
        backbone, state = self.make(), self.learnt.adapter_state()
        for fused in (False, True):
            first = backbone.fingerprint()
            optimiser = torch.optim.AdamW(backbone.adapters().values(), lr=1e-2, fused=fused)
            for parameter in backbone.adapters().values():
                parameter.grad = torch.ones_like(parameter)
            optimiser.step()
            require(backbone.fingerprint() != first, f"the same one after a step (fused={fused})")
        first = backbone.fingerprint()
        backbone.load_adapter_state(state)
        require(backbone.fingerprint() != first, "the same one after loading")
