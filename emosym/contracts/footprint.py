"""Footprint and operations: what a component asks for, known without loading its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class Workload:
    """One step that a component is asked to do.

    ``samples`` B pictures at once, each of size ``image`` (width, height) in pixels where the component reads pictures.
    A backbone reads ``tokens`` T reasoning tokens: ``readings`` has, for each pass whose activations are alive at the same
    time, how many rows it has a sample (G rollouts; 1 for a plain forward); ``shared`` passes continue a prefix
    encoded once. ``gradients`` false is reading or sampling alone; ``learns`` says whether the component's own adapters
    train. ``autocast`` is the dtype of mixed precision, None without. ``checkpointing`` asks what it would be with gradient
    checkpointing (or without); None takes it as the component's parameters have it. A head that samples takes ``steps`` and
    ``guidance_scale``; None leaves them to it.
    """

    samples: int
    image: tuple[int, int] = (1024, 1024)
    tokens: int = 5
    readings: tuple[int, ...] = (1,)
    shared: bool = False
    gradients: bool = True
    learns: bool = True
    autocast: torch.dtype | None = None
    checkpointing: bool | None = None
    steps: int | None = None
    guidance_scale: float | None = None


@dataclass(frozen=True)
class Footprint:
    """What a component occupies on an accelerator during one :class:`Workload`; all sizes in bytes.

    ``parameters`` counts the frozen base and ``trainable`` the adapters (trained in float32). ``weight_bytes`` is the base
    at its dtype. ``held_bytes`` is what the forward pass keeps for the backward pass, ``peak_bytes`` the most that is
    alive at once in the whole step; neither includes weights, nor gradients of trainable parameters. ``source`` says
    where the sizes come from, ``checkpointing`` whether activations were recomputed, ``details`` holds facts of the model by name (``image_tokens``, ``kv_bytes_per_token``).
    """

    source: str
    parameters: int
    trainable: int
    weight_bytes: int
    held_bytes: int
    peak_bytes: int
    checkpointing: bool = False
    details: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Operations:
    """Floating-point operations of one part of a :class:`Workload`, for one picture; a multiplication and an addition are two.

    ``backward`` includes what gradient checkpointing recomputes. What a part makes of a picture may be ``kept`` on disk, in
    a :class:`emosym.toolkit.Store` of that kind, where it takes ``kept_bytes``: it is then computed once. Empty where it is
    computed each time.
    """

    forward: int
    backward: int = 0
    kept: str = ""
    kept_bytes: int = 0
