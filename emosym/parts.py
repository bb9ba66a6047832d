"""Parts: the assembled components of a system, and what they compute for those who train and measure it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

import torch
from emosym_registry import EmosymError, Registry, load_registry
from torch import Tensor, nn

from emosym.assembly import Builder
from emosym.contracts import Backbone, ReasoningCompressor, Sample, States
from emosym.explicit import written
from emosym.generation import Generation
from emosym.head import EmotionHead, head_width, seen
from emosym.precision import autocast, choose_device, choose_precision
from emosym.reasons import KnowledgeIndex
from emosym.spec import Resolved, load_spec, plugins_only
from emosym.storage import State, gather, spread
from emosym.toolkit import evaluating

T = TypeVar("T")
READING = ("backbone", "compressor")
PAINTING = ("fusion", "emotion_space", "diffusion")
"""Sections of a spec whose components a system is made of."""
GROUPS = ("adapters", "tokens", "knowledge", "head", "fusion", "diffusion")


class Parts:
    """The components of a system; :class:`emosym.System` has what people ask of them."""

    def __init__(
        self,
        builder: Builder,
        backbone: Backbone,
        compressor: ReasoningCompressor | None,
        generation: Generation | None,
        *,
        text_width: int,
    ) -> None:
        self.builder = builder
        self.resolved: Resolved = builder.resolved
        self.device, self.precision = builder.device, builder.precision
        self.labels = builder.context.labels
        self.backbone = backbone
        self._compressor = compressor
        self.generation = generation
        self.text_width = text_width
        self.knowledge: KnowledgeIndex | None = None
        self.reads = self.resolved.spec.head.reads
        width = head_width(backbone.hidden_size, self.reads)
        self._head = (
            EmotionHead(width, len(self.labels), self.resolved.spec.seed).to(self.device)
            if compressor is not None
            else None
        )

    @classmethod
    def new(
        cls,
        spec: Path | str,
        *,
        sets: Sequence[str] = (),
        registry: Registry | None = None,
        device: str = "auto",
        trust_remote_code: bool = False,
    ) -> Self:
        """A new, untrained system of a spec (a YAML file or ``preset:NAME``) with overrides (``"seed=3"``).

        ``auto`` is the device that the spec names. There is no knowledge projection, which only training
        needs. Errors: those of the spec and of loading the models.
        """
        registry = registry or load_registry(only=plugins_only(spec, sets))
        resolved = load_spec(spec, registry=registry, sets=sets)
        device = resolved.spec.compute.device if device == "auto" else device
        return cls.assemble(builder_of(resolved, registry, device, "auto", trust_remote_code), text_width=0)

    @classmethod
    def assemble(cls, builder: Builder, *, text_width: int) -> Self:
        """A new, untrained system. The backbone is built first: the others take their widths from it."""
        backbone: Backbone = builder.build("backbone")
        if builder.resolved.spec.reading == "explicit":
            return cls(builder, backbone, None, None, text_width=0)
        builder.set_sizes(hidden_size=backbone.hidden_size, text_width=text_width)
        compressor: ReasoningCompressor = builder.build("compressor")
        builder.set_sizes(context_tokens=compressor.context_tokens)
        compressor.initialise(*backbone.typical_embedding())
        return cls(builder, backbone, compressor, cls._generation(builder), text_width=text_width)

    @staticmethod
    def _generation(builder: Builder) -> Generation | None:
        """None where the spec lacks one of the three parts that paint."""
        if not set(PAINTING) <= set(builder.resolved.offers):
            return None
        diffusion = builder.build("diffusion")
        builder.set_sizes(token_widths=diffusion.token_widths)
        unify = builder.resolved.spec.stages.unify
        return Generation(
            builder.build("fusion"),
            builder.build("emotion_space"),
            diffusion,
            builder.device,
            builder.precision,
            unify.context_scale if unify is not None else 1.0,
            builder.context.cache_megabytes,
        )

    # ---- what it is made of

    @property
    def explicit(self) -> bool:
        """Whether it writes a reason and the emotion, in place of reading them through tokens and head."""
        return self._compressor is None

    @property
    def compressor(self) -> ReasoningCompressor:
        """The owner of the reasoning tokens. Errors: ``system.no-tokens`` with ``reading: explicit``."""
        return self._of_tokens(self._compressor)

    @property
    def head(self) -> EmotionHead:
        """The emotion classifier over the state of [EMO]. Errors: ``system.no-tokens`` with ``reading: explicit``."""
        return self._of_tokens(self._head)

    def _of_tokens(self, part: T | None) -> T:
        if part is None:
            raise EmosymError(
                "system.no-tokens",
                "this system writes its reasons (reading: explicit), so it has no reasoning tokens, states or emotion head",
                hint="use a system that was trained with reading: latent",
            )
        return part

    def modules(self) -> dict[str, nn.Module]:
        """The parts with weights, by name."""
        reading: dict[str, nn.Module] = {"backbone": self.backbone}
        if not self.explicit:
            reading |= {"compressor": self.compressor, "head": self.head}
        return reading | (self.generation.modules() if self.generation is not None else {})

    def group(self, name: str) -> dict[str, nn.Parameter]:
        """The parameters of a group that a stage may train; see :data:`GROUPS`."""
        if self.explicit and name != "adapters":
            return {}
        if name == "adapters":
            return self.backbone.adapters()
        knowledge = self.compressor.knowledge_parameters()
        match name:
            case "knowledge":
                return knowledge
            case "tokens":
                parameters = self.compressor.named_parameters()
                return {key: parameter for key, parameter in parameters if key not in knowledge}
            case "head":
                return dict(self.head.named_parameters())
        if self.generation is None:
            return {}
        if name == "diffusion":
            return self.generation.diffusion.adapters()
        return dict(self.generation.fusion.named_parameters())

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Eval mode, no gradients, the system's precision; training modes are put back afterwards."""
        with torch.no_grad(), evaluating(*self.modules().values()), autocast(self.device, self.precision):
            yield

    # ---- what it computes

    def states(self, samples: Sequence[Sample]) -> States:
        """States of a batch, with gradients where the parts train.

        Where nothing before the tokens learns, the prompt is encoded without gradient and read with it.
        """
        read = self.reader(samples, share=not self.backbone.prefix_learns)
        return read(self.compressor.tokens(len(samples)))

    def reader(self, samples: Sequence[Sample], *, share: bool = True) -> Callable[[Tensor], States]:
        """``read(tokens [B·G,T,D])`` → states [B·G] of a batch at these tokens, G for each sample in a row.

        With ``share`` the prompt is encoded once, without gradient, where the backbone can; else each call is a pass over
        prompt and tokens.
        """
        backbone = self.backbone
        prefix = backbone.encode(samples) if share and backbone.shares_prefixes else None

        def read(tokens: Tensor) -> States:
            if prefix is not None:
                return States.split(backbone.read(prefix, tokens).float())
            tries = len(tokens) // len(samples)
            return States.split(backbone([one for one in samples for _ in range(tries)], tokens).float())

        return read

    def logits(self, states: States) -> Tensor:
        """The emotion head's [...,C] of states, with gradients where the parts train."""
        logits: Tensor = self.head(seen(states, self.reads))
        return logits

    def read(self, samples: Sequence[Sample], batch_size: int = 32) -> tuple[States, Tensor]:
        """States and probabilities [N,C] of any number of samples, without gradients. Errors: ``system.no-tokens`` with
        ``reading: explicit``; :meth:`told` reads in either way."""
        if not samples:
            raise EmosymError("data.nothing-to-read", "there is no image to read")
        states, probabilities = [], []
        with self.builder.naming(), self.evaluating():
            for batch in self._prepared(samples, batch_size):
                part = self.states(batch)
                states.append(part)
                probabilities.append(self.logits(part).float().softmax(-1))
        return States.cat(states), torch.cat(probabilities)

    def _prepared(self, samples: Sequence[Sample], batch_size: int) -> Iterator[Sequence[Sample]]:
        """Batches; while one is read, a thread prepares the next, where data may have threads at all."""
        batch, ahead = samples[:batch_size], self.resolved.spec.compute.workers > 0
        with ThreadPoolExecutor(1, "prefetch") as pool:
            for start in range(batch_size, len(samples), batch_size):
                following = samples[start : start + batch_size]
                prepared = [pool.submit(self.backbone.prepare, following)] if ahead else []
                yield batch
                wait(prepared)  # what went wrong is said when it is read
                batch = following
            yield batch

    def told(self, samples: Sequence[Sample], batch_size: int = 32) -> tuple[Tensor, list[str] | None]:
        """Probabilities [N,C] of any number of samples, read in the system's own way, and the reasons where it wrote any."""
        if not self.explicit:
            return self.read(samples, batch_size)[1], None
        if not samples:
            raise EmosymError("data.nothing-to-read", "there is no image to read")
        probabilities, reasons, most = [], list[str](), self.resolved.spec.reason_tokens
        with self.builder.naming(), self.evaluating():
            for start in range(0, len(samples), batch_size):
                part = samples[start : start + batch_size]
                rows, texts = written(self.backbone, part, self.labels.names, most)
                probabilities.append(rows)
                reasons += texts
        return torch.cat(probabilities), reasons

    def project(self, states: States) -> Tensor | None:
        """Context states in the space of texts [B,W], without gradients; None where the compressor has no such space."""
        with self.builder.naming(), self.evaluating():
            return self.compressor.project(states)

    @property
    def projects(self) -> bool:
        """Whether the compressor projects context states into the space of texts."""
        blank = torch.zeros(
            1, self.compressor.context_tokens + 1, self.backbone.hidden_size, device=self.device
        )
        return self.project(States.split(blank)) is not None

    # ---- its weights

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Every tensor that training changes, by part; nothing of the frozen bases."""
        return gather(self.modules())

    def load_state(self, parts: State) -> None:
        """The inverse of :meth:`state`; a missing or foreign tensor is an error."""
        spread(self.modules(), parts, self.resolved.misfit)


def builder_of(
    resolved: Resolved, registry: Registry, device: str, precision: str, trust_remote_code: bool
) -> Builder:
    """A builder on a device; the spec says the precision where nobody else does."""
    chosen = choose_device(device)
    exact = choose_precision(resolved.spec.compute.precision if precision == "auto" else precision, chosen)
    return Builder.of(resolved, registry, device=chosen, precision=exact, trust_remote_code=trust_remote_code)
