"""The generating half of a system: from an emotion to states, from states to pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.assembly import Core
from emosym.contracts import PLACEHOLDER, Generated, ImageSource, Sample, States, Vectors
from emosym.pictures import as_sample, to_image, to_pixels

PROMPT = f"a picture of {PLACEHOLDER}"
STRENGTH = 0.8
OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Request:
    """What to paint; ``System.generate`` says what each field means."""

    emotion: str | None
    mixture: Mapping[str, float] | None
    image: ImageSource | str | None
    n: int
    prompt: str
    seed: int
    steps: int | None
    guidance_scale: float | None
    strength: float | None

    def __post_init__(self) -> None:
        if self.n < 1:
            raise EmosymError(
                "generate.bad-count", f"cannot make {self.n} images", hint="give a number of 1 or more"
            )
        if PLACEHOLDER not in self.prompt:
            raise EmosymError(
                "generate.no-placeholder",
                f"the prompt {self.prompt!r} has no {PLACEHOLDER}",
                hint=f"for example: {PROMPT!r}",
            )
        if sum(given is not None for given in (self.emotion, self.mixture, self.image)) != 1:
            raise EmosymError("generate.one-source", "give exactly one of emotion, mixture and image")

    @property
    def settings(self) -> dict[str, object]:
        """What is recorded with each picture beside its prompt and seed."""
        return {
            "steps": self.steps,
            "guidance_scale": self.guidance_scale,
            "mixture": self.mixture,
            "strength": self.strength,
        }


class Painter:
    """Fuses states, conditions the diffusion head and samples it.

    ``read`` gives states and probabilities [N,C] of samples; ``evaluating`` is the context in which nothing trains.
    """

    def __init__(
        self,
        core: Core,
        *,
        device: torch.device,
        context_scale: float,
        read: Callable[[Sequence[Sample]], tuple[States, Tensor]],
        evaluating: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.core = core
        self.device = device
        self.context_scale = context_scale
        self._read = read
        self._evaluating = evaluating

    def require(self) -> None:
        """Refuse a system whose spec only understands."""
        missing = [
            name for name in ("fusion", "emotion_space", "diffusion") if getattr(self.core, name) is None
        ]
        if missing:
            raise EmosymError(
                "generate.understanding-only", f"this system cannot generate: its spec has no {', '.join(missing)}",
                hint="add them to the spec and run the unify stage",
            )  # fmt: skip

    def generate(self, request: Request, batch_size: int, on_step: OnStep | None) -> list[Generated]:
        """The pictures of a request, ``batch_size`` at a time."""
        weights, states = self._wanted(request)
        target = int(weights.argmax())
        seeds = range(request.seed, request.seed + request.n)
        made: list[Generated] = []
        for start in range(0, request.n, batch_size):
            part = seeds[start : start + batch_size]
            made += [
                Generated(to_image(x), target, seed, request.prompt, request.settings)
                for x, seed in zip(self._part(request, part, weights, states, on_step), part, strict=True)
            ]
        return made

    def _wanted(self, request: Request) -> tuple[Tensor, States | None]:
        """Class weights [C] and, where a picture decides, the states [1] of its reading."""
        if request.image is not None:
            states, probabilities = self._read([as_sample(0, request.image)])
            return probabilities[0].cpu(), states
        weights = torch.zeros(len(self.core.labels))
        for name, weight in (request.mixture or {request.emotion: 1.0}).items():
            if weight < 0:
                raise EmosymError("generate.bad-mixture", f"the weight of {name} is negative: {weight}")
            weights[self.core.labels.index(str(name))] = weight
        if float(weights.sum()) <= 0:
            raise EmosymError("generate.bad-mixture", "the weights of a mixture must not all be zero")
        return weights / weights.sum(), None

    def _part(
        self,
        request: Request,
        seeds: Sequence[int],
        weights: Tensor,
        states: States | None,
        on_step: OnStep | None,
    ) -> Tensor:
        if states is None:
            many = self.draw_states(weights[None].expand(len(seeds), -1), seeds)
        else:
            many = States.cat([states] * len(seeds))
        init = None
        if request.image is not None and request.strength is not None:
            init = self.pixels([as_sample(0, request.image)]).expand(len(seeds), -1, -1, -1)
        return self.paint(
            many, [request.prompt] * len(seeds), seeds,
            steps=request.steps, guidance_scale=request.guidance_scale, init_image=init,
            strength=request.strength, on_step=on_step,
        )  # fmt: skip

    def fuse(self, states: States) -> Vectors:
        """Vectors for the diffusion prompt; the context weighs the same in training and in sampling."""
        assert self.core.fusion is not None
        return self.core.fusion(States(states.context * self.context_scale, states.emotion))

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
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Images [B,3,H,W] in [0,1] from states; the noise of picture i comes from its own seed."""
        self.require()
        assert self.core.diffusion is not None
        # Another stream than that of the emotion space, so that the state and the noise of one seed are independent.
        generators = [torch.Generator().manual_seed(seed + 0x9E3779B9) for seed in seeds]
        states = States(states.context.to(self.device), states.emotion.to(self.device))
        with self._evaluating():
            condition = self.core.diffusion.condition(self.fuse(states), prompts)
            return self.core.diffusion.sample(
                condition,
                generators=generators,
                steps=steps,
                guidance_scale=guidance_scale,
                init_image=init_image,
                strength=STRENGTH if strength is None else strength,
                on_step=on_step,
            ).float()

    def pixels(self, samples: Sequence[Sample]) -> Tensor:
        """First pictures of samples as [B,3,H,W] in [-1,1], centre-cropped to the head's size."""
        assert self.core.diffusion is not None
        return to_pixels([sample.open()[0] for sample in samples], self.core.diffusion.image_size).to(
            self.device
        )

    def hash(self) -> str:
        """Hash of every weight that makes an image from a state: diffusion head and fusion."""
        assert self.core.diffusion is not None
        assert self.core.fusion is not None
        digest = hashlib.sha256(self.core.diffusion.fingerprint().encode())
        for key, value in sorted(self.core.fusion.state_dict().items()):
            digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]
