"""From a resolved spec to the parts of a run: each component is built once, in the order in which sizes become known."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from emosym_registry import EmosymError, Offer, Registry
from emosym_registry.errors import first_line

from emosym.contracts import Context, LabelSet

if TYPE_CHECKING:
    from emosym.contracts import (
        Backbone,
        Dataset,
        DiffusionHead,
        EmotionSpace,
        Fusion,
        Judge,
        Knowledge,
        MemoryBank,
        Metric,
        ReasoningCompressor,
        Reinforcer,
        RewardVerifier,
        TextEncoder,
    )
    from emosym.spec import Resolved


def choose_device(device: str) -> torch.device:
    """``auto`` takes CUDA where there is one; a device that is not there is an error."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    hint = "use --device cpu or auto"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:  # whose message lists every device that torch was ever taught
        raise EmosymError(
            "compute.no-device", f"{device!r} is no device that torch knows", hint=hint
        ) from error
    try:
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, AttributeError) as error:
        raise EmosymError(
            "compute.no-device",
            f"device {device!r} is not available here: {str(error).splitlines()[0]}",
            hint=hint,
        ) from error
    return chosen


def choose_precision(precision: str, device: torch.device) -> str:
    """``auto`` takes bf16 where the hardware multiplies it natively (CUDA Ampere on, AVX512-BF16), fp32 elsewhere."""
    if precision != "auto":
        if precision == "fp16" and device.type == "cpu":
            raise EmosymError(
                "compute.no-fp16-on-cpu",
                "fp16 does not train on a CPU",
                hint="use --precision bf16, fp32 or auto",
            )
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bf16" if device.type == "cpu" and native() else "fp32"


@contextmanager
def blamed(offer: Offer, verb: str) -> Iterator[None]:
    """Turn what a component raises into an error that names it and who made it; ``verb`` is what it failed to do.

    An :class:`EmosymError` already says what is wrong and passes as it is.
    """
    try:
        yield
    except EmosymError:
        raise
    except Exception as error:
        raise EmosymError(
            f"plugin.failed-to-{verb}",
            f"{offer.spec.kind} {offer.qualified} failed to {verb}: {type(error).__name__}: {first_line(error)}",
            hint=f"check its parameters; if they are sound, report it to the authors of "
            f"{offer.plugin.distribution} {offer.plugin.version} (--debug shows the traceback)",
            ours=True,
        ) from error


@dataclass
class Builder:
    """Builds components of one resolved spec."""

    resolved: Resolved
    registry: Registry
    context: Context
    built: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        resolved: Resolved,
        registry: Registry,
        *,
        run: Path | None = None,
        device: torch.device,
        precision: str,
        trust_remote_code: bool = False,
    ) -> Builder:
        dtype = torch.bfloat16 if device.type == "cuda" and precision == "bf16" else torch.float32
        context = Context(
            labels=LabelSet.of(resolved.spec.labels),
            seed=resolved.spec.seed,
            device=device,
            dtype=dtype,
            run=run,
            aliases=registry.folders,
            trust_remote_code=trust_remote_code,
        )
        return cls(resolved, registry, context)

    def build(self, path: str) -> Any:
        """The component at ``path`` of the spec (``backbone``, ``rewards.0``, ``judges.bank``), built once."""
        if path not in self.built:
            offer = self.resolved.offers[path]
            context = dataclasses.replace(self.context, kind=offer.spec.kind, component=offer.spec.name)
            implementation = offer.load()
            with blamed(offer, "build"):
                component = implementation(self.resolved.config(path), context)
            if isinstance(component, torch.nn.Module) and context.device is not None:
                component.to(context.device)
            self.built[path] = component
        return self.built[path]

    def optional(self, path: str) -> Any | None:
        """The component at ``path``, or None where the spec has none."""
        return self.build(path) if path in self.resolved.offers else None

    def know(self, **sizes: Any) -> None:
        """Sizes that components built from now on are told."""
        self.context = dataclasses.replace(self.context, **sizes)


@dataclass(frozen=True)
class Core:
    """The trainable parts of a system. ``diffusion``, ``fusion`` and ``emotion_space`` are None where the spec only understands."""

    labels: LabelSet
    backbone: Backbone
    compressor: ReasoningCompressor
    fusion: Fusion | None
    emotion_space: EmotionSpace | None
    diffusion: DiffusionHead | None


