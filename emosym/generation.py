"""The generating half of a system: from an emotion to states, from states to pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from emosym_registry import EmosymError
from torch import Tensor, nn

from emosym.contracts import (
    PLACEHOLDER,
    DiffusionHead,
    EmotionSpace,
    Fusion,
    Generated,
    ImageSource,
    LabelSet,
    Sample,
    States,
    Vectors,
)
from emosym.precision import autocast
from emosym.toolkit import evaluating, hash_tensors, to_image, to_pixels

PROMPT = f"a picture of {PLACEHOLDER}"
STRENGTH = 0.8
OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Request:
    """What to paint; ``System.generate`` says what each field means.

    Errors: ``generate.bad-count``, ``generate.no-placeholder``, ``generate.one-source``, ``generate.strength-alone``,
    ``generate.bad-strength``, ``generate.bad-mixture``.
    """

    emotion: str | None = None
    mixture: Mapping[str, float] | None = None
    image: ImageSource | str | None = None
    n: int = 1
    prompt: str = PROMPT
    seed: int = 0
    steps: int | None = None
    guidance_scale: float | None = None
    strength: float | None = None

    def __post_init__(self) -> None:
        for id, message, hint in self._mistakes():
            raise EmosymError(id, message, hint=hint)

    def _mistakes(self) -> Iterator[tuple[str, str, str]]:
        sources = "give exactly one of an emotion, a mixture and an image"
        given = [name for name in ("emotion", "mixture", "image") if getattr(self, name) is not None]
        if not given:
            yield "generate.one-source", "nothing to evoke", sources
        if len(given) > 1:
            yield "generate.one-source", f"{' and '.join(given)} were both given", sources
        if self.n < 1:
            yield "generate.bad-count", f"cannot make {self.n} images", "give a number of 1 or more"
        if self.prompt.count(PLACEHOLDER) != 1:
            yield (
                "generate.no-placeholder",
                f"the prompt {self.prompt!r} must have {PLACEHOLDER} once",
                'the emotion goes there, as in "a {emotion} street"',
            )
        if self.strength is not None and self.image is None:
            yield (
                "generate.strength-alone",
                "strength says how far to leave an image, and there is none",
                "give an image",
            )
        if self.strength is not None and not 0 <= self.strength <= 1:
            yield "generate.bad-strength", f"strength is {self.strength}", "0 keeps the image, 1 forgets it"
        weights = list((self.mixture or {"": 1.0}).values())
        if min(weights) < 0 or sum(weights) <= 0 or sum(weights) == float("inf"):
            yield (
                "generate.bad-mixture",
                f"no mixture: {dict(self.mixture or {})}",
                "give weights of 0 or more, not all 0",
            )

    @property
    def settings(self) -> dict[str, object]:
        """What is recorded with each picture beside its prompt and seed."""
        return {
            "steps": self.steps,
            "guidance_scale": self.guidance_scale,
            "mixture": self.mixture,
            "strength": self.strength,
        }

    def weights(self, labels: LabelSet) -> Tensor:
        """Class weights [C] that sum to one, of the emotion or the mixture."""
        weights = torch.zeros(len(labels))
        for name, weight in (self.mixture or {str(self.emotion): 1.0}).items():
            weights[labels.index(name)] = weight
        return weights / weights.sum()


@dataclass
class Generation:
    """Fuses states, conditions the diffusion head and samples it. ``context_scale`` is how much the context weighs in the
    fusion, in training and in sampling alike."""

    fusion: Fusion
    emotion_space: EmotionSpace
    diffusion: DiffusionHead
    device: torch.device
    precision: str
    context_scale: float = 1.0

    def modules(self) -> dict[str, nn.Module]:
        """The parts with weights, by name."""
        return {"fusion": self.fusion, "emotion_space": self.emotion_space, "diffusion": self.diffusion}

    def fuse(self, states: States) -> Vectors:
        """Vectors for the diffusion prompt."""
        vectors: Vectors = self.fusion(States(states.context * self.context_scale, states.emotion))
        return vectors

    def draw_states(self, mixture: Tensor, seeds: Sequence[int]) -> States:
        """States [B] from the emotion space for class weights [B,C]; one seed a row, so that a row does not depend on its
        batch."""
        rows = [
            self.emotion_space.sample(row[None], torch.Generator().manual_seed(seed))
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
        # Another stream than that of the emotion space, so that the state and the noise of one seed are independent.
        generators = [torch.Generator().manual_seed(seed + 0x9E3779B9) for seed in seeds]
        states = States(states.context.to(self.device), states.emotion.to(self.device))
        with torch.no_grad(), evaluating(self.fusion, self.diffusion), autocast(self.device, self.precision):
            condition = self.diffusion.condition(self.fuse(states), prompts)
            return self.diffusion.sample(
                condition,
                generators=generators,
                steps=steps,
                guidance_scale=guidance_scale,
                init_image=init_image,
                strength=STRENGTH if strength is None else strength,
                on_step=on_step,
            ).float()

    def paint_labels(
        self,
        labels: Sequence[int],
        seeds: Sequence[int],
        prompt: str,
        *,
        steps: int | None = None,
        guidance_scale: float | None = None,
        batch_size: int = 32,
        emotions: int,
    ) -> list[Generated]:
        """One image a label of the C ``emotions``, from the emotion space."""
        made: list[Generated] = []
        eye = torch.eye(emotions)
        settings = {"steps": steps, "guidance_scale": guidance_scale}
        for start in range(0, len(labels), batch_size):
            part, own = labels[start : start + batch_size], seeds[start : start + batch_size]
            states = self.draw_states(eye[list(part)], own)
            pixels = self.paint(states, [prompt] * len(part), own, steps=steps, guidance_scale=guidance_scale)
            made += [
                Generated(to_image(x), label, seed, prompt, settings)
                for x, label, seed in zip(pixels, part, own, strict=True)
            ]
        return made

    def generate(
        self,
        request: Request,
        weights: Tensor,
        states: States | None,
        *,
        batch_size: int = 1,
        on_step: OnStep | None = None,
    ) -> list[Generated]:
        """The pictures of a request, ``batch_size`` at a time: of ``states`` [1] where a picture's reading decides, else of
        the emotion space with class ``weights`` [C]."""
        target = int(weights.argmax())
        seeds = range(request.seed, request.seed + request.n)
        first = None
        if request.image is not None and request.strength is not None:
            first = self.pixels([Sample.of(request.image)])
        made: list[Generated] = []
        for start in range(0, request.n, batch_size):
            part = seeds[start : start + batch_size]
            if states is None:
                many = self.draw_states(weights[None].expand(len(part), -1), part)
            else:
                many = States.cat([states] * len(part))
            pixels = self.paint(
                many,
                [request.prompt] * len(part),
                part,
                steps=request.steps,
                guidance_scale=request.guidance_scale,
                init_image=None if first is None else first.expand(len(part), -1, -1, -1),
                strength=request.strength,
                on_step=on_step,
            )
            made += [
                Generated(to_image(x), target, seed, request.prompt, request.settings)
                for x, seed in zip(pixels, part, strict=True)
            ]
        return made

    def pixels(self, samples: Sequence[Sample]) -> Tensor:
        """The pictures that generation learns to paint, as [B,3,H,W] in [-1,1], centre-cropped to the head's size."""
        pictures = [sample.open_target() for sample in samples]
        return to_pixels(pictures, self.diffusion.image_size).to(self.device)

    def hash(self) -> str:
        """Hash of every weight that makes an image from a state: diffusion head and fusion."""
        return hash_tensors(self.fusion.state_dict(), start=self.diffusion.fingerprint())[:16]
