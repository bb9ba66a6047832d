"""The LoRA adapter: PEFT's settings as ours, PEFT's tensors by our backbone's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError
from torch import Tensor

from emosym_official.names import part_of_model, plain
from emosym_official.tensors import read_mapping, read_settings

UNSUPPORTED = (
    *("rank_pattern", "alpha_pattern", "modules_to_save", "layers_to_transform", "layer_replication"),
    *("trainable_token_indices", "target_parameters", "fan_in_fan_out", "lora_bias", "use_qalora"),
    *("use_bdlora", "alora_invocation_tokens", "velora_config", "monteclora_config", "arrow_config"),
    "kasa_config",
)
"""Settings that, where they are not empty, give the tensors a meaning that our adapters cannot express."""
CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Starts that also change the base's weights."""
PARTS = ("language", "vision", "projector")


@dataclass(frozen=True)
class Adapter:
    """``settings`` are those of ``backbone.params.adapter``, ``base`` is PEFT's note of the base model."""

    settings: dict[str, Any]
    tensors: dict[str, Tensor]
    base: str | None


def read_adapter(config: Path, weights: Path) -> Adapter:
    """Errors: ``official.other-adapter`` with every setting that adapters here cannot express,
    ``official.unsafe-file``, ``official.unknown-layout``."""
    peft = read_settings(config)
    if problems := _problems(peft):
        raise EmosymError(
            "official.other-adapter",
            "\n  ".join([f"{config} describes an adapter that cannot be taken over:", *problems]),
            hint="LoRA, DoRA and rsLoRA with one rank and scale for all layers can be imported",
        )
    tensors = read_mapping(weights)
    return Adapter(
        settings={
            "type": "dora" if peft.get("use_dora") else "rslora" if peft.get("use_rslora") else "lora",
            "rank": peft.get("r"),
            "alpha": peft.get("lora_alpha"),
            "dropout": peft.get("lora_dropout", 0.0),
            "targets": _targets(tensors),
        },
        tensors=tensors,
        base=peft.get("base_model_name_or_path"),
    )


def _targets(tensors: Mapping[str, Tensor]) -> list[str]:
    """Parts of the model that the adapter's tensors change; PEFT's list of modules may be a pattern."""
    adapted = {part_of_model(plain(name)) for name in tensors}
    return [part for part in PARTS if part in adapted] or ["language"]


def _problems(peft: Mapping[str, Any]) -> list[str]:
    problems = []
    if peft.get("peft_type") != "LORA":
        problems.append(f"peft_type is {peft.get('peft_type')!r}, expected 'LORA'")
    for key, kind in (("r", int), ("lora_alpha", (int, float))):
        if not isinstance(peft.get(key), kind) or peft[key] <= 0:
            problems.append(f"{key} is {peft.get(key)!r}, expected a number above 0")
    wrong = (key for key in UNSUPPORTED if peft.get(key))
    problems += [f"{key} is {peft[key]!r}, which adapters here do not have" for key in wrong]
    if peft.get("bias", "none") != "none":
        problems.append(f"bias is {peft['bias']!r}, expected 'none': biases are frozen here")
    if peft.get("use_dora") and peft.get("use_rslora"):
        problems.append("use_dora and use_rslora are both set, adapters here are one or the other")
    start = str(peft.get("init_lora_weights"))
    if start.startswith(CHANGES_BASE):
        problems.append(f"init_lora_weights is {start!r}, which changes the base model's weights as well")
    return problems
