"""Checks that hold for a component of any kind."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import BaseModel, ValidationError

from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.probes import from_seed, leaving_random_state, same, some, tensors_of
from emosym.testing.suite import ConformanceSuite


class ComponentSuite(ConformanceSuite):
    """What every kind's suite starts from."""

    @check("component.contract", "the class to implement the contract of its kind wholly")
    def test_contract(self) -> None:
        """The core calls every method of the contract; one that is missing would stop a run hours into it."""
        implementation, _ = self.classes()
        require(
            isinstance(implementation, type) and issubclass(implementation, self.contract),
            f"{getattr(implementation, '__name__', implementation)!r}, which is no {self.contract.__name__}",
        )
        missing = sorted(getattr(implementation, "__abstractmethods__", ()))
        require(not missing, f"no {', '.join(missing)}")
        require(isinstance(self.subject, self.contract), f"an instance of {type(self.subject).__name__}")

    @check("component.keeps-config", "`config` and `context` to be what the component was built with")
    def test_keeps_config(self) -> None:
        """A saved system writes the parameters back; reports and errors name the component by its context."""
        _, model = self.classes()
        require(
            isinstance(getattr(self.subject, "config", None), model),
            f"config = {getattr(self.subject, 'config', None)!r}",
        )
        context = getattr(self.subject, "context", None)
        require(getattr(context, "kind", None) == self.kind, f"context = {context!r}")

    @check("component.strict-config", "the config to be a pydantic model that refuses unknown parameters")
    def test_strict_config(self) -> None:
        """A misspelt parameter that is silently ignored is an experiment that was not run."""
        _, model = self.classes()
        require(
            isinstance(model, type) and issubclass(model, BaseModel), f"{model!r}, which is no pydantic model"
        )
        try:
            model.model_validate({**self.parameters(), "no_such_parameter": 1})
        except ValidationError:
            return
        require(False, "that no_such_parameter is accepted")

    @check("component.round-trip-config", "the config to survive being written to YAML and read again")
    def test_round_trip_config(self) -> None:
        """A run folder holds the resolved spec, and --resume and System.load build the component from it."""
        _, model = self.classes()
        config = model.model_validate(dict(self.parameters()))
        again = model.model_validate(config.model_dump(mode="json"))
        require(again == config, f"{again!r} after {config!r}")

    @check(
        "component.seeded",
        "two components of one seed to start with the same weights and buffers",
        tier="capability",
    )
    def test_seeded(self) -> None:
        """Without it no run can be repeated, and no ablation compares like with like."""
        made = []
        for seed in (1, 2):
            with from_seed(seed):
                made.append(self.make())
        first, second = map(tensors_of, made)
        if not first:
            raise NotApplicable("the component has no weights")
        require(list(first) == list(second), f"{len(first)} tensors, then {len(second)}")
        different = [name for name, value in first.items() if not same(value, second[name])]
        require(not different, f"other values in {some(different)}")

    @check("component.leaves-random-state", "building the component to leave the global random state alone")
    def test_leaves_random_state(self) -> None:
        """A component that draws from torch's, numpy's or Python's global generator changes all that is built after it."""
        with leaving_random_state():
            self.make()

    @check(
        "component.device",
        "every parameter and buffer on the context's device, and on an accelerator where there is one",
        tier="capability",
    )
    def test_device(self) -> None:
        """One tensor that is left elsewhere (on `meta`, where loading skipped it) stops the first step, or costs a copy each."""
        if not tensors_of(self.subject):
            raise NotApplicable("the component has no weights")
        self._require_on(self.subject, self.context().device)
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        if accelerator is not None:
            self._require_on(self.make_told(device=accelerator).to(accelerator), accelerator)

    def _require_on(self, component: Any, device: torch.device) -> None:
        """The assembly moves a module once more after it is built, so only what cannot be moved may be astray."""
        found = {name: value.device.type for name, value in tensors_of(component).items()}
        astray = [f"{name} on {place}" for name, place in found.items() if place != device.type]
        require(not astray, f"{some(astray)} where {device.type} is right")
