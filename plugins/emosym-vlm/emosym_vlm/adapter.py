"""Adapters by PEFT: where they go, how they start, and the stock model that is left once they are merged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emosym_registry import EmosymError
from safetensors import SafetensorError
from torch import nn

from emosym.toolkit import attach_lora, written_whole
from emosym_vlm.config import AdapterConfig, BackboneConfig

_PROJECTOR = ("projector", "merger", "connector", "aligner", "resampler", "modality_projection")


def linear_layers(model: Any) -> dict[str, list[str]]:
    """Names of all linear layers by part: ``language`` (the decoder), ``vision``, ``projector`` between them, and the
    output ``head``.

    In Qwen's models the projector (``merger``) lies inside the vision tower.
    """
    decoder, encoder = model.get_decoder(), model.get_encoder(modality="image")
    language, vision = ({id(module) for module in part.modules()} for part in (decoder, encoder))
    base = {id(module) for module in model.base_model.modules()}
    groups: dict[str, list[str]] = {"language": [], "vision": [], "projector": [], "head": []}
    for name, module in model.named_modules():
        if module is model.get_output_embeddings() and isinstance(module, nn.Linear):
            groups["head"].append(name)
        if not isinstance(module, nn.Linear) or id(module) not in base:
            continue
        joins = any(word in part for part in name.split(".") for word in _PROJECTOR)
        if id(module) in language:
            groups["language"].append(name)
        elif id(module) in vision and not joins:
            groups["vision"].append(name)
        else:
            groups["projector"].append(name)
    return groups


def attach(model: Any, config: AdapterConfig, seed: int) -> list[str]:
    """Put adapters on the linear layers of ``config.targets`` and return their names.

    The first weights depend on ``seed`` alone. A target without linear layers is
    ``backbone.no-adapter-target``.
    """
    groups = linear_layers(model)
    for target in config.targets:
        if not groups[target]:
            others = ", ".join(f"{name} ({len(layers)})" for name, layers in groups.items() if layers)
            raise EmosymError(
                "backbone.no-adapter-target",
                f"{type(model).__name__} has no linear layers in its {target} part",
                hint=f"parts with linear layers: {others or 'none'}",
            )
    if "head" in config.targets:
        untie(model)
    from peft import LoraConfig  # takes a second, which a frozen model need not wait for

    names = [name for target in dict.fromkeys(config.targets) for name in groups[target]]
    peft = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha or 2 * config.rank,  # type: ignore[arg-type]
        lora_dropout=config.dropout,
        target_modules=names,
        use_dora=config.type == "dora",
        use_rslora=config.type == "rslora",
    )
    attach_lora(model, peft, seed)
    return names


def untie(model: Any) -> None:
    """Give the output head weights of its own where it shares those of the embeddings, which its adapter must not change."""
    head = model.get_output_embeddings()
    if head.weight is model.get_input_embeddings().weight:
        head.weight = nn.Parameter(head.weight.detach().clone(), requires_grad=False)
    for config in (model.config, model.config.get_text_config(decoder=True)):
        config.tie_word_embeddings = False


def parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Adapter parameters by name, without PEFT's name for the adapter itself."""
    return {
        name.replace(".default", ""): parameter
        for name, parameter in model.named_parameters()
        if ".lora_" in name
    }


def check_mergeable(config: BackboneConfig) -> None:
    """Refuse to round what an adapter learnt to the steps of a quantized weight, or to let it act on prompts."""
    if config.training == "activated":
        raise EmosymError(
            "backbone.activated-merge",
            "adapters that act at the reasoning tokens alone cannot be merged into weights, which act on the prompt too",
            hint="keep them beside the model, as a saved system does",
        )
    if config.quantization != "none":
        raise EmosymError(
            "backbone.quantized-merge",
            f"adapters cannot be merged into {config.quantization} weights without losing what they learnt",
            hint="load the system with backbone.params.quantization=none and merge there",
        )


def save_merged(model: Any, processor: Any, folder: Path) -> Path:
    """Write both to ``folder``, which must not be there yet; it appears whole or not at all."""
    left = len(parameters(model))
    if left:
        raise EmosymError(
            "backbone.unmerged-adapters",
            f"the model has {left} adapter tensors, which a stock folder does not hold",
            hint="call merge() first to keep what they learnt, or unload() to drop it",
        )
    if folder.exists():
        raise EmosymError(
            "backbone.folder-exists", f"{folder} exists", hint="choose a new folder, or remove it"
        )
    with written_whole(folder) as partial:
        partial.mkdir()
        try:
            model.save_pretrained(partial)
            processor.save_pretrained(partial)
        except SafetensorError as error:
            raise OSError(str(error)) from error  # its own type hides what the system said
    return folder
