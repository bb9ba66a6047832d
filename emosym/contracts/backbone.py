"""Backbone: a multimodal LLM that reads images through tokens appended to its prompt."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts.adapted import AdaptedModule
from emosym.contracts.component import ConfigT
from emosym.contracts.sample import Sample

QUESTION = "What is the emotion of the image? Answer in one word."
REASONED_QUESTION = "What is the emotion of the image? Think step by step, then answer in one word."
"""What is asked where the reason is written before the answer."""


def with_text(question: str, text: str) -> str:
    """The question with what is known of the image after it."""
    return f"{question}\n{text}"


@dataclass(frozen=True)
class Prefix:
    """Everything before the reasoning tokens, computed once and shared by every read.

    ``cache`` holds keys and values, ``last_hidden`` [B,D] the state at the last prompt token, ``mask`` [B,L] (1 for
    real tokens), ``next_positions`` [B] (or [B,3] for multimodal rotary positions) where the next token goes, ``tokens``
    [B] how many prompt tokens each sample used (image tokens counted), ``fingerprint`` the weights it was made with: all,
    or those that act on the prompt where adapters do not.
    """

    cache: Any
    last_hidden: Tensor
    mask: Tensor
    next_positions: Tensor
    tokens: Tensor
    fingerprint: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Conclusion:
    """What a backbone wrote of B samples before it answered, and how probable it then found each of C answers."""

    texts: Sequence[str]
    """B texts up to the cue, without it."""
    log_probabilities: Tensor
    """[B,C], of the whole of each answer as what comes next; they need not sum to one."""


class Backbone(AdaptedModule[ConfigT]):
    """Reads images through reasoning tokens.

    The prompt is ``question`` about the sample's images followed by the tokens, in the assistant's turn, so the tokens
    are the last of a causal sequence. An image is never truncated: one that does not fit the budget is an error with
    the sample's id. Base weights are frozen; only ``adapters()`` train.
    """

    longest_ratio: ClassVar[float] = math.inf
    """Longer over shorter side of the longest picture that it takes; data with longer ones are refused before a run."""

    @property
    @abstractmethod
    def hidden_size(self) -> int:
        """D, the width of tokens and states."""

    @property
    def shares_prefixes(self) -> bool:
        """False where keys and values cannot be shared between reads (sliding windows); rollouts then use forward."""
        return True

    @property
    def prefix_learns(self) -> bool:
        """Whether anything that acts on the prompt trains. Where nothing does, the prompt is encoded without gradient and its
        tokens are read after it, in every stage, and a :class:`Prefix` stays good while the adapters learn."""
        return True

    @abstractmethod
    def forward(self, samples: Sequence[Sample], tokens: Tensor, question: str = QUESTION) -> Tensor:
        """One pass over prompt and ``tokens`` [B,T,D]; the last layer's normed states [B,T,D]. Trains adapters."""

    def layer_states(
        self, samples: Sequence[Sample], tokens: Tensor, texts: Sequence[str] | None = None
    ) -> Tensor:
        """States [L,B,T,D] after each of L layers in one pass like :meth:`forward`, whose states are the last.

        ``texts`` are put into the prompts after the question, one for each sample. A backbone that does not override this
        tells of its last layer alone, and reads samples with texts one by one.
        """
        if texts is None:
            return self.forward(samples, tokens)[None]
        asked = zip(samples, tokens.split(1), texts, strict=True)
        rows = [self.forward([sample], own, with_text(QUESTION, text)) for sample, own, text in asked]
        return torch.cat(rows)[None]

    def gaze(self, samples: Sequence[Sample], tokens: Tensor) -> list[Tensor | None]:
        """Where each of ``tokens`` [B,T,D] looks in the picture of its sample: for each sample attention weights [T,h,w] on a
        grid over the whole picture, averaged over layers and heads, without gradients. None where that is not known, as of
        any sample by default."""
        return [None] * len(samples)

    def prepare(self, samples: Sequence[Sample], question: str = QUESTION) -> None:
        """Do ahead what needs no weights, as decoding and scaling, for these very samples, which will probably be read next.

        It is called in a thread beside a step, and changes nothing but the time of that read: what fails here fails there
        again. Nothing by default.
        """

    @abstractmethod
    def encode(self, samples: Sequence[Sample], question: str = QUESTION) -> Prefix:
        """The prompt alone, without gradients, in eval mode; its ``fingerprint`` makes a later stale read an error."""

    @abstractmethod
    def read(self, prefix: Prefix, tokens: Tensor) -> Tensor:
        """States [B·G,T,D] of ``tokens`` [B·G,T,D] after a prefix of B samples (each repeated G times in a row).

        Differentiable in ``tokens``; never mutates ``prefix``; equals :meth:`forward` in eval mode. A stale
        fingerprint is an error. In training mode with gradient checkpointing it gives the same states.
        """

    @abstractmethod
    def write(self, prefix: Prefix, tokens: Tensor | None = None, max_new_tokens: int = 32) -> list[str]:
        """Greedy text [B] after the prefix and, where given, ``tokens`` [B,T,D]."""

    @abstractmethod
    def typical_embedding(self) -> tuple[Tensor, float]:
        """Mean [D] and per-element standard deviation of the vocabulary's embeddings: the scale new tokens start at."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Changes whenever base or adapter weights change (cheap: tensor versions and identities, not a full hash)."""

    def reads_by(self) -> Mapping[str, Any]:
        """Parameters on which what it reads and writes depends beside its weights, as plain values: texts that it has
        written are kept under them. All of its parameters, where it does not say less."""
        return self.config.model_dump(mode="json")

    def forget(self) -> None:
        """Read every sample anew, once, as if none had been read: for timing. What others have kept on disk stays."""

    # ---- capability ``text``: a reason that is written, and an answer after it

    def compose(
        self, samples: Sequence[Sample], turns: Sequence[Sequence[str]], question: str = REASONED_QUESTION
    ) -> Tensor:
        """How improbable it is that the assistant's turn is just this text: [B,P], the mean negative log-likelihood of a
        token in each of the P parts of every turn, given the prompt and the parts before it.

        The parts joined are the text. An empty part is 0. Where the last part is not empty the turn ends there, and the
        token that ends it belongs to that part; where it is empty the turn is left open. Trains adapters. Text is never cut:
        one that does not fit is an error with the sample's id. Errors: ``backbone.no-text`` where the capability ``text`` is
        absent.
        """
        raise _no_text(self, "compose")

    def conclude(
        self,
        samples: Sequence[Sample],
        cue: str,
        answers: Sequence[str],
        max_new_tokens: int = 64,
        question: str = REASONED_QUESTION,
    ) -> Conclusion:
        """Write greedily, at most ``max_new_tokens``, until the text holds ``cue``; then the log-probability of each of
        ``answers`` (as it is written behind the cue, with its space) as what comes next.

        A text that ends without the cue gets it put behind it. Where one answer begins another, the token that ends the turn
        counts too. No gradients, eval mode; a sample's conclusion is the same alone and beside others. Errors:
        ``backbone.no-text``; ``backbone.same-answers`` where two answers are the same tokens.
        """
        raise _no_text(self, "conclude")


def _no_text(backbone: Backbone[Any], method: str) -> EmosymError:
    name = backbone.context.component or type(backbone).__name__
    return EmosymError(
        "backbone.no-text",
        f"backbone {name} cannot {method}: it writes no reasons and answers",
        hint="take a backbone with the capability text (emosym plugins list), or reading: latent",
    )
