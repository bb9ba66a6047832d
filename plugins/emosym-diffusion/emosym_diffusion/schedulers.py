"""Which scheduler samples, from what the model's folder says and what the spec asks for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import diffusers
from diffusers import SchedulerMixin
from emosym_registry import EmosymError
from emosym_registry.errors import unknown

_OWN_MODEL = {"CogVideoXDDIMScheduler", "UnCLIPScheduler"}
"""Schedulers that fit one model of their own."""
_STEP_INPUTS = {"self", "model_output", "timestep", "sample"}


def is_flow(config: Mapping[str, Any]) -> bool:
    """Whether a saved scheduler belongs to a flow-matching model."""
    return (
        str(config.get("_class_name", "")).startswith("FlowMatch")
        or config.get("prediction_type") == "flow_prediction"
    )


def flow_shift(config: Mapping[str, Any]) -> float:
    """The time shift of a flow-matching model, under either of its two names."""
    return float(config.get("shift", config.get("flow_shift", 1.0)))


def sampling_scheduler(saved: Mapping[str, Any], name: str | None, options: Mapping[str, Any]) -> Any:
    """The scheduler to sample with; ``saved`` is the folder's scheduler config. Copy it with :func:`fresh`
    per call."""
    cls = _scheduler_class(name or _default_name(saved))
    # What another class saved and this one has no use for would only make diffusers warn.
    config = {key: value for key, value in saved.items() if key in _parameters(cls.__init__)}
    if is_flow(saved) != cls.__name__.startswith("FlowMatch"):
        config.update(_across(saved, cls))
    _check_options(cls, options)
    config.update(options)
    try:
        return cls.from_config(config)
    except (ValueError, NotImplementedError, ImportError) as error:
        raise EmosymError(
            "diffusion.scheduler-options",
            f"{cls.__name__} refuses its options: {error}",
            hint="see scheduler_options",
        ) from error


def fresh(scheduler: Any) -> Any:
    """The same scheduler without the state of an earlier run."""
    return type(scheduler).from_config(scheduler.config)


def _default_name(saved: Mapping[str, Any]) -> str:
    name = str(saved.get("_class_name", ""))
    # DDPM is what one trains with; in few steps it gives noise.
    return "DPMSolverMultistepScheduler" if name in ("", "DDPMScheduler") else name


def _scheduler_class(name: str) -> Any:
    known = _known()
    for candidate in (name, f"{name}Scheduler"):
        if candidate in known:
            return known[candidate]
    raise unknown("diffusion.unknown-scheduler", "scheduler", name, sorted(known))


def _known() -> dict[str, Any]:
    """Schedulers of diffusers that step from noise to picture with nothing but the model's output."""
    usable = {}
    for name in dir(diffusers):
        cls = getattr(diffusers, name) if name.endswith("Scheduler") else None
        if not (inspect.isclass(cls) and issubclass(cls, SchedulerMixin) and hasattr(cls, "step")):
            continue
        exchangeable = name not in _OWN_MODEL and "beta_schedule" in _parameters(cls.__init__)
        discrete = exchangeable and "Inverse" not in name
        needed = {
            key
            for key, value in _parameters(cls.step).items()
            if value.default is value.empty and value.kind != value.VAR_KEYWORD
        }
        if (discrete or name.startswith("FlowMatch")) and needed <= _STEP_INPUTS:
            usable[name] = cls
    return usable


def _across(saved: Mapping[str, Any], cls: Any) -> dict[str, Any]:
    """Options that let a scheduler of the other family serve a flow model; an error where it cannot."""
    if is_flow(saved) and "use_flow_sigmas" in _parameters(cls.__init__):
        return {
            "prediction_type": "flow_prediction",
            "use_flow_sigmas": True,
            "flow_shift": flow_shift(saved),
        }
    kind = "flow matching" if is_flow(saved) else f"{saved.get('prediction_type', 'epsilon')} prediction"
    raise EmosymError(
        "diffusion.scheduler-mismatch",
        f"{cls.__name__} cannot sample a model trained for {kind}",
        hint="leave scheduler out to take the one in the model's folder",
    )


def _check_options(cls: Any, options: Mapping[str, Any]) -> None:
    known = [name for name in _parameters(cls.__init__) if name != "self"]
    for name in options:
        if name not in known:
            raise unknown("diffusion.scheduler-options", "option", name, known, where=cls.__name__)


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters
