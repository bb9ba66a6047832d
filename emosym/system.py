"""System: the assembled components, as pleasant in a notebook as in a shell."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from emosym_registry import EmosymError, Registry, load_registry
from torch import Tensor, nn

from emosym import __version__
from emosym.assembly import Builder, Core, build_core, choose_device, choose_precision
from emosym.contracts import Generated, ImageSource, LabelSet, Reading, Sample, States, Vectors
from emosym.files import json_text, written_whole
from emosym.painter import PROMPT, OnStep, Painter, Request
from emosym.pictures import as_sample
from emosym.spec import Resolved, load_spec
from emosym.storage import State, find_saved, gather, read_state, size_of, spread, write_state

HEAD_WIDTH = 256
GROUPS = ("adapters", "tokens", "knowledge", "head", "fusion", "diffusion")


class System:
    """Reads the emotion of images and makes images of an emotion.

    ``core`` holds the components, ``head`` the emotion classifier Linear(D,256)–ReLU–Linear(256,C) over the state of
    [EMO] (METHOD, stage 1). Load one with ``System.load("runs/tiny/system")``.
    """

    def __init__(
        self, core: Core, resolved: Resolved, *, text_width: int, device: torch.device, precision: str
    ) -> None:
        self.core = core
        self.resolved = resolved
        self.text_width = text_width
        self.device = device
        self.precision = precision
        unify = resolved.spec.stages.unify
        self.painter = Painter(
            core,
            device=device,
            context_scale=unify.context_scale if unify is not None else 1.0,
            read=self.read,
            evaluating=self.evaluating,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(resolved.spec.seed)
            self.head = nn.Sequential(
                nn.Linear(core.backbone.hidden_size, HEAD_WIDTH),
                nn.ReLU(),
                nn.Linear(HEAD_WIDTH, len(core.labels)),
            ).to(device)

    @classmethod
    def assemble(cls, builder: Builder, *, text_width: int, device: torch.device, precision: str) -> System:
        """A new, untrained system from a builder."""
        return cls(
            build_core(builder, text_width),
            builder.resolved,
            text_width=text_width,
            device=device,
            precision=precision,
        )

    # ---- what it is made of

    @property
    def labels(self) -> LabelSet:
        return self.core.labels

    def modules(self) -> dict[str, nn.Module]:
        """The parts with weights, by name."""
        parts = {
            "backbone": self.core.backbone,
            "compressor": self.core.compressor,
            "head": self.head,
            "fusion": self.core.fusion,
            "emotion_space": self.core.emotion_space,
            "diffusion": self.core.diffusion,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def group(self, name: str) -> dict[str, nn.Parameter]:
        """The parameters of a group that a stage may train; see :data:`GROUPS`."""
        if name == "adapters":
            return dict(self.core.backbone.adapters())
        if name == "diffusion":
            return dict(self.core.diffusion.adapters()) if self.core.diffusion is not None else {}
        knowledge = self.core.compressor.knowledge_parameters()
        if name == "knowledge":
            return dict(knowledge)
        module = {"tokens": self.core.compressor, "head": self.head, "fusion": self.core.fusion}[name]
        parameters = module.named_parameters() if module is not None else ()
        own = set(knowledge) if name == "tokens" else set()
        return {key: parameter for key, parameter in parameters if key not in own}

    @contextlib.contextmanager
    def evaluating(self) -> Iterable[None]:  # type: ignore[misc]
        """Eval mode, no gradients, the run's precision; training modes are put back afterwards."""
        modes = {name: module.training for name, module in self.modules().items()}
        for module in self.modules().values():
            module.eval()
        try:
            with torch.no_grad(), self.autocast():
                yield
        finally:
            for name, module in self.modules().items():
                module.train(modes[name])

    def autocast(self) -> Any:
        """The autocast context of this system's precision."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16 if self.precision == "bf16" else torch.float16
        )

    # ---- understanding

    def states(self, samples: Sequence[Sample]) -> States:
        """States of a batch, with gradients where the parts train."""
        tokens = self.core.compressor.tokens(len(samples))
        return States.split(self.core.backbone(samples, tokens).float())

    def read(self, samples: Sequence[Sample], batch_size: int = 32) -> tuple[States, Tensor]:
        """States and probabilities [N,C] of any number of samples, without gradients."""
        if not samples:
            raise EmosymError("data.nothing-to-read", "there is no image to read")
        states, probabilities = [], []
        with self.evaluating():
            for start in range(0, len(samples), batch_size):
                part = self.states(samples[start : start + batch_size])
                states.append(part)
                probabilities.append(self.head(part.emotion).float().softmax(-1))
        return States.cat(states), torch.cat(probabilities)

    def understand(self, images: Iterable[ImageSource | str | Sample], batch_size: int = 32) -> list[Reading]:
        """What each image evokes; images are paths, bytes, PIL images or samples."""
        samples = [as_sample(number, image) for number, image in enumerate(images)]
        _, probabilities = self.read(samples, batch_size)
        return [
            self._reading(sample.id, row) for sample, row in zip(samples, probabilities.tolist(), strict=True)
        ]

    def _reading(self, id: str, probabilities: Sequence[float]) -> Reading:
        named = dict(zip(self.labels.names, probabilities, strict=True))
        positive = sum(p for i, p in enumerate(probabilities) if self.labels.positive(i))
        return Reading(id, max(named, key=named.__getitem__), named, positive)

    # ---- generation: the painter does it

    def generate(
        self,
        emotion: str | None = None,
        *,
        mixture: Mapping[str, float] | None = None,
        image: ImageSource | str | None = None,
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

        The emotion comes from its name, from a ``mixture`` of names with weights ("70 % awe, 30 % fear"), or from an
        ``image`` whose reading drives the new ones; with ``strength`` (0 to 1) that image is also where the denoising
        starts. ``prompt`` may say what to show (``"a {emotion} street"``). Picture i has seed ``seed + i`` and is the
        same bytes whatever ``n`` is; a larger ``batch_size`` is faster, and may round the last bit otherwise.
        """
        self.painter.require()
        request = Request(emotion, mixture, image, n, prompt or PROMPT, seed, steps, guidance_scale, strength)
        return self.painter.generate(request, batch_size, on_step)

    def fuse(self, states: States) -> Vectors:
        """Vectors for the diffusion prompt; see :meth:`Painter.fuse`."""
        return self.painter.fuse(states)

    def draw_states(self, mixture: Tensor, seeds: Sequence[int]) -> States:
        """States [B] from the emotion space for class weights [B,C]; see :meth:`Painter.draw_states`."""
        return self.painter.draw_states(mixture, seeds)

    def paint(self, states: States, prompts: Sequence[str], seeds: Sequence[int], **settings: Any) -> Tensor:
        """Images [B,3,H,W] in [0,1] from states; ``settings`` are those of :meth:`Painter.paint`."""
        return self.painter.paint(states, prompts, seeds, **settings)

    def pixels(self, samples: Sequence[Sample]) -> Tensor:
        """First pictures of samples as [B,3,H,W] in [-1,1], centre-cropped to the head's size."""
        return self.painter.pixels(samples)

    def generator_hash(self) -> str:
        """Hash of every weight that makes an image from a state: diffusion head and fusion."""
        return self.painter.hash()

    # ---- saving

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Every tensor that training changes, by part; nothing of the frozen bases."""
        return gather(self.modules())

    def load_state(self, parts: State) -> None:
        """The inverse of :meth:`state`; a missing or foreign tensor is an error."""
        spread(self.modules(), parts)

    def save(self, folder: Path | str) -> Path:
        """Save spec and weights (not the frozen bases) to a folder, whole or not at all."""
        folder = Path(folder)
        parts = self.state()
        facts = {"emosym": __version__, "labels": list(self.labels.names), "text_width": self.text_width}
        with written_whole(folder, size_of(parts)) as partial:
            partial.mkdir(parents=True)
            (partial / "spec.yaml").write_text(self.resolved.to_yaml(), encoding="utf-8")
            (partial / "system.json").write_text(json_text(facts), encoding="utf-8")
            write_state(partial, parts)
        return folder

    @classmethod
    def load(
        cls,
        folder: Path | str,
        *,
        device: str = "auto",
        precision: str = "auto",
        registry: Registry | None = None,
        trust_remote_code: bool = False,
    ) -> System:
        """Load a saved system: a ``system/`` folder, or a run folder that holds one."""
        folder, facts = find_saved(Path(folder))
        registry = registry or load_registry()
        resolved = load_spec(folder / "spec.yaml", registry=registry)
        chosen = choose_device(device)
        exact = choose_precision(
            resolved.spec.compute.precision if precision == "auto" else precision, chosen
        )
        builder = Builder.of(
            resolved, registry, device=chosen, precision=exact, trust_remote_code=trust_remote_code
        )
        system = cls.assemble(builder, text_width=facts["text_width"], device=chosen, precision=exact)
        system.load_state(read_state(folder))
        for module in system.modules().values():
            module.eval()
        return system
