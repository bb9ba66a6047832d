"""A checkpoint as read, before there is a system to put it in, and what it says of the spec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError
from torch import Tensor

from emosym_official.adapter import Adapter, read_adapter
from emosym_official.layout import Layout
from emosym_official.names import by_plain_name
from emosym_official.tensors import read_mapping
from emosym_official.weights import OWN, Weights, emotion_space, mapper, tokens_and_head


@dataclass(frozen=True)
class Checkpoint:
    """``weights`` is what a system takes beside the adapter, ``rest`` is what lies beside both, by plain
    name; ``merged`` says what joint training saved with tokens and head, and how many tensors it has."""

    layout: Layout
    adapter: Adapter
    rest: dict[str, Tensor]
    weights: Weights
    merged: dict[str, int]
    problems: list[str]

    def settings(self) -> dict[str, Any]:
        """What the checkpoint says of the spec, by dotted key."""
        tokens, width = self.weights["compressor.tokens"].tensor.shape
        settings = {
            "compressor.name": "emosym-reasoning/none",
            "compressor.params.tokens": tokens - 1,
            "compressor.params.control": None,
            "backbone.params.adapter": self.adapter.settings,
            "head.reads": "emotion",
        }
        if not self.layout.mappers:
            return settings
        hidden, inputs = self.weights["fusion.context_mapper.0.weight"].tensor.shape
        return settings | {
            "fusion.name": "emosym-official/official",
            "fusion.params.hidden": hidden,
            "fusion.params.context": "mean" if inputs == width else "flatten",
            "emotion_space.name": "emosym-reasoning/diagonal",
        }


def read_checkpoint(layout: Layout, labels: Sequence[str], given: Sequence[str]) -> Checkpoint:
    """Every file; ``labels`` are the system's, ``given`` those of the head. Errors: ``official.*``."""
    order = row_order(given, labels)
    adapter = read_adapter(layout.config, layout.adapter)
    rest, problems = _plainly(layout.rest)
    trained, source, merged = rest, layout.rest, {}
    if layout.joint is not None:
        (trained, twice), source = _plainly(layout.joint, within="model"), layout.joint
        merged = {f"the merged backbone in {source.name}": len(trained) - len(OWN)}
        problems += twice
    weights = tokens_and_head(source, trained, order)
    for state, path in layout.mappers.items():
        weights |= mapper(state, path, layout.mapper_settings)
    if layout.statistics:
        tokens, width = weights["compressor.tokens"].tensor.shape
        weights |= emotion_space(layout, labels, tokens - 1, width)
    rest = {name: tensor for name, tensor in rest.items() if name not in OWN}
    return Checkpoint(layout, adapter, rest, weights, merged, problems)


def row_order(given: Sequence[str], labels: Sequence[str]) -> list[int]:
    """For each emotion of the system its row in the checkpoint's head. Errors: ``official.other-labels``."""
    if len(set(given)) != len(given) or set(given) != set(labels):
        raise EmosymError(
            "official.other-labels",
            f"the checkpoint's emotions are {', '.join(given)}; the spec's labels are {', '.join(labels)}",
            hint="both must name the same emotions: give --labels in the head's order, or --set labels=…",
        )
    return [list(given).index(name) for name in labels]


def _plainly(path: Path, within: str | None = None) -> tuple[dict[str, Tensor], list[str]]:
    tensors = read_mapping(path, within)
    names, problems = by_plain_name(tensors)
    return {form: tensors[name] for form, name in names.items()}, problems
