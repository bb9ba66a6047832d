"""The generating half of a system: from an emotion to states, from states to pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emosym.contracts import (
    DiffusionHead,
    EmotionSpace,
    Fusion,
    Generated,
    Sample,
    States,
    Vectors,
    Watcher,
)
from emosym.precision import autocast
from emosym.request import Request
from emosym.toolkit import Store, evaluating, hash_tensors, to_image, to_pixels

STRENGTH = 0.8
"""How far a given picture is left where nobody says; 0 keeps it, 1 forgets it."""
OnStep = Callable[[int, int], None]
_log = logging.getLogger(__name__)


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
    cache_megabytes: int = 0
    """Budget on disk for latents, with all else that is kept; 0 keeps none."""

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
    ) -> tuple[Tensor, Tensor]:
        """Images [B,3,H,W] in [0,1] from states, and which of them [B] the head's safety checker has flagged: those are
        black. The noise of picture i comes from its own seed."""
        # Another stream than that of the emotion space, so that the state and the noise of one seed are independent.
        generators = [torch.Generator().manual_seed(seed + 0x9E3779B9) for seed in seeds]
        states = States(states.context.to(self.device), states.emotion.to(self.device))
        with torch.no_grad(), evaluating(self.fusion, self.diffusion), autocast(self.device, self.precision):
            condition = self.diffusion.condition(self.fuse(states), prompts)
            pictures = self.diffusion.sample(
                condition,
                generators=generators,
                steps=steps,
                guidance_scale=guidance_scale,
                init_image=init_image,
                strength=STRENGTH if strength is None else strength,
                on_step=_Screened(on_step, self) if isinstance(on_step, Watcher) else on_step,
            ).float()
            return self.screened(pictures)

    def screened(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures [B,3,H,W], black where the head flags them, and where it does [B]."""
        flagged = self.diffusion.screen(pictures)
        return pictures.masked_fill(flagged[:, None, None, None], 0.0), flagged

    def paint_labels(
        self,
        labels: Sequence[int],
        seeds: Sequence[int],
        prompts: Sequence[str],
        context: Tensor | None = None,
        *,
        steps: int | None = None,
        guidance_scale: float | None = None,
        batch_size: int = 32,
        emotions: int,
    ) -> list[Generated]:
        """One image a label of the C ``emotions``, from the emotion space, in the ``context`` [N,K,D] of other pictures
        where it is given; each has a seed and a prompt of its own."""
        made: list[Generated] = []
        eye = torch.eye(emotions)
        settings = {"steps": steps, "guidance_scale": guidance_scale}
        for start in range(0, len(labels), batch_size):
            here = slice(start, start + batch_size)
            part, own, said = labels[here], seeds[here], prompts[here]
            states = self.draw_states(eye[list(part)], own)
            if context is not None:
                states = with_context(states, context[here])
            pixels, flags = self.paint(states, said, own, steps=steps, guidance_scale=guidance_scale)
            made += [
                Generated(to_image(x), label, seed, prompt, settings, flagged=flag)
                for x, flag, label, seed, prompt in zip(pixels, flags.tolist(), part, own, said, strict=True)
            ]
        tell_flagged([one.flagged for one in made])
        return made

    def generate(
        self,
        request: Request,
        weights: Tensor,
        states: States | None,
        content: States | None = None,
        *,
        batch_size: int = 1,
        on_step: OnStep | None = None,
    ) -> list[Generated]:
        """The pictures of a request, ``batch_size`` at a time: of ``states`` [1] where a picture's reading decides, else of
        the emotion space with class ``weights`` [C]; the context states are those of ``content`` [1] where it is given."""
        target = int(weights.argmax())
        seeds = range(request.seed, request.seed + request.n)
        first = None
        if request.start is not None and request.strength is not None:
            first = self.pixels([Sample.of(request.start)])
        made: list[Generated] = []
        for start in range(0, request.n, batch_size):
            part = seeds[start : start + batch_size]
            if states is None:
                many = self.draw_states(weights[None].expand(len(part), -1), part)
            else:
                many = States.cat([states] * len(part))
            if content is not None:
                many = with_context(many, content.context.expand(len(part), -1, -1))
            pixels, flags = self.paint(
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
                Generated(to_image(x), target, seed, request.prompt, request.settings, flagged=flag)
                for x, flag, seed in zip(pixels, flags.tolist(), part, strict=True)
            ]
        tell_flagged([one.flagged for one in made])
        return made

    def pixels(self, samples: Sequence[Sample]) -> Tensor:
        """The pictures that generation learns to paint, as [B,3,H,W] in [-1,1], centre-cropped to the head's size."""
        pictures = [sample.open_target() for sample in samples]
        return to_pixels(pictures, self.diffusion.image_size).to(self.device)

    def latents_store(self) -> Store:
        """Where the latents of pictures are kept that this diffusion head makes now."""
        about = {
            "model": str(getattr(self.diffusion.config, "model", type(self.diffusion).__name__)),
            "weights": self.diffusion.fingerprint(),
            "size": list(self.diffusion.image_size),
            "device": self.device.type,
            "precision": self.precision,
            "torch": torch.__version__,
        }
        return Store("latents", about, self.cache_megabytes)

    def hash(self) -> str:
        """Hash of every weight that makes an image from a state: diffusion head and fusion."""
        return hash_tensors(self.fusion.state_dict(), start=self.diffusion.fingerprint())[:16]


class _Screened(Watcher):
    """Shows a watcher the pictures on their way as it would see them at the end: black where they are flagged."""

    def __init__(self, watcher: Watcher, generation: Generation) -> None:
        self._watcher, self._generation = watcher, generation

    def __call__(self, done: int, total: int) -> None:
        self._watcher(done, total)

    def wants(self, done: int, total: int) -> bool:
        return self._watcher.wants(done, total)

    def see(self, pictures: Tensor) -> None:
        self._watcher.see(self._generation.screened(pictures)[0])


def tell_flagged(flags: Sequence[bool]) -> None:
    """Warn, once for all that were painted together, of those that are black."""
    if any(flags):
        _log.warning(
            "the diffusion model's safety checker flagged %d of %d pictures, which are black now; "
            "paint with other seeds or another prompt",
            sum(flags),
            len(flags),
        )


def with_context(states: States, context: Tensor) -> States:
    """The emotion of ``states`` [B] in the ``context`` [B,K,D] of other pictures: what is felt, of one, and what is seen, of
    another."""
    return States(context.to(states.emotion), states.emotion)
