"""A correct diffusion head (the embedded Stable Diffusion), and one broken head for each check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from emosym_diffusion.config import StableDiffusionConfig
from emosym_diffusion.conformance import PARAMS
from emosym_diffusion.sd import StableDiffusion
from torch import Tensor, nn

from emosym.contracts import PLACEHOLDER, Condition, Context, Vectors
from emosym.testing import DiffusionSuite
from emosym.toolkit import hash_tensors


class TwoNorms(StableDiffusion):
    @property
    def token_norms(self) -> tuple[float, ...]:
        return super().token_norms * 2


class MeanPicture(StableDiffusion):
    def latents(self, pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        latents = super().latents(pixels, generator)
        return latents.mean(0, keepdim=True).expand_as(latents)


class AnySize(StableDiffusion):
    def latents(self, pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self.autoencoder.encode(pixels, generator)


class Losing(StableDiffusion):
    """Its subclasses change :meth:`changed`."""

    def loss(
        self, latents: Tensor, condition: Condition, generator: torch.Generator, weights: Tensor | None = None
    ) -> Tensor:
        return self.changed(latents, condition, generator, weights)

    def changed(self, latents: Any, condition: Any, generator: Any, weights: Any) -> Tensor:
        return super().loss(latents, condition, generator, weights)


class OneLoss(Losing):
    def changed(self, latents: Any, condition: Any, generator: Any, weights: Any) -> Tensor:
        return super().changed(latents, condition, generator, weights).mean()


class SpreadLoss(Losing):
    def changed(self, latents: Any, condition: Any, generator: Any, weights: Any) -> Tensor:
        one = super().changed(latents, condition, generator, None).mean()
        return one.expand(len(latents)) if weights is None else one * weights


class OneTime(Losing):
    def changed(self, latents: Any, condition: Any, generator: Any, weights: Any) -> Tensor:
        return super().changed(latents, condition, torch.Generator().manual_seed(0), weights)


class Unweighted(Losing):
    def changed(self, latents: Any, condition: Any, generator: Any, weights: Any) -> Tensor:
        return super().changed(latents, condition, generator, None)


class CutLoss(Losing):
    def changed(self, latents: Any, condition: Any, generator: Any, weights: Any) -> Tensor:
        loss = super().changed(latents, Condition(condition.hidden.detach()), generator, weights)
        return loss + condition.hidden.sum() * 0


class Climbing(Losing):
    """The right loss with its gradient turned round."""

    def changed(self, latents: Any, condition: Any, generator: Any, weights: Any) -> Tensor:
        loss = super().changed(latents, condition, generator, weights)
        return 2 * loss.detach() - loss


class OpenBase(StableDiffusion):
    def __init__(self, config: StableDiffusionConfig, context: Context) -> None:
        super().__init__(config, context)
        self.unet.conv_in.requires_grad_(True)


class Sampling(StableDiffusion):
    """Its subclasses change :meth:`given` before the sampling, or :meth:`made` after it."""

    def sample(self, condition: Condition, **settings: Any) -> Tensor:
        return self.made(super().sample(*self.given(condition, settings), **settings))

    def given(self, condition: Condition, settings: dict[str, Any]) -> tuple[Condition]:
        return (condition,)

    def made(self, pictures: Tensor) -> Tensor:
        return pictures


class SignedPixels(Sampling):
    def made(self, pictures: Tensor) -> Tensor:
        return pictures * 2 - 1


class OneNoise(Sampling):
    def given(self, condition: Condition, settings: dict[str, Any]) -> tuple[Condition]:
        settings["generators"] = [torch.Generator().manual_seed(0) for _ in settings["generators"]]
        return (condition,)


class Turned(Sampling):
    def made(self, pictures: Tensor) -> Tensor:
        return pictures.roll(1, 0)


class Unconditional(Sampling):
    def given(self, condition: Condition, settings: dict[str, Any]) -> tuple[Condition]:
        return (self._unconditional(len(condition)),)


class ZeroIsDefault(Sampling):
    def given(self, condition: Condition, settings: dict[str, Any]) -> tuple[Condition]:
        settings["guidance_scale"] = settings.get("guidance_scale") or None
        return (condition,)


class CountsFromZero(Sampling):
    def given(self, condition: Condition, settings: dict[str, Any]) -> tuple[Condition]:
        tell = settings.get("on_step")
        if tell is not None:
            settings["on_step"] = lambda done, total: tell(done - 1, total)
        return (condition,)


class OneStrength(Sampling):
    def given(self, condition: Condition, settings: dict[str, Any]) -> tuple[Condition]:
        settings["strength"] = 0.8
        return (condition,)


class Forgetting(Sampling):
    """Starts from grey, whatever picture it is given."""

    def given(self, condition: Condition, settings: dict[str, Any]) -> tuple[Condition]:
        if settings.get("init_image") is not None:
            settings["init_image"] = torch.zeros_like(settings["init_image"])
        return (condition,)


class Doubting(StableDiffusion):
    """Says how sure it is, and not whether."""

    def screen(self, pictures: Tensor) -> Tensor:
        return super().screen(pictures).float()


class Blackening(StableDiffusion):
    def screen(self, pictures: Tensor) -> Tensor:
        pictures[0] = 0.0
        return super().screen(pictures)


class Drawing(Sampling):
    def made(self, pictures: Tensor) -> Tensor:
        torch.rand(1)
        return pictures


class Nameless(StableDiffusion):
    def fingerprint(self) -> str:
        return f"{super().fingerprint()}-{id(self)}"


class AdapterHash(StableDiffusion):
    def fingerprint(self) -> str:
        return hash_tensors(self.adapter_state())


class BaseHash(StableDiffusion):
    def fingerprint(self) -> str:
        return self._base_hash


class Conditioning(StableDiffusion):
    """Its subclasses change :meth:`placed` or :meth:`worded` before the encoding, or :meth:`seen` after
    it."""

    def condition(self, vectors: Vectors | None, prompts: Sequence[str]) -> Condition:
        placed = None if vectors is None else tuple(self.placed(one) for one in vectors)
        worded = [self.worded(prompt, vectors is not None) for prompt in prompts]
        return self.seen(super().condition(placed, worded))

    def placed(self, vectors: Tensor) -> Tensor:
        return vectors

    def worded(self, prompt: str, wanted: bool) -> str:
        return prompt

    def seen(self, condition: Condition) -> Condition:
        return condition


class OneRow(Conditioning):
    def seen(self, condition: Condition) -> Condition:
        return condition[:1]


class CutVectors(Conditioning):
    def placed(self, vectors: Tensor) -> Tensor:
        return torch.cat([vectors[:, :-1], vectors[:, -1:].detach()], 1)


class FirstVector(Conditioning):
    def placed(self, vectors: Tensor) -> Tensor:
        return vectors[:, :1].expand_as(vectors)


class OnePlace(Conditioning):
    def placed(self, vectors: Tensor) -> Tensor:
        return vectors[:, :1]


class NoBeginning(Conditioning):
    def worded(self, prompt: str, wanted: bool) -> str:
        return PLACEHOLDER + prompt.partition(PLACEHOLDER)[2] if wanted else prompt


class Centred(Conditioning):
    def seen(self, condition: Condition) -> Condition:
        return Condition(condition.hidden - condition.hidden.mean(0))


class Obliging(Conditioning):
    def worded(self, prompt: str, wanted: bool) -> str:
        return prompt if PLACEHOLDER in prompt or not wanted else f"{prompt} {PLACEHOLDER}"


class Cutting(Conditioning):
    def worded(self, prompt: str, wanted: bool) -> str:
        return " ".join(prompt.split()[:10])


class WritesVocabulary(Conditioning):
    def placed(self, vectors: Tensor) -> Tensor:
        self.towers[0].encoder.get_input_embeddings().weight.data[7] = vectors[0, 0].detach()
        return vectors


class Spare(StableDiffusion):
    def __init__(self, config: StableDiffusionConfig, context: Context) -> None:
        super().__init__(config, context)
        self.spare = nn.Parameter(torch.zeros(3))

    def adapters(self) -> dict[str, nn.Parameter]:
        return {**super().adapters(), "spare": self.spare}


class SavesAll(StableDiffusion):
    def adapter_state(self) -> dict[str, Tensor]:
        return dict(self.unet.state_dict())


class LoadsNothing(StableDiffusion):
    def load_adapter_state(self, state: Mapping[str, Tensor]) -> None:
        return None


class LoadsSome(StableDiffusion):
    def load_adapter_state(self, state: Mapping[str, Tensor]) -> None:
        own = self.adapters()
        super().load_adapter_state({name: state.get(name, own[name].detach()) for name in own})


class Wordless(StableDiffusion):
    """Takes the vectors as they are, and reads nothing of its prompts."""

    def condition(self, vectors: Vectors | None, prompts: Sequence[str]) -> Condition:
        return super().condition(vectors, ["" if vectors is None else PLACEHOLDER] * len(prompts))


def suite(head: type[Any], **parts: Any) -> type[DiffusionSuite]:
    """The suite of one head on the embedded weights."""
    known = {"implementation": head, "config": StableDiffusionConfig, "component": "sd", "params": PARAMS}
    return type(head.__name__, (DiffusionSuite,), {**known, **parts})


GOOD = suite(StableDiffusion)
ALSO_GOOD = (suite(Wordless, text=False),)
BROKEN = {
    "diffusion.sizes": suite(TwoNorms),
    "diffusion.latents": suite(MeanPicture),
    "diffusion.pixels": suite(AnySize),
    "diffusion.loss": suite(OneLoss),
    "diffusion.loss-batch": suite(SpreadLoss),
    "diffusion.loss-deterministic": suite(OneTime),
    "diffusion.loss-weights": suite(Unweighted),
    "diffusion.loss-reaches-vectors": suite(CutLoss),
    "diffusion.frozen": suite(OpenBase),
    "diffusion.sample": suite(SignedPixels),
    "diffusion.sample-deterministic": suite(OneNoise),
    "diffusion.sample-batch": suite(Turned),
    "diffusion.sample-condition": suite(Unconditional),
    "diffusion.guidance": suite(ZeroIsDefault),
    "diffusion.steps": suite(CountsFromZero),
    "diffusion.init-image": suite(OneStrength),
    "diffusion.screen": suite(Doubting),
    "diffusion.random-state": suite(Drawing),
    "diffusion.fingerprint": suite(Nameless),
    "diffusion.fingerprint-base": suite(AdapterHash),
    "diffusion.fingerprint-adapters": suite(BaseHash),
    "diffusion.condition": suite(OneRow),
    "diffusion.reaches-vectors": suite(CutVectors),
    "diffusion.vectors-matter": suite(FirstVector),
    "diffusion.vector-count": suite(OnePlace),
    "diffusion.text-matters": suite(NoBeginning),
    "diffusion.condition-batch": suite(Centred),
    "diffusion.placeholder": suite(Obliging),
    "diffusion.never-truncates": suite(Cutting),
    "diffusion.vectors-learn": suite(Climbing),
    "diffusion.vocabulary": suite(WritesVocabulary),
    "diffusion.reaches-adapters": suite(Spare),
    "diffusion.adapter-state": suite(SavesAll),
    "diffusion.adapter-round-trip": suite(LoadsNothing),
    "diffusion.adapter-mismatch": suite(LoadsSome),
}
ALSO_BROKEN = (
    ("diffusion.init-image", suite(Forgetting)),
    ("diffusion.screen", suite(Blackening)),
)
