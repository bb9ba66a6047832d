"""System: the assembled components, as pleasant in a notebook as in a shell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import torch
from emosym_registry import API_VERSION, EmosymError, Registry, load_registry
from torch import Tensor, nn

from emosym.assembly import Builder
from emosym.contracts import (
    Backbone,
    Generated,
    ImageSource,
    Reading,
    Reason,
    ReasoningCompressor,
    Sample,
    States,
)
from emosym.explicit import written
from emosym.generation import Generation, OnStep
from emosym.head import EmotionHead, head_width, seen
from emosym.precision import autocast, choose_device, choose_precision
from emosym.reasons import KnowledgeIndex, read_index
from emosym.request import PROMPT, Request
from emosym.spec import Resolved, load_spec, plugins_only
from emosym.storage import State, find_saved, gather, read_state, size_of, spread, write_state
from emosym.toolkit import evaluating, json_text, written_whole

T = TypeVar("T")
READING = ("backbone", "compressor")
PAINTING = ("fusion", "emotion_space", "diffusion")
"""Sections of a spec whose components a system is made of."""
GROUPS = ("adapters", "tokens", "knowledge", "head", "fusion", "diffusion")


class System:
    """Reads the emotion of images and makes images of an emotion.

    ``backbone`` and ``compressor`` read, ``head`` is the emotion classifier over their states (``logits``),
    ``generation`` paints; it is None where the spec only understands. ``knowledge`` holds texts that it was trained with,
    for :meth:`reasons`; None where it keeps none. With ``reading: explicit`` the backbone is all there is: it writes a
    reason and then the emotion. Load one with ``System.load("runs/tiny/system")``.
    """

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
    ) -> System:
        """A new, untrained system of a spec (a YAML file or ``preset:NAME``) with overrides (``"seed=3"``).

        ``auto`` is the device that the spec names. There is no knowledge projection, which only training
        needs. Errors: those of the spec and of loading the models.
        """
        registry = registry or load_registry(only=plugins_only(spec, sets))
        resolved = load_spec(spec, registry=registry, sets=sets)
        device = resolved.spec.compute.device if device == "auto" else device
        return cls.assemble(_builder(resolved, registry, device, "auto", trust_remote_code), text_width=0)

    @classmethod
    def assemble(cls, builder: Builder, *, text_width: int) -> System:
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

    # ---- understanding

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
            for start in range(0, len(samples), batch_size):
                part = self.states(samples[start : start + batch_size])
                states.append(part)
                probabilities.append(self.logits(part).float().softmax(-1))
        return States.cat(states), torch.cat(probabilities)

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

    def understand(
        self, images: Iterable[ImageSource | str | Sample], batch_size: int = 32, *, why: int = 0
    ) -> list[Reading]:
        """What each image evokes; images are paths, bytes, PIL images or samples.

        With ``why`` each reading has so many ``reasons``. Errors: those of :meth:`read`; with ``why`` those of
        :meth:`reasons`.
        """
        if why:
            self.require_knowledge()
        samples = [Sample.of(image, number) for number, image in enumerate(images)]
        texts: Sequence[str | None] = [None] * len(samples)
        reasons: Sequence[tuple[Reason, ...]] = [()] * len(samples)
        if self.explicit:
            probabilities, written = self.told(samples, batch_size)
            texts = written or texts
        else:
            states, probabilities = self.read(samples, batch_size)
            reasons = self.reasons(states, why) if why else reasons
        return [
            replace(self._reading(sample.id, row, text), reasons=own)
            for sample, row, text, own in zip(samples, probabilities.tolist(), texts, reasons, strict=True)
        ]

    def reasons(self, states: States, count: int) -> list[tuple[Reason, ...]]:
        """For each image of ``states`` the ``count`` texts of the kept knowledge that are nearest to its context states, as
        the compressor projects them into the space of texts; all texts where there are fewer.

        Errors: ``understand.no-such-count``, and those of :meth:`require_knowledge`.
        """
        if count < 1:
            raise EmosymError(
                "understand.no-such-count", f"{count} reasons cannot be given", hint="ask for 1 or more"
            )
        knowledge = self.require_knowledge()
        projected = self.project(states)
        assert projected is not None
        return knowledge.nearest(projected, count)

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

    def require_knowledge(self) -> KnowledgeIndex:
        """The kept knowledge. Errors: ``understand.no-reasons`` where the system keeps none, or its compressor does not project
        into the space of texts."""
        if self.knowledge is not None and not self.explicit and self.projects:
            return self.knowledge
        raise EmosymError(
            "understand.no-reasons",
            "this system keeps no knowledge that could say why: its run had none, its compressor has no projection into the "
            "space of texts, or an older emosym has saved it",
            hint="run a spec with knowledge, text_encoder, a compressor that projects context states, and "
            "stages.compress.knowledge_weight above 0",
        )

    def _reading(self, id: str, probabilities: Sequence[float], text: str | None) -> Reading:
        named = dict(zip(self.labels.names, probabilities, strict=True))
        signed = self.labels.signed
        positive = sum(p for i, p in enumerate(probabilities) if self.labels.positive(i)) if signed else None
        return Reading(id, max(named, key=named.__getitem__), named, positive, text)

    # ---- generation

    def generate(
        self,
        emotion: str | None = None,
        *,
        mixture: Mapping[str, float] | None = None,
        valence: float | None = None,
        image: ImageSource | str | None = None,
        onto: ImageSource | str | None = None,
        n: int = 1,
        prompt: str | None = None,
        seed: int = 0,
        steps: int | None = None,
        guidance_scale: float | None = None,
        strength: float | None = None,
        batch_size: int = 1,
        on_step: OnStep | None = None,
    ) -> list[Generated]:
        """Make ``n`` images that evoke an emotion.

        The emotion comes from its name, from a ``mixture`` of names with weights ("70 % awe, 30 % fear"), from a
        ``valence`` between −1 and 1 (the positive emotions share (1 + valence)/2 equally, the negative ones the
        rest), or from an ``image`` whose reading drives the new ones. A picture to paint ``onto`` gives the content:
        its context states stand beside the emotion's. With ``strength`` (0 to 1) that picture, else the image, is
        also where the denoising starts. ``prompt`` may say what to show (``"a {emotion} street"``). Picture i has
        seed ``seed + i`` and is the same bytes whatever ``n`` is; a larger ``batch_size`` is faster, and may
        round the last bit otherwise.
        """
        request = Request(
            emotion, mixture, image, n, prompt or PROMPT, seed, steps, guidance_scale, strength, valence, onto
        )
        return self.paint(request, batch_size=batch_size, on_step=on_step)

    def paint(
        self, request: Request, *, batch_size: int = 1, on_step: OnStep | None = None
    ) -> list[Generated]:
        """The pictures of a request; :meth:`generate` makes it of plain arguments."""
        generation = self.require_generation()
        if request.image is None:
            states, weights = None, torch.tensor(request.weights(self.labels))
        else:
            states, probabilities = self.read([Sample.of(request.image)])
            weights = probabilities[0].cpu()
        content = None if request.onto is None else self.read([Sample.of(request.onto)])[0]
        with self.builder.naming():
            return generation.generate(
                request, weights, states, content, batch_size=batch_size, on_step=on_step
            )

    def require_generation(self) -> Generation:
        """The generating half. Errors: ``generate.understanding-only`` where the spec has none."""
        if self.generation is None:
            if self.explicit:
                raise EmosymError(
                    "generate.understanding-only",
                    "this system cannot generate: it writes its reasons (reading: explicit) and has no states to paint from",
                    hint="use a system that was trained with reading: latent",
                )
            missing = [name for name in PAINTING if getattr(self.resolved.spec, name) is None]
            lack = f"its spec has no {', '.join(missing)}" if missing else "it was loaded with generate=False"
            raise EmosymError(
                "generate.understanding-only",
                f"this system cannot generate: {lack}",
                hint="add them to the spec and run the unify stage",
            )
        return self.generation

    # ---- saving

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Every tensor that training changes, by part; nothing of the frozen bases."""
        return gather(self.modules())

    def load_state(self, parts: State) -> None:
        """The inverse of :meth:`state`; a missing or foreign tensor is an error."""
        spread(self.modules(), parts, self.resolved.misfit)

    def save(self, folder: Path | str) -> Path:
        """Save spec, weights (not the frozen bases) and kept knowledge to a folder, whole or not at all."""
        folder = Path(folder)
        parts = self.state()
        facts = {
            "emosym": version("emosym"),
            "api_version": API_VERSION,
            "labels": list(self.labels.names),
            "text_width": self.text_width,
        }
        with written_whole(folder, size_of(parts)) as partial:
            partial.mkdir(parents=True)
            self.resolved.save(partial, qualified=True)
            files = write_state(partial, parts)
            if self.knowledge is not None:
                files |= self.knowledge.write(partial)
            (partial / "system.json").write_text(json_text({**facts, "files": files}), encoding="utf-8")
        return folder

    @classmethod
    def load(
        cls,
        folder: Path | str,
        *,
        sets: Sequence[str] = (),
        generate: bool = True,
        also: Sequence[str] = (),
        device: str = "auto",
        precision: str = "auto",
        registry: Registry | None = None,
        trust_remote_code: bool = False,
    ) -> System:
        """Load a saved system: a ``system/`` folder, or a run folder that holds one.

        ``sets`` are ``key.path=value`` overrides of its spec. ``generate=False`` leaves the diffusion head
        out, which takes no part in understanding. Only what reads and paints must be installed: no metric,
        reward, judge or bank, but for the sections in ``also`` ("metrics", "judges.evaluate").
        """
        folder, facts = find_saved(Path(folder))
        registry = registry or load_registry()
        parts = READING + (PAINTING if generate else ())
        resolved = load_spec(folder / "spec.yaml", registry=registry, sets=sets, use=(*parts, *also))
        builder = _builder(resolved, registry, device, precision, trust_remote_code)
        system = cls.assemble(builder, text_width=facts.text_width)
        state = read_state(folder, facts.files)
        if not generate:
            state = {name: tensors for name, tensors in state.items() if name not in PAINTING}
        system.load_state(state)
        system.knowledge = read_index(folder, facts.files)
        for module in system.modules().values():
            module.eval()
        return system


def _builder(
    resolved: Resolved, registry: Registry, device: str, precision: str, trust_remote_code: bool
) -> Builder:
    """A builder on a device; the spec says the precision where nobody else does."""
    chosen = choose_device(device)
    exact = choose_precision(resolved.spec.compute.precision if precision == "auto" else precision, chosen)
    return Builder.of(resolved, registry, device=chosen, precision=exact, trust_remote_code=trust_remote_code)


load = System.load
"""``emosym.load("runs/tiny/system")``: see :meth:`System.load`."""
