"""How a model's tokenizer spells what the assistant says: turns in parts, cues, answers."""

from __future__ import annotations

from collections.abc import Sequence

from emosym_registry import EmosymError
from torch import Tensor
from transformers import PreTrainedTokenizerBase

_BEFORE = "."
"""Some text, behind which a cue is spelled as it is behind any."""


class Speller:
    """Spells text as ids; ``ends`` are the ids that may end a turn."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, ends: Tensor) -> None:
        self.tokenizer, self.ends = tokenizer, ends
        own = tokenizer.eos_token_id
        self.end = [int(own)] if own is not None else ends[:1].tolist()
        """The id that ends a turn, none where the model has no such token."""

    def turn(self, parts: Sequence[str]) -> list[list[int]]:
        """Ids of each part of an assistant's turn; the end belongs to the last one where that is not empty."""
        spelled, said = [], ""
        for part in parts:
            spelled.append(self.following(said, part))
            said += part
        if spelled and spelled[-1]:
            spelled[-1] = spelled[-1] + self.end
        return spelled

    def cue(self, text: str) -> list[int]:
        """Ids of a cue behind text, with a space between them."""
        return self.following(_BEFORE, f" {text}")

    def answers(self, cue: str, answers: Sequence[str]) -> list[list[int]]:
        """Ids of each answer behind the cue, with the turn's end where one of them begins another.

        Errors: ``backbone.same-answers`` where two are spelled alike, or one not at all.
        """
        spelled = [self.following(cue, answer) for answer in answers]
        for number, ids in enumerate(spelled):
            same = spelled.index(ids)
            if same < number or not ids:
                other = f"as {answers[same]!r}" if ids else "with no token"
                raise EmosymError(
                    "backbone.same-answers",
                    f"the model's tokenizer spells {answers[number]!r} {other}, so it cannot tell them apart",
                    hint="name the labels in letters that the tokenizer knows, or take another model",
                )
        if any(one is not other and other[: len(one)] == one for one in spelled for other in spelled):
            spelled = [ids + self.end for ids in spelled]
        return spelled

    def following(self, before: str, text: str) -> list[int]:
        """Ids of ``text`` as it is spelled behind ``before``."""
        if not text:
            return []
        whole, start = self._ids(before + text), self._ids(before) if before else []
        return whole[len(start) :] if whole[: len(start)] == start else self._ids(text)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids
