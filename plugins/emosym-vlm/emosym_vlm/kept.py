"""Prompts and prefixes that are kept on disk: what was read of a picture once is not read again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import DynamicCache

from emosym.contracts import Prefix, Sample
from emosym.toolkit import key_of, picture_key
from emosym_vlm.prompt import Prompt

CHUNK_TOKENS = 512
"""About how many tokens of prompts of one length are encoded at a time."""


def prompt_key(sample: Sample, question: str) -> bytes:
    """What a prompt depends on: the question and the pictures, not the sample's id."""
    return key_of(question, *map(picture_key, sample.images))


def about_model(model: Any, processor: Any, weights: str, **more: Any) -> dict[str, Any]:
    """What everything that a model makes of a picture depends on."""
    tokenizer = processor.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    parts = (
        processor.image_processor.to_json_string(),
        processor.chat_template,
        tokenizer.name_or_path if backend is None else backend.to_str(),
    )
    attentions = [
        str(part.config._attn_implementation)
        for part in model.modules()
        if isinstance(part, transformers.PreTrainedModel)
    ]
    return {
        "model": str(model.config.name_or_path),
        "weights": weights,
        "dtype": str(model.dtype),
        "device": model.device.type,
        "attention": attentions,
        "processor": sha256("\n".join(map(str, parts)).encode()).hexdigest(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        **more,
    }


def prompt_tensors(prompt: Prompt) -> dict[str, Tensor]:
    """A prompt as it is kept."""
    return {
        "ids": prompt.ids,
        "positions": prompt.positions,
        "next": prompt.next_position,
        **{f"type.{name}": marks for name, marks in prompt.types.items()},
        **{f"features.{place:02d}": part for place, part in enumerate(prompt.features)},
    }


def prompt_of(kept: Mapping[str, Tensor]) -> Prompt:
    """What :func:`prompt_tensors` was made of."""
    return Prompt(
        ids=kept["ids"],
        positions=kept["positions"],
        next_position=kept["next"],
        types={name.removeprefix("type."): kept[name] for name in kept if name.startswith("type.")},
        features=tuple(kept[name] for name in sorted(kept) if name.startswith("features.")),
    )


def alike(prompts: Sequence[Prompt]) -> Iterator[list[int]]:
    """Places of prompts of one length, some at a time. The last of a group may be repeated: how many there are depends on their
    length alone, so that a prompt's keys and values are the same bits whatever is encoded beside it."""
    groups: dict[Any, list[int]] = {}
    for place, prompt in enumerate(prompts):
        groups.setdefault((len(prompt.ids), tuple(map(len, prompt.features))), []).append(place)
    for (length, _), places in groups.items():
        chunk = max(1, CHUNK_TOKENS // length)
        for start in range(0, len(places), chunk):
            part = places[start : start + chunk]
            yield part + [part[-1]] * (chunk - len(part))


@dataclass(frozen=True)
class Row:
    """One sample's prefix without padding: keys and values of each layer [2,H,L,d], the last state [D], where the next token
    goes [A]."""

    layers: tuple[Tensor, ...]
    last: Tensor
    next_position: Tensor

    @classmethod
    def all_of(cls, prefix: Prefix) -> list[Row]:
        """Those of a prefix of samples of one length."""
        following = prefix.next_positions
        return [
            cls(
                tuple(torch.stack([layer.keys[row], layer.values[row]]) for layer in prefix.cache.layers),
                prefix.last_hidden[row],
                following[row : row + 1] if following.ndim == 1 else following[row],
            )
            for row in range(len(prefix.mask))
        ]

    def tensors(self) -> dict[str, Tensor]:
        """As it is kept."""
        layers = {f"layer.{place:03d}": one for place, one in enumerate(self.layers)}
        return {**layers, "last": self.last, "next": self.next_position}

    @classmethod
    def of(cls, kept: Mapping[str, Tensor]) -> Row:
        """What :meth:`tensors` was made of."""
        layers = tuple(kept[name] for name in sorted(kept) if name.startswith("layer."))
        return cls(layers, kept["last"], kept["next"])


def joined(rows: Sequence[Row], side: str, device: torch.device, fingerprint: str) -> Prefix:
    """One prefix of all rows, the shorter ones padded on ``side``."""
    lengths = [row.layers[0].shape[-2] for row in rows]
    longest = max(lengths)
    starts = [longest - length if side == "left" else 0 for length in lengths]
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        mask[row, start : start + length] = 1
    cache = DynamicCache()
    for place in range(len(rows[0].layers)):
        parts = [row.layers[place] for row in rows]
        if len({*lengths}) == 1:
            both = torch.stack(parts, 1)
        else:
            heads, _, width = parts[0].shape[1:]
            both = parts[0].new_zeros(2, len(rows), heads, longest, width)
            for row, (part, start, length) in enumerate(zip(parts, starts, lengths, strict=True)):
                both[:, row, :, start : start + length] = part
        both = both.to(device, non_blocking=True)
        cache.update(both[0], both[1], place)
    following = torch.stack([row.next_position for row in rows]).to(device)
    return Prefix(
        cache=cache,
        last_hidden=torch.stack([row.last for row in rows]).to(device),
        mask=mask.to(device),
        next_positions=following[:, 0] if following.shape[1] == 1 else following,
        tokens=torch.tensor(lengths, device=device),
        fingerprint=fingerprint,
    )
