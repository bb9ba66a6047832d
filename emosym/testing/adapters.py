"""What backbones and diffusion heads are asked alike: a frozen base, and adapters that are saved whole or
refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emosym_registry.errors import some
from torch import Tensor

from emosym.testing.checks import require
from emosym.testing.probes import gap, refusal


def base_of(module: Any) -> dict[str, Tensor]:
    """Every saved tensor that no adapter owns, by name."""
    own = {id(parameter) for parameter in module.adapters().values()}
    return {name: value for name, value in module.state_dict(keep_vars=True).items() if id(value) not in own}


def require_frozen(module: Any) -> None:
    """Nothing of a module trains but its adapters, which are parameters of it."""
    own = {id(parameter) for parameter in module.adapters().values()}
    named = dict(module.named_parameters())
    trainable = [name for name, p in named.items() if p.requires_grad and id(p) not in own]
    require(not trainable, f"{some(trainable)} with requires_grad")
    foreign = own - {id(parameter) for parameter in named.values()}
    require(not foreign, f"{len(foreign)} adapters that are no parameters of the module")


def require_same_tensors(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> None:
    """The same names with the same values."""
    require(list(after) == list(before), f"{len(after)} tensors after {len(before)}")
    changed = [name for name, value in before.items() if gap(value.float(), after[name].float()) != 0.0]
    require(not changed, f"other values or shapes in {some(changed)}")


def require_adapters_alone(module: Any) -> None:
    """``adapter_state()`` has a tensor for each adapter and nothing else."""
    state, own = module.adapter_state(), module.adapters()
    saved, held = (sorted(tuple(value.shape) for value in one.values()) for one in (state, own))
    require(saved == held, f"{len(saved)} tensors of other shapes than the {len(held)} adapters")
    require(not any(value.requires_grad for value in state.values()), "tensors with a gradient")


def require_whole_loads(module: Any, state: Mapping[str, Tensor]) -> None:
    """A state that misses a tensor, or has one too many, is refused and changes nothing."""
    first = next(iter(state))
    before = {name: value.clone() for name, value in module.adapter_state().items()}
    missing = {name: value for name, value in state.items() if name != first}
    for what, wrong in (("missing", missing), ("unexpected", {**state, "no.such.tensor": state[first]})):
        error = refusal(module.load_adapter_state, wrong)
        require(error is not None, f"that a state with a {what} key is loaded")
        same = all(gap(value, before[name]) == 0.0 for name, value in module.adapter_state().items())
        require(same, f"that a refused state ({what} key) has been loaded in part")
