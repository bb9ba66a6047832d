"""Image classifiers of transformers: loading them by alias, folder or hub id, and what their labels say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from transformers import AutoImageProcessor, AutoModelForImageClassification, PretrainedConfig
from transformers.utils import logging as transformers_logging

from emosym.contracts import Context
from emosym.toolkit import holds_code, is_hub_id, quiet, refuse_hub_code
from emosym_metrics.clip import unsafe_pickle


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
    path = context.model_path(model)
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": context.trust_remote_code}
    if not (Path(path).is_dir() or is_hub_id(path)):
        raise EmosymError(
            "model.cannot-load",
            f"{who}: {model!r} is neither an alias of an installed plugin, nor a folder, nor a hub id (OWNER/NAME)",
            hint="install the plugin that has it, or set model to a folder or OWNER/NAME",
        )
    try:
        described, _ = PretrainedConfig.get_config_dict(path, **options)
        refuse_hub_code("model", f"{who}: {model!r}", described)
        with quiet(transformers_logging):
            processor: Any = AutoImageProcessor.from_pretrained(path, **options)
            loaded: Any = AutoModelForImageClassification.from_pretrained(
                path, dtype=torch.float32, weights_only=True, **options
            )
    except EmosymError:
        raise
    except Exception as error:  # transformers and the hub raise several
        if holds_code(error):
            raise unsafe_pickle(f"{who}: {model!r}") from error
        raise EmosymError(
            "model.cannot-load",
            f"{who}: {model!r} cannot be loaded: {first_line(error)}",
            hint="model is an alias that a plugin has, a folder, or a hub id of an image classifier",
        ) from error
    loaded.eval().requires_grad_(False)
    named = loaded.config.id2label
    return Classifier(loaded, processor, tuple(str(named[i]) for i in range(len(named))))
