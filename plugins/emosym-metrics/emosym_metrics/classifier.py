"""Image classifiers of transformers: loading them by alias, folder or hub id, and what their labels say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import AutoImageProcessor, AutoModelForImageClassification

from emosym.contracts import Context
from emosym_metrics.pretrained import load_pretrained


@dataclass(frozen=True)
class Classifier:
    """A frozen classifier in float32, its image processor, and the names of its logits."""

    model: Any
    processor: Any
    names: tuple[str, ...]

    @property
    def groups(self) -> dict[str, list[int]]:
        """Logits whose names are written ``group:name``, by group."""
        groups: dict[str, list[int]] = {}
        for i, name in enumerate(self.names):
            if ":" in name:
                groups.setdefault(name.partition(":")[0], []).append(i)
        return groups


def load_classifier(model: str, who: str, context: Context, revision: str | None = None) -> Classifier:
    """The classifier that ``model`` names. Errors, which begin with ``who``: ``model.cannot-load``,
    ``model.untrusted-code``, ``model.unsafe-pickle``."""
    loaded, processor, _ = load_pretrained(
        model,
        who,
        context,
        revision,
        model_class=AutoModelForImageClassification,
        processor_class=AutoImageProcessor,
        wanted="an image classifier",
    )
    named = loaded.config.id2label
    return Classifier(loaded, processor, tuple(str(named[i]) for i in range(len(named))))
