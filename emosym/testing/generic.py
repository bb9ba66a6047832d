"""Checks that hold for a component of any kind."""

from __future__ import annotations

import copy
from typing import Any

import torch
from emosym_registry import NEEDS
from emosym_registry.errors import some
from pydantic import BaseModel, ValidationError

from emosym.contracts import ComponentConfig
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.probes import from_seed, leaving_random_state, same, tensors_of
from emosym.testing.suite import ConformanceSuite


class ComponentSuite(ConformanceSuite):
    """What every kind's suite starts from."""

    @check(
        "component.contract",
        "a class that implements its kind's contract wholly and keeps `config` and `context` as given",
    )
    def test_contract(self) -> None:
        """The core calls every method of the contract, where one that is missing would stop a run hours
        into it. A saved system writes the config back; errors and reports name the component by its
        context."""
        implementation, model = self.classes()
        require(
            isinstance(implementation, type) and issubclass(implementation, self.contract),
            f"{getattr(implementation, '__name__', implementation)!r}, which is no {self.contract.__name__}",
        )
        missing = sorted(getattr(implementation, "__abstractmethods__", ()))
        require(not missing, f"no {', '.join(missing)}")
        context = self.context()
        component = self.build({}, context)
        require(isinstance(component, self.contract), f"an instance of {type(component).__name__}")
        kept = getattr(component, "config", None)
        require(kept == model.model_validate(dict(self.parameters())), f"config = {kept!r}")
        kept = getattr(component, "context", None)
        require(kept == context, f"context = {kept!r}")

    @check(
        "component.needs",
        "`needs` to be those of its `ComponentSpec`, with `attribute_keys` where it needs `attributes`",
    )
    def test_declared_needs(self) -> None:
        """What has to stand beside a component is checked by its descriptor, before anything is loaded; a
        class that needs more finds out at work."""
        implementation, _ = self.classes()
        needs = implementation.needs
        require(isinstance(needs, tuple) and set(needs) <= set(NEEDS), f"{needs!r} of {', '.join(NEEDS)}")
        declared = needs if self.spec is None else self.spec.needs
        require(set(declared) == set(needs), f"{needs} in the class and {declared} in its ComponentSpec")
        keys = implementation.attribute_keys
        require(bool(keys) == ("attributes" in needs), f"attribute_keys = {keys!r} with needs = {needs}")

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

    @check("component.migrate", "`migrate` to return parameters, and those of a later version as they are")
    def test_migrate(self) -> None:
        """Saved systems and stopped runs are read through it; what it raises, or forgets to return, is found by users."""
        _, model = self.classes()
        given = model.model_validate(dict(self.parameters())).model_dump(mode="json")
        if not issubclass(model, ComponentConfig):
            return  # nobody calls it
        after = model.migrate(copy.deepcopy(given), "9999")
        require(after == given, f"{after!r} for {given!r}")

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
        """A component that draws from torch's, numpy's or Python's global generator changes all that is
        built after it."""
        with leaving_random_state():
            self.make()

    @check(
        "component.device",
        "every parameter and buffer on the context's device, and on an accelerator where there is one",
        tier="capability",
    )
    def test_device(self) -> None:
        """One tensor that is left elsewhere (on `meta`, where loading skipped it) stops the first step, or
        costs a copy each."""
        if not tensors_of(self.subject):
            raise NotApplicable("the component has no weights")
        self._require_on(self.subject, torch.device("cpu"))
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        if accelerator is not None:
            self._require_on(self.make_in(device=accelerator).to(accelerator), accelerator)

    def _require_on(self, component: Any, device: torch.device) -> None:
        """The assembly moves a module once more after it is built, so only what cannot be moved may be
        astray."""
        places = {name: value.device.type for name, value in tensors_of(component).items()}
        astray = [f"{name} on {place}" for name, place in places.items() if place != device.type]
        require(not astray, f"{some(astray)} where {device.type} is right")
