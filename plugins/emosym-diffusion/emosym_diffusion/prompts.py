"""From prompts to token ids, with slots where vectors will go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import PLACEHOLDER

_PROBE = "a"


@dataclass(frozen=True)
class TokenisedPrompts:
    """``ids`` and ``mask`` [B,L], padded to the encoder's length, and ``slots`` [B,n]: the positions of the
    vectors, None for plain prompts."""

    ids: Tensor
    mask: Tensor
    slots: Tensor | None


def check_placeholders(prompts: Sequence[str], wanted: bool) -> None:
    """Every prompt has exactly one placeholder, or none has any; the first that differs is an error."""
    for prompt in prompts:
        count = prompt.count(PLACEHOLDER)
        if count == int(wanted):
            continue
        if not wanted:
            raise EmosymError(
                "diffusion.unexpected-placeholder",
                f"prompt {prompt!r} has a {PLACEHOLDER} but there are no vectors to put there",
                hint=f"give vectors, or write the prompt without {PLACEHOLDER}",
            )
        raise EmosymError(
            "diffusion.placeholder",
            f"prompt {prompt!r} has {count} times {PLACEHOLDER}; vectors need exactly one place to go",
            hint=f'write {PLACEHOLDER} once, as in "a {PLACEHOLDER} street"',
        )


class PromptTokenizer:
    """Tokenises for one text encoder.

    The ids of a prompt are those its tokenizer gives to the text before the placeholder, n times an ordinary
    token (the vectors take its place later), and the text behind, framed and padded as the tokenizer frames
    and pads.
    """

    def __init__(self, tokenizer: Any, positions: int, who: str) -> None:
        """``positions`` is how many positions the encoder has; ``who`` names it in messages."""
        self._tokenizer = tokenizer
        self.length: int = min(int(tokenizer.model_max_length), positions)
        self._who = who
        inner = self._text_ids(_PROBE)
        framed = list(tokenizer(_PROBE).input_ids)
        start = next((i for i in range(len(framed)) if framed[i : i + len(inner)] == inner), None)
        if not inner or start is None or tokenizer.pad_token_id is None:
            raise EmosymError(
                "diffusion.bad-tokenizer",
                f"{who}: its tokenizer does not frame text with special tokens, or has no padding token",
                hint="use the tokenizer that the model was trained with",
            )
        self._before, self._after = framed[:start], framed[start + len(inner) :]
        special = set(tokenizer.all_special_ids)
        self._filler: int = next(
            i for i in inner + sorted(tokenizer.get_vocab().values()) if i not in special
        )

    @property
    def end_id(self) -> int:
        """Id of the token that closes a prompt."""
        return int(self._tokenizer.eos_token_id)

    @property
    def filler_id(self) -> int:
        """The ordinary token that holds a vector's place."""
        return self._filler

    def __call__(self, prompts: Sequence[str], vectors: int | None) -> TokenisedPrompts:
        """Ids of ``prompts``; ``vectors`` is n, or None for plain prompts. A prompt that is too long is an
        error."""
        rows, starts = [], []
        for prompt in prompts:
            row, start = self._row(prompt, vectors)
            self._refuse_overflow(prompt, row, vectors)
            rows.append(row)
            starts.append(start)
        padded = self._tokenizer.pad(
            {"input_ids": rows, "attention_mask": [[1] * len(row) for row in rows]},
            padding="max_length",
            max_length=self.length,
            return_tensors="pt",
        )
        slots = None
        if vectors is not None:
            if self._tokenizer.padding_side == "left":
                starts = [start + self.length - len(row) for start, row in zip(starts, rows, strict=True)]
            slots = torch.tensor(starts)[:, None] + torch.arange(vectors)
        return TokenisedPrompts(padded["input_ids"], padded["attention_mask"], slots)

    def _row(self, prompt: str, vectors: int | None) -> tuple[list[int], int]:
        if vectors is None:
            return list(self._tokenizer(prompt, verbose=False).input_ids), 0
        # A blank before the placeholder separates words; as text of its own it could become a token.
        before, after = prompt.split(PLACEHOLDER)
        head = self._before + self._text_ids(before.rstrip())
        return head + [self._filler] * vectors + self._text_ids(after.rstrip()) + self._after, len(head)

    def _text_ids(self, text: str) -> list[int]:
        if not text:
            return []
        return list(self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids)

    def _refuse_overflow(self, prompt: str, row: Sequence[int], vectors: int | None) -> None:
        if len(row) <= self.length:
            return
        frame = len(self._before) + len(self._after)
        text = len(row) - frame - (vectors or 0)
        raise EmosymError(
            "diffusion.prompt-too-long",
            f"prompt {prompt!r} needs {len(row)} tokens ({text} of text, {vectors or 0} vectors, "
            f"{frame} special); {self._who} takes {self.length}",
            hint=f"shorten the prompt by {len(row) - self.length} tokens; it is never cut silently",
        )
