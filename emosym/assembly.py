"""From a resolved spec to the parts of a run: each component is built once, in the order in which sizes become known."""

from __future__ import annotations

import dataclasses
import traceback
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from emosym_registry import EmosymError, RegisteredComponent, Registry
from emosym_registry.errors import capped, first_line, plural

from emosym.contracts import Context, LabelSet
from emosym.guards import hold
from emosym.judges import refuse_shared_judge, teach
from emosym.processes import is_first, of_another
from emosym.spec.reads import measures_rewards

if TYPE_CHECKING:
    from emosym.contracts import (
        Dataset,
        Judge,
        Knowledge,
        MemoryBank,
        Metric,
        Reinforcer,
        RewardVerifier,
        TextEncoder,
    )
    from emosym.spec import Resolved


def component_failure(component: RegisteredComponent, method: str, error: Exception) -> EmosymError:
    """An error that names the component in whose ``method`` another was raised, and who made it."""
    return EmosymError(
        "plugin.component-failed",
        f"{component.described} failed in {method}: {type(error).__name__}: {first_line(error)}",
        hint="check its parameters; if they are sound, report it to its authors (--debug shows the traceback)",
        ours=True,
    )


@contextmanager
def attributed(component: RegisteredComponent, method: str) -> Iterator[None]:
    """Name ``component`` in whatever is raised inside; an :class:`EmosymError` already says what is wrong."""
    try:
        yield
    except EmosymError:
        raise
    except Exception as error:
        raise component_failure(component, method, error) from error


@dataclass
class Builder:
    """Builds components of one resolved spec."""

    resolved: Resolved
    registry: Registry
    context: Context
    device: torch.device
    precision: str
    built: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        resolved: Resolved,
        registry: Registry,
        *,
        run: Path | None = None,
        run_id: str = "",
        device: torch.device,
        precision: str,
        trust_remote_code: bool = False,
        cache: bool = False,
    ) -> Builder:
        """``cache`` says whether what is computed of pictures is kept on disk, within the spec's budget."""
        dtype = torch.bfloat16 if device.type == "cuda" and precision == "bf16" else torch.float32
        context = Context(
            labels=LabelSet.of(resolved.spec.labels),
            seed=resolved.spec.seed,
            device=device,
            dtype=dtype,
            run=run,
            run_id=run_id,
            aliases=registry.folders,
            trust_remote_code=trust_remote_code,
            cache_megabytes=resolved.spec.compute.cache_megabytes if cache else 0,
        )
        return cls(resolved, registry, context, device, precision)

    def context_of(self, path: str) -> Context:
        """What the component at ``path`` is told: the run's context with its own kind and name."""
        spec = self.resolved.offers[path].spec
        return dataclasses.replace(self.context, kind=spec.kind, component=spec.name)

    def build(self, path: str) -> Any:
        """The component at ``path`` of the spec (``backbone``, ``rewards.0``, ``judges.bank``), built once."""
        if path not in self.built:
            offer = self.resolved.offers[path]
            context = self.context_of(path)
            implementation = offer.load()
            with attributed(offer, "__init__"), torch.random.fork_rng(devices=[]):
                # What draws from the global generator draws the same whatever is built before it.
                torch.manual_seed(zlib.crc32(f"{context.seed}/{path}".encode()))
                component = implementation(self.resolved.config(path), context)
            if isinstance(component, torch.nn.Module) and context.device is not None:
                component.to(context.device)
            hold(component, offer)
            self.built[path] = component
        return self.built[path]

    def optional(self, path: str) -> Any | None:
        """The component at ``path``, or None where the spec has none."""
        return self.build(path) if path in self.resolved.offers else None

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Whatever a built component raises inside becomes an error that names it; an :class:`EmosymError` already says what
        is wrong and is noted to be its, and what no component raised passes as it is."""
        try:
            yield
        except EmosymError as error:
            offer, _ = self._raiser(error)
            if offer is not None and offer.spec.name not in error.message:
                error.add_note(f"in {offer.described}")
            raise
        except Exception as error:
            if of_another(error):
                what = "another process of the run has failed, and this one ends with it"
                raise EmosymError("processes.other-failed", what, hint="see its message") from error
            offer, method = self._raiser(error)
            if offer is not None:
                raise component_failure(offer, method, error) from error
            raise

    def _raiser(self, error: Exception) -> tuple[RegisteredComponent | None, str]:
        """The built component in whose method an error was raised, and the method; None where none was at work."""
        owners = {id(component): path for path, component in self.built.items()}
        for frame in reversed([frame for frame, _ in traceback.walk_tb(error.__traceback__)]):
            path = owners.get(id(frame.f_locals.get("self")))
            if path is not None:
                return self.resolved.offers[path], frame.f_code.co_name
        return None, ""

    def set_sizes(self, **sizes: Any) -> None:
        """Sizes that components built from now on are told."""
        self.context = dataclasses.replace(self.context, **sizes)


@dataclass(frozen=True)
class WeightedReward:
    """A reward and its share of the total. ``name`` is the bare one, as figures show it, and the qualified one where two
    plugins' rewards share it."""

    name: str
    weight: float
    reward: RewardVerifier
    summary: str = ""
    """What it pays, in a line, as its plugin says."""


