"""Models of transformers: loading them frozen, by alias, folder or hub id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from transformers import PretrainedConfig
from transformers.utils import logging as transformers_logging

from emosym.contracts import Context
from emosym.toolkit import holds_code, is_hub_id, quiet, refuse_hub_code
from emosym_metrics.clip import unsafe_pickle


def load_pretrained(
    model: str,
    who: str,
    context: Context,
    revision: str | None,
    *,
    model_class: Any,
    processor_class: Any,
    wanted: str,
) -> tuple[Any, Any, dict[str, Any]]:
    """The frozen model in float32 that ``model`` names, its processor or tokenizer, and what transformers says of the
    loading; ``wanted`` names in a hint what it should be.

    Errors, which begin with ``who``: ``model.cannot-load``, ``model.untrusted-code``, ``model.unsafe-pickle``.
    """
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
        with quiet(transformers_logging), torch.random.fork_rng(devices=[]):
            processor = processor_class.from_pretrained(path, **options)
            loaded, info = model_class.from_pretrained(
                path, dtype=torch.float32, weights_only=True, output_loading_info=True, **options
            )
    except EmosymError:
        raise
    except Exception as error:  # transformers and the hub raise several
        if holds_code(error):
            raise unsafe_pickle(f"{who}: {model!r}") from error
        raise EmosymError(
            "model.cannot-load",
            f"{who}: {model!r} cannot be loaded: {first_line(error)}",
            hint=f"model is an alias that a plugin has, a folder, or a hub id of {wanted}",
        ) from error
    return loaded.eval().requires_grad_(False), processor, info
