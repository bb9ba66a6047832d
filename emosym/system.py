"""System: the assembled components, as pleasant in a notebook as in a shell."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from emosym_registry import EmosymError, Registry, load_registry
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from emosym import __version__
from emosym.assembly import Builder, Core, build_core, choose_device, choose_precision
from emosym.contracts import PLACEHOLDER, Generated, ImageSource, LabelSet, Reading, Sample, States, Vectors
from emosym.files import write_json, written_whole
from emosym.spec import Resolved, load_spec

HEAD_WIDTH = 256
PROMPT = f"a picture of {PLACEHOLDER}"
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
        self.context_scale = unify.context_scale if unify is not None else 1.0
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
        samples = [self._sample(number, image) for number, image in enumerate(images)]
        _, probabilities = self.read(samples, batch_size)
        return [
            self._reading(sample.id, row) for sample, row in zip(samples, probabilities.tolist(), strict=True)
        ]

    @staticmethod
    def _sample(number: int, image: ImageSource | str | Sample) -> Sample:
        if isinstance(image, Sample):
            return image
        if isinstance(image, (str, Path)):
            return Sample(str(image), (Path(image),))
        return Sample(f"image-{number}", (image,))

    def _reading(self, id: str, probabilities: Sequence[float]) -> Reading:
        named = dict(zip(self.labels.names, probabilities, strict=True))
        positive = sum(p for i, p in enumerate(probabilities) if self.labels.positive(i))
        return Reading(id, max(named, key=named.__getitem__), named, positive)

    # ---- generation

    def fuse(self, states: States) -> Vectors:
        """Vectors for the diffusion prompt; the context weighs the same in training and in sampling."""
        assert self.core.fusion is not None
        return self.core.fusion(States(states.context * self.context_scale, states.emotion))

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
        on_step: Callable[[int, int], None] | None = None,
    ) -> list[Generated]:
        """Make ``n`` images that evoke an emotion.

        The emotion comes from its name, from a ``mixture`` of names with weights ("70 % awe, 30 % fear"), or from an
        ``image`` whose reading drives the new ones; with ``strength`` (0 to 1) that image is also where the denoising
        starts. ``prompt`` may say what to show (``"a {emotion} street"``). Picture i has seed ``seed + i`` and is the
        same bytes whatever ``n`` is; a larger ``batch_size`` is faster, and may round the last bit otherwise.
        """
        self._must_generate()
        prompt = prompt or PROMPT
        if n < 1:
            raise EmosymError(
                "generate.bad-count", f"cannot make {n} images", hint="give a number of 1 or more"
            )
        if PLACEHOLDER not in prompt:
            raise EmosymError(
                "generate.no-placeholder",
                f"the prompt {prompt!r} has no {PLACEHOLDER}",
                hint=f"for example: {PROMPT!r}",
            )
        weights = self._mixture(emotion, mixture, image)
        target = int(weights.argmax())
        settings = {
            "steps": steps,
            "guidance_scale": guidance_scale,
            "mixture": mixture,
            "strength": strength,
        }
        seeds = [seed + i for i in range(n)]
        made: list[Generated] = []
        for start in range(0, n, batch_size):
            part = seeds[start : start + batch_size]
            made += self._generate(weights, part, prompt, image, settings, target, on_step)
        return made

    def _must_generate(self) -> None:
        missing = [
            name for name in ("fusion", "emotion_space", "diffusion") if getattr(self.core, name) is None
        ]
        if missing:
            raise EmosymError(
                "generate.understanding-only", f"this system cannot generate: its spec has no {', '.join(missing)}",
                hint="add them to the spec and run the unify stage",
            )  # fmt: skip

    def _mixture(self, emotion: str | None, mixture: Mapping[str, float] | None, image: Any) -> Tensor:
        given = [x for x in (emotion, mixture, image) if x is not None]
        if len(given) != 1:
            raise EmosymError("generate.one-source", "give exactly one of emotion, mixture and image")
        weights = torch.zeros(len(self.labels))
        if image is not None:
            return self.read([self._sample(0, image)])[1][0].cpu()
        for name, weight in (mixture or {emotion: 1.0}).items():
            if weight < 0:
                raise EmosymError("generate.bad-mixture", f"the weight of {name} is negative: {weight}")
            weights[self.labels.index(str(name))] = weight
        if float(weights.sum()) <= 0:
            raise EmosymError("generate.bad-mixture", "the weights of a mixture must not all be zero")
        return weights / weights.sum()

    def _generate(
        self,
        weights: Tensor,
        seeds: Sequence[int],
        prompt: str,
        image: ImageSource | str | None,
        settings: Mapping[str, Any],
        target: int,
        on_step: Callable[[int, int], None] | None,
    ) -> list[Generated]:
        assert self.core.diffusion is not None
        states = self._states_for(weights, seeds, image)
        init = None
        if image is not None and settings["strength"] is not None:
            init = self.pixels([self._sample(0, image)]).expand(len(seeds), -1, -1, -1)
        pixels = self.paint(
            states, [prompt] * len(seeds), seeds,
            steps=settings["steps"], guidance_scale=settings["guidance_scale"], init_image=init,
            strength=settings["strength"], on_step=on_step,
        )  # fmt: skip
        return [
            Generated(to_image(x), target, s, prompt, dict(settings))
            for x, s in zip(pixels, seeds, strict=True)
        ]

    def _states_for(self, weights: Tensor, seeds: Sequence[int], image: ImageSource | str | None) -> States:
        if image is not None:
            one, _ = self.read([self._sample(0, image)])
            return States.cat([one] * len(seeds))
        return self.draw_states(weights[None].expand(len(seeds), -1), seeds)

    def draw_states(self, mixture: Tensor, seeds: Sequence[int]) -> States:
        """States [B] from the emotion space; one seed a row, so that a row does not depend on its batch."""
        assert self.core.emotion_space is not None
        rows = [
            self.core.emotion_space.sample(row[None], torch.Generator().manual_seed(seed))
            for row, seed in zip(mixture, seeds, strict=True)
        ]
        return States.cat(rows)

    def paint(
        self,
        states: States,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        steps: int | None = None,
        guidance_scale: float | None = None,
        init_image: Tensor | None = None,
        strength: float | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """Images [B,3,H,W] in [0,1] from states; the noise of picture i comes from its own seed."""
        self._must_generate()
        assert self.core.diffusion is not None
        # Another stream than that of the emotion space, so that the state and the noise of one seed are independent.
        generators = [torch.Generator().manual_seed(seed + 0x9E3779B9) for seed in seeds]
        states = States(states.context.to(self.device), states.emotion.to(self.device))
        with self.evaluating():
            condition = self.core.diffusion.condition(self.fuse(states), prompts)
            return self.core.diffusion.sample(
                condition,
                generators=generators,
                steps=steps,
                guidance_scale=guidance_scale,
                init_image=init_image,
                strength=0.8 if strength is None else strength,
                on_step=on_step,
            ).float()

    def pixels(self, samples: Sequence[Sample]) -> Tensor:
        """First pictures of samples as [B,3,H,W] in [-1,1], centre-cropped to the head's size."""
        assert self.core.diffusion is not None
        return to_pixels([sample.open()[0] for sample in samples], self.core.diffusion.image_size).to(
            self.device
        )

    # ---- saving

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Every tensor that training changes, by part; nothing of the frozen bases."""
        parts = {
            "adapters": self.core.backbone.adapter_state(),
            "compressor": self.core.compressor.state_dict(),
            "head": self.head.state_dict(),
        }
        if self.core.fusion is not None:
            parts["fusion"] = self.core.fusion.state_dict()
        if self.core.emotion_space is not None:
            parts["emotion_space"] = self.core.emotion_space.state_dict()
        if self.core.diffusion is not None:
            parts["diffusion"] = self.core.diffusion.adapter_state()
        return {
            name: {key: value.detach().cpu().clone().contiguous() for key, value in part.items()}
            for name, part in parts.items()
        }

    def load_state(self, parts: Mapping[str, Mapping[str, Tensor]]) -> None:
        """The inverse of :meth:`state`; a missing or foreign tensor is an error."""
        modules = {
            "compressor": self.core.compressor,
            "head": self.head,
            "fusion": self.core.fusion,
            "emotion_space": self.core.emotion_space,
        }
        try:
            self.core.backbone.load_adapter_state(parts.get("adapters", {}))
            if self.core.diffusion is not None and parts.get("diffusion"):
                self.core.diffusion.load_adapter_state(parts["diffusion"])
            for name, module in modules.items():
                if module is not None:
                    module.load_state_dict(parts.get(name, {}))
        except (RuntimeError, KeyError) as error:
            raise EmosymError(
                "system.does-not-fit",
                f"the saved weights do not fit this spec: {error}",
                hint="use the spec they were saved with",
            ) from error

    def save(self, folder: Path | str) -> Path:
        """Save spec and weights (not the frozen bases) to a folder, whole or not at all."""
        folder = Path(folder)
        with written_whole(folder) as partial:
            partial.mkdir(parents=True)
            (partial / "spec.yaml").write_text(self.resolved.to_yaml(), encoding="utf-8")
            write_json(
                partial / "system.json",
                {"emosym": __version__, "labels": list(self.labels.names), "text_width": self.text_width},
            )
            for name, tensors in self.state().items():
                if tensors:
                    save_file(tensors, partial / f"{name}.safetensors")
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
        folder = Path(folder)
        if (folder / "system" / "system.json").exists():
            folder = folder / "system"
        if not (folder / "system.json").exists():
            raise EmosymError(
                "system.not-found",
                f"{folder} holds no saved system",
                hint="run a spec first: emosym run configs/tiny.yaml",
            )
        registry = registry or load_registry()
        resolved = load_spec(folder / "spec.yaml", registry=registry)
        chosen = choose_device(device)
        exact = choose_precision(
            resolved.spec.compute.precision if precision == "auto" else precision, chosen
        )
        facts = json.loads((folder / "system.json").read_text(encoding="utf-8"))
        builder = Builder.of(
            resolved, registry, device=chosen, precision=exact, trust_remote_code=trust_remote_code
        )
        system = cls.assemble(builder, text_width=facts["text_width"], device=chosen, precision=exact)
        system.load_state(read_state(folder))
        for module in system.modules().values():
            module.eval()
        return system

    def generator_hash(self) -> str:
        """Hash of every weight that makes an image from a state: diffusion head and fusion."""
        assert self.core.diffusion is not None
        assert self.core.fusion is not None
        digest = hashlib.sha256(self.core.diffusion.fingerprint().encode())
        for key, value in sorted(self.core.fusion.state_dict().items()):
            digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


def read_state(folder: Path) -> dict[str, dict[str, Tensor]]:
    """The tensors that :meth:`System.save` wrote; a damaged file is an error that names it."""
    parts = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            parts[path.stem] = load_file(path)
        except (SafetensorError, OSError) as error:
            raise EmosymError(
                "system.damaged",
                f"{path} is damaged: {error}",
                hint="restore it from a checkpoint of the run",
            ) from error
    return parts


def to_pixels(images: Sequence[Any], size: int) -> Tensor:
    """PIL images as [B,3,size,size] in [-1,1]: shorter side resized, centre cropped."""
    import numpy as np
    from PIL import Image, ImageOps

    arrays = [
        np.asarray(
            ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
            if image.size != (size, size)
            else image
        )
        for image in images
    ]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def to_image(pixels: Tensor) -> Any:
    """One picture [3,H,W] in [0,1] as a PIL image."""
    from PIL import Image

    array = pixels.detach().cpu().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(array)
