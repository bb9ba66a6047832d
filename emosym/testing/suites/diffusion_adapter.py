"""Checks of diffusion heads: their own adapters."""

from __future__ import annotations

from typing import Any

import torch
from emosym_registry.errors import some

from emosym.testing.adapters import require_adapters_alone, require_whole_loads
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.probes import gap, unreached
from emosym.testing.suites.diffusion_base import DiffusionChecks


class AdapterChecks(DiffusionChecks):
    """For heads that train something themselves, such as a LoRA on the denoiser."""

    def trained(self) -> Any:
        """A new head after two steps on its adapters; a factor that starts at zero hides its partner in the
        first."""
        head = self.make()
        if not head.adapters():
            raise NotApplicable("the head has no adapters with these parameters")
        optimiser = torch.optim.AdamW(head.adapters().values(), lr=1e-2)
        for _ in range(2):
            optimiser.zero_grad()
            self.loss(head=head).sum().backward()
            optimiser.step()
        optimiser.zero_grad()
        return head

    @property
    def learnt(self) -> Any:
        """One trained head for the checks that leave it as it is."""
        return self.keep("learnt", self.trained)

    @check("diffusion.reaches-adapters", "a gradient to every adapter tensor", tier="capability")
    def test_reaches_adapters(self) -> None:
        """A tensor that is saved, counted and never trained."""
        missed = unreached(self.loss(head=self.learnt).sum(), self.learnt.adapters())
        require(not missed, f"no gradient in {some(missed)}")

    @check(
        "diffusion.adapter-state",
        "the adapters' tensors in `adapter_state()`, and nothing else",
        tier="capability",
    )
    def test_adapter_state(self) -> None:
        """The public code's adapters held the whole base model; every checkpoint was gigabytes."""
        require_adapters_alone(self.learnt)

    @check(
        "diffusion.adapter-round-trip",
        "the same loss from a new head that loads the state",
        tier="capability",
    )
    def test_adapter_round_trip(self) -> None:
        """A saved system holds this state alone."""
        head, wanted = self.make(), self.loss(head=self.learnt)
        require(gap(self.loss(head=head), wanted) > 1e-6, "adapters that change nothing")
        head.load_adapter_state(self.learnt.adapter_state())
        difference = gap(self.loss(head=head), wanted)
        require(difference < 1e-6, f"a loss that differs by {difference:.3g} after loading")

    @check(
        "diffusion.adapter-mismatch",
        "an error for missing and for foreign tensors, which changes nothing",
        tier="capability",
    )
    def test_adapter_mismatch(self) -> None:
        """Half an adapter is a model that nobody trained."""
        require_whole_loads(self.make(), self.learnt.adapter_state())

    @check(
        "diffusion.fingerprint-adapters",
        "another fingerprint after the adapters were trained",
        tier="capability",
    )
    def test_fingerprint_adapters(self) -> None:
        """The ledger says which weights made an image; trained ones are others."""
        require(self.learnt.fingerprint() != self.subject.fingerprint(), "the same one")
