"""Text encoder ``open-clip``: unit-length text features, long text split and averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor

from emosym.contracts import Context, TextEncoder
from emosym_metrics.clip import device_of, load_clip
from emosym_metrics.config import TextEncoderConfig
from emosym_metrics.splitting import Splitter


class OpenClipTextEncoder(TextEncoder[TextEncoderConfig]):
    """The text tower of an open_clip model, frozen, in float32.

    A text longer than the context is split between sentences or words, and its feature is the mean of the
    pieces' features, brought back to unit length; the first such text is logged.
    """

    def __init__(self, config: TextEncoderConfig, context: Context) -> None:
        super().__init__(config, context)
        model, _, name = load_clip(config.model, config.pretrained, context)
        self.model = model
        if hasattr(self.model, "visual"):
            del self.model.visual  # never used here, and most of the memory
        self.tokenizer: Any = open_clip.get_tokenizer(name)
        self.length = int(self.tokenizer.context_length)
        self.splitter = Splitter(self.count_tokens, self.length, config.model)
        with torch.no_grad():
            self._width = int(self.model.encode_text(self.tokenizer(["a"]).to(device_of(self))).shape[-1])

    @property
    def width(self) -> int:
        """W."""
        return self._width

    def count_tokens(self, text: str) -> int:
        """Tokens of a text with start and end, however long it is."""
        if isinstance(self.tokenizer, open_clip.SimpleTokenizer):
            return len(self.tokenizer.encode(text)) + 2
        clean = getattr(self.tokenizer, "clean_fn", str)
        return len(self.tokenizer.tokenizer(clean(text), truncation=False)["input_ids"])

    def pieces(self, text: str) -> list[str]:
        """The text in pieces that each fit the context; a text that fits is the only piece."""
        return self.splitter.pieces(text)

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Unit-norm features [B,W], float32."""
        if not texts:
            return torch.zeros(0, self.width, device=device_of(self))
        pieces = [self.pieces(text) for text in texts]
        owners = torch.tensor([i for i, own in enumerate(pieces) for _ in own], device=device_of(self))
        tokens = self.tokenizer([piece for own in pieces for piece in own]).to(device_of(self))
        batches = tokens.split(self.config.batch_size)
        features = torch.cat(
            [F.normalize(self.model.encode_text(batch).float(), dim=-1) for batch in batches]
        )
        total = torch.zeros(len(texts), self.width, device=features.device).index_add_(0, owners, features)
        return F.normalize(total, dim=-1)