@dataclass(frozen=True)
class ExperimentParts:
    """What trains and measures a system but is not part of it."""

    dataset: Dataset
    knowledge: Knowledge | None = None
    text_encoder: TextEncoder | None = None
    rewards: tuple[WeightedReward, ...] = ()
    reinforcer: Reinforcer | None = None
    memory: MemoryBank | None = None
    judges: Mapping[str, Judge] = field(default_factory=dict)
    metrics: tuple[tuple[RegisteredComponent, Metric], ...] = ()

    @property
    def text_width(self) -> int:
        """W of the knowledge's features, 0 without knowledge."""
        return self.text_encoder.width if self.text_encoder is not None and self.knowledge is not None else 0


def build_parts(builder: Builder, *, training: bool = True) -> ExperimentParts:
    """Data, judges and metrics, and for ``training`` knowledge, rewards and bank too; rewards and what they look at also
    where a metric asks them.

    Unsound data is refused with every problem listed, before anything else is loaded.
    """
    spec, components = builder.resolved.spec, builder.resolved.offers
    dataset = builder.build("data")
    check_data(dataset, builder.resolved.component("data"))
    judges = {
        role: builder.build(f"judges.{role}")
        for role in ("reward", "bank", "evaluate")
        if f"judges.{role}" in components
    }
    teach(judges, {role: components[f"judges.{role}"] for role in judges}, dataset)
    refuse_shared_judge(judges)
    metrics = tuple(
        (components[path], builder.build(path)) for path in (f"metrics.{i}" for i in range(len(spec.metrics)))
    )
    asked = measures_rewards(builder.resolved)
    rewards = build_rewards(builder) if asked or (training and spec.stages.reinforce is not None) else ()
    if not training:
        return ExperimentParts(
            dataset=dataset,
            knowledge=builder.optional("knowledge") if asked else None,
            text_encoder=builder.optional("text_encoder") if asked else None,
            rewards=rewards,
            judges=judges,
            metrics=metrics,
        )
    return ExperimentParts(
        dataset=dataset,
        knowledge=builder.optional("knowledge"),
        text_encoder=builder.optional("text_encoder") if spec.reading == "latent" else None,
        rewards=rewards,
        reinforcer=builder.optional("reinforcer"),
        memory=builder.optional("memory") if is_first() else None,
        judges=judges,
        metrics=metrics,
    )


def build_rewards(builder: Builder) -> tuple[WeightedReward, ...]:
    """The spec's rewards."""
    spec = builder.resolved.spec
    components = [builder.resolved.offers[f"rewards.{i}"] for i in range(len(spec.rewards))]
    names = [component.spec.name for component in components]
    return tuple(
        WeightedReward(
            component.spec.name if names.count(component.spec.name) == 1 else component.qualified,
            spec.rewards[i].weight,
            builder.build(f"rewards.{i}"),
            component.spec.summary,
        )
        for i, component in enumerate(components)
    )


def check_data(dataset: Dataset, name: str) -> None:
    """Refuse unsound data with all its problems at once."""
    problems = dataset.problems()
    if problems:
        shown = "\n".join(f"  {line}" for line in capped(problems))
        raise EmosymError(
            "data.unsound",
            f"data {name!r} has {plural(len(problems), 'problem')}:\n{shown}",
            hint="mend these, then run: emosym data check",
        )
