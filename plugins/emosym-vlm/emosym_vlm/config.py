"""Parameters of the backbones; imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from emosym.contracts import ComponentConfig


class AdapterConfig(ComponentConfig):
    """Low-rank adapters (PEFT) on linear layers of the frozen base."""

    type: Literal["lora", "dora", "rslora"] = "lora"
    """LoRA (Hu et al. 2021), with decomposed weights (DoRA), with rank-stabilised scale (rsLoRA)."""
    rank: int = Field(default=8, ge=1)
    alpha: float | None = Field(default=None, gt=0)
    """Scale of the update, 2·rank where not given."""
    dropout: float = Field(default=0.05, ge=0, lt=1)
    targets: tuple[Literal["language", "vision", "projector", "head"], ...] = Field(
        default=("language",), min_length=1
    )
    """Parts of the model whose linear layers get an adapter. ``head`` says the next word, so it learns with ``reading:
    explicit`` alone: for texts in words that the model seldom saw."""


class BackboneConfig(ComponentConfig):
    """What all three backbones take."""

    hub_models = True

    model: str
    """An alias that a plugin offers (``tiny``), a hub id, or a folder in transformers' format."""
    training: Literal["frozen", "activated", "lora"] = "lora"
    """What learns in the model beside the reasoning tokens. ``frozen``: nothing. ``activated``: adapters that act at the
    tokens' own positions alone. ``lora``: adapters that act on the whole prompt, which then changes with every step; in the
    other two what comes before the tokens is the frozen model's and is read without gradient."""
    adapter: AdapterConfig = AdapterConfig()
    """The adapters of ``activated`` and ``lora``."""
    emotion_sees: Literal["all", "context"] = "all"
    """What the last token, [EMO], attends to: all before it, or the tokens [CTX] alone, through which everything that it says
    of the picture then has to pass."""
    dtype: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """``auto``: the run's precision where it has one, else fp32 on CPU and bf16 on an accelerator."""
    quantization: Literal["none", "nf4", "int8"] = "none"
    """Frozen linear layers in 4 bits (NF4, as QLoRA) or 8; ``pip install 'emosym-vlm[4bit]'``."""
    device_map: Literal["auto", "balanced", "balanced_low_0", "sequential"] | dict[str, int | str] | None = (
        None
    )
    """Spread a large model over several devices (accelerate's names, or module → device); nothing may stay on
    disk."""
    attention: str = "sdpa"
    """transformers' name: ``sdpa``, ``eager``, ``flash_attention_2``, ``flash_attention_3``,
    ``flex_attention``, or one that an installed package registered; never a repository of the hub."""
    min_pixels: int | None = Field(default=None, ge=1)
    """Smallest area an image is scaled up to; for families that take images at their own size."""
    max_pixels: int | None = Field(default=None, ge=1)
    """Largest area, beyond which an image is scaled down (never cut); for the same families."""
    question: str | None = Field(default=None, min_length=1)
    """What is asked about the image, emosym's own question where not given. Tokens and adapters are tied to
    the one they learnt with."""
    positions: Literal["stock", "sequential"] = "stock"
    """``sequential`` counts image tokens one by one like words, also where the stock model gives them rows
    and columns: for weights that were trained so."""
    padding_side: Literal["left", "right"] = "left"
    """Where shorter prompts of a batch are padded; results do not depend on it."""
    gradient_checkpointing: bool = False
    """Trade time for memory in training through :meth:`forward`; prefixes cannot be read while it trains."""
    compile: bool = False
    """Let torch.compile fuse each decoder layer: minutes at the start, for long trainings on a GPU."""
    local_files_only: bool = False
    """Never ask the hub."""

    @property
    def adapts_vision(self) -> bool:
        """Whether an adapter changes what is seen in a picture."""
        return self.training == "lora" and not {"language", "head"}.issuperset(self.adapter.targets)

    @property
    def in_two_parts(self) -> bool:
        """Whether prompt and tokens are never one pass: what acts on the tokens does not act on the prompt."""
        return self.training == "activated" or self.emotion_sees == "context"

    @field_validator("attention")
    @classmethod
    def _installed(cls, name: str) -> str:
        # transformers takes OWNER/NAME for a kernel of the hub, downloads it and runs its code.
        if "/" in name:
            raise ValueError(
                f"expected the name of an attention that is installed, found {name!r}, a repository whose "
                "code would run; write sdpa, eager, flash_attention_2, flash_attention_3 or flex_attention"
            )
        return name

    @field_validator("adapter", mode="before")
    @classmethod
    def _named_otherwise(cls, adapter: Any) -> Any:
        if adapter is None or (isinstance(adapter, dict) and adapter.get("type") == "none"):
            raise ValueError("a model without adapters is training: frozen; leave adapter out")
        return adapter

    @model_validator(mode="after")
    def _goes_together(self) -> BackboneConfig:
        if self.training == "activated" and set(self.adapter.targets) != {"language"}:
            raise ValueError(
                "adapters that act at the reasoning tokens alone sit in the language model: with training: activated, "
                "adapter.targets is [language]"
            )
        if self.training == "lora" and self.emotion_sees == "context" and self.gradient_checkpointing:
            raise ValueError(
                "emotion_sees: context reads the prompt's keys and values, which gradient checkpointing drops; turn one of "
                "them off, or take training: activated or frozen"
            )
        return self

    @model_validator(mode="after")
    def _ordered(self) -> BackboneConfig:
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise ValueError("min_pixels is larger than max_pixels")
        return self


class QwenVLConfig(BackboneConfig):
    """Qwen2-VL, Qwen2.5-VL and Qwen3-VL."""

    model: str = "Qwen/Qwen2-VL-2B-Instruct"


class LlavaConfig(BackboneConfig):
    """LLaVA 1.5, LLaVA-NeXT and LLaVA-OneVision."""

    model: str = "llava-hf/llava-1.5-7b-hf"


class HFVLMConfig(BackboneConfig):
    """Any model of transformers' AutoModelForImageTextToText with a chat template."""

    model: str = "HuggingFaceTB/SmolVLM-256M-Instruct"
    self_test: bool = True
    """Read a small picture once the model is loaded, to see that it is causal and can go on from a prefix."""
