"""Text encoder ``sentence``: any sentence encoder of transformers, its token states and their mean."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from emosym_registry import EmosymError
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, AutoTokenizer
from transformers.utils.hub import cached_file

from emosym.contracts import Context, TextEncoder
from emosym.toolkit import check_complete
from emosym_metrics.clip import device_of
from emosym_metrics.config import SentenceConfig
from emosym_metrics.pretrained import load_pretrained
from emosym_metrics.splitting import Splitter

logger = logging.getLogger(__name__)

POOLING_FLAGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "first",
    "pooling_mode_lasttoken": "last",
}
"""What sentence-transformers writes beside a model, by our names."""
UNUSED = ("pooler.", "decoder.")
"""How the names of weights begin that text features need none of."""


class SentenceEncoder(TextEncoder[SentenceConfig]):
    """The encoder of an AutoModel, frozen, in float32.

    The feature of a text is the mean of its real tokens' last states (or the state of the first or the last, for models
    that were trained so), brought to unit length. A text longer than the model takes is split between sentences or words:
    its token states are those of all pieces in order, its feature the mean of the pieces' features, brought back to unit
    length. The first such text is logged, and so is the first with words that the model has no token for: they all
    read alike.
    """

    def __init__(self, config: SentenceConfig, context: Context) -> None:
        super().__init__(config, context)
        who = f"text encoder sentence ({config.model})"
        loaded, self.tokenizer, info = load_pretrained(
            config.model,
            who,
            context,
            config.revision,
            model_class=AutoModel,
            processor_class=AutoTokenizer,
            wanted="a sentence encoder",
        )
        _require_weights(who, info)
        if any(name.startswith("pooler.") for name in info["missing_keys"]):
            loaded.pooler = None  # its weights would be at random, and nothing asks for what it makes
        self.model = loaded.get_encoder() if hasattr(loaded, "decoder") else loaded
        self.pooling = config.pooling or _declared_pooling(
            who, context.model_path(config.model), config.revision
        )
        self.length = _length(self.model, self.tokenizer)
        _prepare_padding(self.tokenizer, who)
        self.splitter = Splitter(lambda text: len(self._ids([text])[0]), self.length, config.model)
        self._said_unknown = False

    @property
    def width(self) -> int:
        """W."""
        return int(self.model.config.hidden_size)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Unit-norm features [B,W], float32. Errors: ``text.too-long``, ``text.no-token``."""
        total = torch.zeros(len(texts), self.width, device=device_of(self))
        if not texts:
            return total
        pieces, owners = self._pieces(texts)
        features = torch.stack([F.normalize(self._pooled(rows), dim=-1) for rows in self._rows(pieces)])
        return F.normalize(total.index_add_(0, owners, features), dim=-1)

    def token_states(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """States [B,L,W] and which of them are real, bool [B,L]; those of a long text are its pieces' in order.

        Errors: ``text.too-long``, ``text.no-token``.
        """
        if not texts:
            empty = torch.zeros(0, 0, self.width, device=device_of(self))
            return empty, empty[..., 0].bool()
        pieces, owners = self._pieces(texts)
        own: list[list[Tensor]] = [[] for _ in texts]
        for owner, rows in zip(owners.tolist(), self._rows(pieces), strict=True):
            own[owner].append(rows)
        joined = [torch.cat(rows) for rows in own]
        lengths = torch.tensor([len(rows) for rows in joined], device=device_of(self))
        states = pad_sequence(joined, batch_first=True)
        return states, torch.arange(states.shape[1], device=states.device) < lengths[:, None]

    def _pooled(self, rows: Tensor) -> Tensor:
        """One vector [W] of a piece's states [L,W]."""
        if self.pooling == "mean":
            return rows.mean(0)
        return rows[0 if self.pooling == "first" else -1]

    def _pieces(self, texts: Sequence[str]) -> tuple[list[str], Tensor]:
        """The pieces of all texts, and whose each is."""
        ids = self._ids(texts)
        self._say_unknown(texts, ids)
        pieces = [
            [text] if len(own) <= self.length else self.splitter.pieces(text)
            for text, own in zip(texts, ids, strict=True)
        ]
        owners = torch.tensor([i for i, own in enumerate(pieces) for _ in own], device=device_of(self))
        return [piece for own in pieces for piece in own], owners

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of each text, however long it is."""
        ids: list[list[int]] = self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return ids

    @torch.no_grad()
    def _rows(self, pieces: Sequence[str]) -> list[Tensor]:
        """States [L,W] of the real tokens of each piece."""
        rows: list[Tensor] = []
        for start in range(0, len(pieces), self.config.batch_size):
            part = list(pieces[start : start + self.config.batch_size])
            tokens = self.tokenizer(part, padding=True, return_tensors="pt").to(device_of(self))
            real = tokens["attention_mask"].bool()
            if not bool(real.any(1).all()):
                empty = part[int((~real.any(1)).nonzero()[0, 0])]
                raise EmosymError(
                    "text.no-token",
                    f"{self.config.model} has no token for the text {empty[:40]!r}",
                    hint="leave such texts out of the knowledge, or choose another encoder",
                )
            states = self.model(**tokens).last_hidden_state.float()
            rows += [own[mask] for own, mask in zip(states, real, strict=True)]
        return rows

    def _say_unknown(self, texts: Sequence[str], ids: Sequence[Sequence[int]]) -> None:
        unknown = self.tokenizer.unk_token_id
        if self._said_unknown or unknown is None:
            return
        for text, own in zip(texts, ids, strict=True):
            if unknown in own:
                self._said_unknown = True
                logger.warning(
                    "%s does not know every word of %r: words that it does not know all read alike",
                    self.config.model,
                    text[:80],
                )
                return


def _require_weights(who: str, info: dict[str, Any]) -> None:
    """Refuse weights that leave part of the model at random, but for the parts that are never used."""
    absent = [name for name in info["missing_keys"] if not name.startswith(UNUSED)]
    check_complete("model", who, {**info, "missing_keys": absent, "unexpected_keys": ()})


def _declared_pooling(who: str, model: str, revision: str | None) -> str:
    """How a model's own files say that its token states become one; their mean where they say nothing."""
    file = cached_file(
        model,
        "1_Pooling/config.json",
        revision=revision,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if file is None:
        return "mean"
    declared = json.loads(Path(file).read_text(encoding="utf-8"))
    modes = [name for name, wanted in declared.items() if name.startswith("pooling_mode_") and wanted is True]
    known = [POOLING_FLAGS[name] for name in modes if name in POOLING_FLAGS]
    if len(modes) != 1 or not known:
        raise EmosymError(
            "text.unknown-pooling",
            f"{who}: its 1_Pooling/config.json asks for {', '.join(modes) or 'no pooling that is known here'}",
            hint=f"set text_encoder.params.pooling to one of {', '.join(POOLING_FLAGS.values())}",
        )
    return known[0]


def _length(model: nn.Module, tokenizer: Any) -> int:
    """Tokens that tokenizer and model take."""
    return min(int(tokenizer.model_max_length), _positions(model))


def _positions(model: Any) -> int:
    """Tokens that a model has positions for; those of RoBERTa's kind begin behind the padding's."""
    for name, part in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
            return part.num_embeddings - (0 if part.padding_idx is None else part.padding_idx + 1)
    return int(getattr(model.config, "max_position_embeddings", None) or 10**9)


def _prepare_padding(tokenizer: Any, who: str) -> None:
    """Pad behind the text, where positions count from its first token."""
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise EmosymError(
            "text.no-padding",
            f"{who}: its tokenizer has no padding token, so that texts cannot be read together",
            hint="choose a model whose tokenizer_config.json names a pad_token",
        )
