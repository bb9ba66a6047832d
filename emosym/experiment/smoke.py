"""A smoke run: every part of a spec at work for a moment, to see that it runs at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from emosym.spec import Resolved
from emosym.spec.model import STAGES

SMOKE_SAMPLES, SMOKE_STEPS = 64, 2


def limited(samples: Sequence[Any], smoke: bool) -> Sequence[Any]:
    """All samples, or for a smoke run a few of every label."""
    if not smoke or len(samples) <= SMOKE_SAMPLES:
        return samples
    buckets: dict[Any, list[Any]] = {}
    for sample in samples:
        buckets.setdefault(sample.label, []).append(sample)
    each = max(1, SMOKE_SAMPLES // len(buckets))
    return [
        sample
        for _, bucket in sorted(buckets.items(), key=lambda item: str(item[0]))
        for sample in bucket[:each]
    ]


def shortened(resolved: Resolved) -> Resolved:
    """The same spec with two steps of each stage and a tiny evaluation."""
    spec = resolved.spec.model_copy(deep=True)
    for name in STAGES:
        stage = getattr(spec.stages, name)
        if stage is not None:
            stage.steps = SMOKE_STEPS
            stage.batch_size = min(stage.batch_size, 16)
    if spec.stages.unify is not None and spec.stages.unify.refresh is not None:
        spec.stages.unify.refresh.every = 1
        spec.stages.unify.refresh.per_class = 1
        spec.stages.unify.refresh.sampling_steps = 4
    spec.evaluation.per_class = 2
    spec.evaluation.sampling_steps = 4
    return dataclasses.replace(resolved, spec=spec)
