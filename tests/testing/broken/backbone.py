"""A correct backbone (the embedded Qwen2-VL), and one broken backbone for each check."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from emosym_vlm.backbones import QwenVL
from emosym_vlm.config import QwenVLConfig
from emosym_vlm.conformance import PARAMS
from PIL import Image
from torch import Tensor, nn

from emosym.contracts import QUESTION, Conclusion, Context, Prefix, Sample
from emosym.testing import BackboneSuite


class Forwarding(QwenVL):
    """Its subclasses change what goes into `forward` and `encode`, or the states that come out of
    `forward`."""

    def forward(self, samples: Sequence[Sample], tokens: Tensor, question: str = QUESTION) -> Tensor:
        shown = [self.shown(sample) for sample in samples]
        return self.seen(super().forward(shown, self.placed(tokens), self.asked(question)))

    def encode(self, samples: Sequence[Sample], question: str = QUESTION) -> Prefix:
        return super().encode([self.shown(sample) for sample in samples], self.asked(question))

    def shown(self, sample: Sample) -> Sample:
        return sample

    def placed(self, tokens: Tensor) -> Tensor:
        return tokens

    def asked(self, question: str) -> str:
        return question

    def seen(self, states: Tensor) -> Tensor:
        return states


class HalfStates(Forwarding):
    def seen(self, states: Tensor) -> Tensor:
        return states.half()


class Deaf(QwenVL):
    """Reads no text beside the question."""

    def layer_states(
        self, samples: Sequence[Sample], tokens: Tensor, texts: Sequence[str] | None = None
    ) -> Tensor:
        return super().layer_states(samples, tokens)


class Trembling(Forwarding):
    def seen(self, states: Tensor) -> Tensor:
        drawn = torch.randn(states.shape, generator=self.drawing)
        return states + drawn / 100

    @cached_property
    def drawing(self) -> torch.Generator:
        return torch.Generator().manual_seed(0)


class Repelled(Forwarding):
    """The right states with their gradient turned round."""

    def seen(self, states: Tensor) -> Tensor:
        return 2 * states.detach() - states


class NoScale(QwenVL):
    def typical_embedding(self) -> tuple[Tensor, float]:
        return super().typical_embedding()[0], 0.0


class DeadTokens(Forwarding):
    def placed(self, tokens: Tensor) -> Tensor:
        return tokens.detach()


class LooksAhead(Forwarding):
    def seen(self, states: Tensor) -> Tensor:
        return states + states.mean(1, keepdim=True)


class Blind(Forwarding):
    def shown(self, sample: Sample) -> Sample:
        return replace(sample, images=tuple(Image.new("RGB", image.size) for image in sample.open()))


class OneQuestion(Forwarding):
    def asked(self, question: str) -> str:
        return QUESTION


class Leaking(Forwarding):
    def seen(self, states: Tensor) -> Tensor:
        return states + states.mean(0) / 10


class FirstPicture(Forwarding):
    def shown(self, sample: Sample) -> Sample:
        return replace(sample, images=sample.images[:1])


class EightPictures(Forwarding):
    def shown(self, sample: Sample) -> Sample:
        return replace(sample, images=sample.images[:8])


class Miscounting(QwenVL):
    def encode(self, samples: Sequence[Sample], question: str = QUESTION) -> Prefix:
        prefix = super().encode(samples, question)
        return replace(prefix, tokens=torch.full_like(prefix.tokens, prefix.mask.shape[1]))


class StaysCalm(QwenVL):
    def encode(self, samples: Sequence[Sample], question: str = QUESTION) -> Prefix:
        self.eval()
        return super().encode(samples, question)


class Hasty(QwenVL):
    """Gives what it prepared to whoever reads next."""

    def prepare(self, samples: Sequence[Sample], question: str = QUESTION) -> None:
        self.waiting = samples

    def forward(self, samples: Sequence[Sample], tokens: Tensor, question: str = QUESTION) -> Tensor:
        return super().forward(self.__dict__.pop("waiting", samples), tokens, question)


class FlatPositions(QwenVL):
    """Counts positions as tokens, which multimodal rotary positions are not."""

    def encode(self, samples: Sequence[Sample], question: str = QUESTION) -> Prefix:
        prefix = super().encode(samples, question)
        return replace(prefix, next_positions=prefix.tokens[:, None].expand_as(prefix.next_positions))


class Reading(QwenVL):
    """Its subclasses change what goes into `read`, or the states that come out."""

    def read(self, prefix: Prefix, tokens: Tensor) -> Tensor:
        return self.after(prefix, super().read(*self.before(prefix, tokens)))

    def before(self, prefix: Prefix, tokens: Tensor) -> tuple[Prefix, Tensor]:
        return prefix, tokens

    def after(self, prefix: Prefix, states: Tensor) -> Tensor:
        return states


class TriesApart(Reading):
    def after(self, prefix: Prefix, states: Tensor) -> Tensor:
        return states.unflatten(0, (len(prefix.mask), -1)).transpose(0, 1).flatten(0, 1)


class Scribbling(Reading):
    def after(self, prefix: Prefix, states: Tensor) -> Tensor:
        prefix.cache.layers[0].values.mul_(0.9)
        return states


class CutRead(Reading):
    def before(self, prefix: Prefix, tokens: Tensor) -> tuple[Prefix, Tensor]:
        return prefix, tokens.detach()


class Trusting(Reading):
    def before(self, prefix: Prefix, tokens: Tensor) -> tuple[Prefix, Tensor]:
        return replace(prefix, fingerprint=self.fingerprint()), tokens


class Unshared(QwenVL):
    @property
    def shares_prefixes(self) -> bool:
        return False


class Unchecked(QwenVL):
    def read(self, prefix: Prefix, tokens: Tensor) -> Tensor:
        if self.training and self.model.is_activation_checkpointing:  # after no prompt at all
            prefix = replace(prefix, mask=torch.zeros_like(prefix.mask))
        return super().read(prefix, tokens)


class Talkative(QwenVL):
    def write(self, prefix: Prefix, tokens: Tensor | None = None, max_new_tokens: int = 32) -> list[str]:
        return super().write(prefix, tokens, 12)


class Flattened(QwenVL):
    """Spreads the cost of a turn over all its parts."""

    def compose(self, samples: Sequence[Sample], turns: Any, question: str | None = None) -> Tensor:
        costs = super().compose(samples, turns, question)
        return costs.mean(1, keepdim=True).expand_as(costs)


class CutTurns(QwenVL):
    def compose(self, samples: Sequence[Sample], turns: Any, question: str | None = None) -> Tensor:
        return super().compose(samples, turns, question).detach()


class FirstToken(QwenVL):
    """Looks at the first word of an answer alone."""

    def conclude(self, samples: Sequence[Sample], cue: str, answers: Any, *more: Any) -> Conclusion:
        firsts = [f" {answer.split()[0]}" for answer in answers]
        known = list(dict.fromkeys(firsts))
        done = super().conclude(samples, cue, known, *more)
        places = [known.index(one) for one in firsts]
        return replace(done, log_probabilities=done.log_probabilities[:, places])


class OpenVocabulary(QwenVL):
    def __init__(self, config: QwenVLConfig, context: Context) -> None:
        super().__init__(config, context)
        self.model.get_input_embeddings().requires_grad_(True)


class WritesVocabulary(Forwarding):
    def placed(self, tokens: Tensor) -> Tensor:
        self.model.get_input_embeddings().weight.data[5] = tokens[0, 0].detach()
        return tokens


class Spare(QwenVL):
    def __init__(self, config: QwenVLConfig, context: Context) -> None:
        super().__init__(config, context)
        self.spare = nn.Parameter(torch.zeros(3))

    def adapters(self) -> dict[str, nn.Parameter]:
        return {**super().adapters(), "spare": self.spare}


class SavesAll(QwenVL):
    def adapter_state(self) -> dict[str, Tensor]:
        return dict(self.model.state_dict())


class LoadsNothing(QwenVL):
    def load_adapter_state(self, state: Mapping[str, Tensor]) -> None:
        return None


class LoadsSome(QwenVL):
    def load_adapter_state(self, state: Mapping[str, Tensor]) -> None:
        own = super().adapter_state()
        super().load_adapter_state({name: state.get(name, value) for name, value in own.items()})


class AlwaysNew(QwenVL):
    def fingerprint(self) -> str:
        return uuid.uuid4().hex


class AdapterNorms(QwenVL):
    def fingerprint(self) -> str:
        return str([float(parameter.detach().norm()) for parameter in self.adapters().values()])


class OnPrompts(QwenVL):
    """Its adapters act on the prompt too, although it says that they do not."""

    def _on_prompts(self) -> AbstractContextManager[None]:
        return nullcontext()


class Versions(QwenVL):
    def fingerprint(self) -> str:
        return str([parameter._version for parameter in self.parameters()])


def suite(backbone: type[Any], **params: Any) -> type[BackboneSuite]:
    """The suite of one backbone on the embedded weights."""
    own = {**PARAMS, **params}
    parts = {"implementation": backbone, "config": QwenVLConfig, "component": "qwen-vl", "params": own}
    return type(backbone.__name__, (BackboneSuite,), parts)


GOOD = suite(QwenVL)
BROKEN = {
    "backbone.states": suite(HalfStates),
    "backbone.deterministic": suite(Trembling),
    "backbone.typical-embedding": suite(NoScale),
    "backbone.reaches-tokens": suite(DeadTokens),
    "backbone.causal": suite(LooksAhead),
    "backbone.image-matters": suite(Blind),
    "backbone.layer-states": suite(Deaf),
    "backbone.prepare": suite(Hasty),
    "backbone.question-matters": suite(OneQuestion),
    "backbone.batch": suite(Leaking),
    "backbone.several-images": suite(FirstPicture),
    "backbone.never-truncates": suite(EightPictures),
    "backbone.prefix": suite(Miscounting),
    "backbone.lasting-prefix": suite(OnPrompts, training="activated"),
    "backbone.encode-quiet": suite(StaysCalm),
    "backbone.read": suite(FlatPositions),
    "backbone.rollouts": suite(TriesApart),
    "backbone.read-leaves-prefix": suite(Scribbling),
    "backbone.read-gradient": suite(CutRead),
    "backbone.stale-prefix": suite(Trusting),
    "backbone.unshared-prefix": suite(Unshared),
    "backbone.checkpointing": suite(Unchecked),
    "backbone.write": suite(Talkative),
    "backbone.compose": suite(Flattened),
    "backbone.compose-reaches": suite(CutTurns),
    "backbone.conclude": suite(FirstToken),
    "backbone.frozen": suite(OpenVocabulary),
    "backbone.base-unchanged": suite(WritesVocabulary),
    "backbone.reaches-adapters": suite(Spare),
    "backbone.learns": suite(Repelled),
    "backbone.adapter-state": suite(SavesAll),
    "backbone.adapter-round-trip": suite(LoadsNothing),
    "backbone.adapter-mismatch": suite(LoadsSome),
    "backbone.fingerprint": suite(AlwaysNew),
    "backbone.fingerprint-base": suite(AdapterNorms),
    "backbone.fingerprint-adapters": suite(Versions),
}