@dataclass(frozen=True)
class Surroundings:
    """What trains and measures a system but is not part of it."""

    dataset: Dataset
    knowledge: Knowledge | None
    text_encoder: TextEncoder | None
    rewards: tuple[tuple[str, float, RewardVerifier], ...]
    reinforcer: Reinforcer | None
    memory: MemoryBank | None
    judges: Mapping[str, Judge]
    metrics: tuple[tuple[Offer, Metric], ...]


def build_core(builder: Builder, text_width: int) -> Core:
    """Backbone first: the others take their widths from it."""
    backbone = builder.build("backbone")
    builder.know(hidden_size=backbone.hidden_size, text_width=text_width)
    compressor = builder.build("compressor")
    builder.know(context_tokens=compressor.context_tokens)
    mean, std = backbone.typical_embedding()
    compressor.initialise(mean, std)
    diffusion = builder.optional("diffusion")
    if diffusion is not None:
        builder.know(token_widths=diffusion.token_widths)
    return Core(
        builder.context.labels,
        backbone,
        compressor,
        builder.optional("fusion"),
        builder.optional("emotion_space"),
        diffusion,
    )


def build_surroundings(builder: Builder, *, training: bool = True) -> Surroundings:
    """Data, judges and metrics, and for ``training`` knowledge, rewards and bank too.

    Unsound data is refused with every problem listed.
    """
    spec = builder.resolved.spec
    dataset = builder.build("data")
    check_data(dataset, builder.resolved.component("data"))
    judges = {
        role: builder.build(f"judges.{role}")
        for role in ("reward", "bank", "evaluate")
        if f"judges.{role}" in builder.resolved.offers
    }
    refuse_shared_judge(judges)
    offers = builder.resolved.offers
    metrics = tuple(
        (offers[path], builder.build(path)) for path in (f"metrics.{i}" for i in range(len(spec.metrics)))
    )
    if not training:
        return Surroundings(dataset, None, None, (), None, None, judges, metrics)
    return Surroundings(
        dataset=dataset,
        knowledge=builder.optional("knowledge"),
        text_encoder=builder.optional("text_encoder"),
        rewards=build_rewards(builder),
        reinforcer=builder.optional("reinforcer"),
        memory=builder.optional("memory"),
        judges=judges,
        metrics=metrics,
    )


def build_rewards(builder: Builder) -> tuple[tuple[str, float, RewardVerifier], ...]:
    """Name, weight and reward of each in the spec, none without the stage that they are for.

    The name is the bare one, as figures show it, and the qualified one where two plugins' rewards share it.
    """
    spec = builder.resolved.spec
    if spec.stages.reinforce is None:
        return ()
    offers = [builder.resolved.offers[f"rewards.{i}"] for i in range(len(spec.rewards))]
    owners: dict[str, set[str]] = {}
    for offer in offers:
        owners.setdefault(offer.spec.name, set()).add(offer.plugin.id)
    return tuple(
        (
            offer.spec.name if len(owners[offer.spec.name]) == 1 else offer.qualified,
            reward.weight,
            builder.build(f"rewards.{i}"),
        )
        for i, (offer, reward) in enumerate(zip(offers, spec.rewards, strict=True))
    )


def check_data(dataset: Dataset, name: str) -> None:
    """Refuse unsound data with all its problems at once."""
    problems = dataset.problems()
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems)
        raise EmosymError(
            "data.unsound",
            f"data {name!r} has {len(problems)} problem{'s' * (len(problems) != 1)}:\n{shown}",
            hint="mend these, then run: emosym data check",
        )


def refuse_shared_judge(judges: Mapping[str, Judge]) -> None:
    """The judge that measures must not be one that selected or rewarded, by weights and not by name alone."""
    evaluate = judges.get("evaluate")
    for role in ("reward", "bank"):
        other = judges.get(role)
        if evaluate is not None and other is not None and other.identity == evaluate.identity:
            raise EmosymError(
                "spec.shared-judge",
                f"judges.evaluate and judges.{role} have the same weights: figures would be measured by what selected the images",
                hint="give judges.evaluate another model",
            )
