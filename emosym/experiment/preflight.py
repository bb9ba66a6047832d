"""What only the built parts can tell and only a later stage would notice, asked before anything trains."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from emosym_registry import EmosymError, RegisteredComponent
from emosym_registry.errors import capped

from emosym.contracts import SPLITS, Dataset, Sample, picture_size
from emosym.generation import Generation
from emosym.spec import Resolved
from emosym.spec.model import UnifyStage


def require_splits(dataset: Dataset[Any], measured: str) -> None:
    """Refuse data of which a part is empty, or the part that is ``measured`` has no label, which a later stage or the
    evaluation would find: ``data.empty-split``, ``data.no-labels``."""
    empty = [split for split in SPLITS if not len(dataset.split(split))]
    if empty:
        raise EmosymError(
            "data.empty-split",
            f"the data have no {' and no '.join(empty)} images, and a run reads all three parts",
            hint="give each part some: emosym data check says what is there",
        )
    if all(sample.label is None for sample in dataset.split(measured)):
        raise EmosymError(
            "data.no-labels",
            f"the run is measured on {measured}, and none of its images has a label",
            hint="give them labels, or set evaluation.split to a part that has some",
        )


def too_long(dataset: Dataset[Any], backbone: RegisteredComponent) -> list[str]:
    """A line for each picture file that is longer than the backbone takes."""
    most = backbone.load().longest_ratio
    if math.isinf(most):
        return []
    takes = f"{backbone.spec.name} takes pictures up to {most:g}:1"
    found = []
    for split in SPLITS:
        for sample in dataset.split(split):
            for file in [source for source in sample.images if isinstance(source, Path)]:
                width, height = picture_size(file)
                if max(width, height) > most * min(width, height):
                    found.append(f"sample {sample.id}: {file} has {width}×{height} pixels; {takes}")
    return found


def require_shapes(dataset: Dataset[Any], backbone: RegisteredComponent) -> None:
    """Refuse pictures that the backbone would refuse in the middle of a stage: ``data.too-long``."""
    found = too_long(dataset, backbone)
    if found:
        raise EmosymError(
            "data.too-long",
            "\n".join(capped(found)),
            hint="crop these pictures, or take them out of the data",
        )


def require_annotations(
    name: str, needs: Collection[str], keys: Sequence[str], samples: Sequence[Sample]
) -> None:
    """Refuse data in which no sample has what the component ``name`` reads; a sample without it merely says nothing.

    ``keys`` are those of ``Sample.attributes``. Errors: ``data.no-labels``, ``data.no-attributes``.
    """
    if "labels" in needs and all(sample.label is None for sample in samples):
        raise EmosymError(
            "data.no-labels",
            f"{name} reads labels, and no training image has one",
            hint="use data with labels, or leave it out of the spec",
        )
    if "attributes" in needs and not any(sample.attributes.get(key) for sample in samples for key in keys):
        raise EmosymError(
            "data.no-attributes",
            f"{name} reads {' or '.join(keys)}, and no training image has any",
            hint="use data with these annotations, or leave it out of the spec",
        )


def require_room(resolved: Resolved, generation: Generation) -> None:
    """Refuse prompts that do not fit into the diffusion head's text encoders together with the fused vectors.

    Every prompt of unify, of its bank and of the evaluation is conditioned once on vectors of zeros.
    """
    unify, fusion, diffusion = resolved.spec.stages.unify, generation.fusion, generation.diffusion
    prompts = [*prompts_of(unify), resolved.spec.evaluation.prompt]
    zeros = tuple(
        torch.zeros(1, fusion.vectors, width, device=generation.device) for width in diffusion.token_widths
    )
    for prompt in dict.fromkeys(prompts):
        try:
            diffusion.condition(zeros, [prompt])
        except EmosymError as error:
            if error.id != "diffusion.prompt-too-long":
                raise
            raise EmosymError(
                "fusion.too-many-vectors",
                f"fusion {resolved.component('fusion')} makes {fusion.vectors} vectors: {error.message}",
                hint="lower fusion.params.vectors, or shorten the prompt; neither is ever cut silently",
            ) from error


def prompts_of(unify: UnifyStage | None) -> list[str]:
    """Every prompt that the stage and its bank paint with."""
    if unify is None:
        return []
    refresh = unify.refresh
    return [*unify.prompts, *((refresh.prompts or ()) if refresh is not None else ())]


def require_unlabelled(resolved: Resolved, samples: Sequence[Sample]) -> None:
    """Refuse candidates in the context of unlabelled training pictures where there are none: ``data.no-unlabelled``."""
    unify = resolved.spec.stages.unify
    if unify is None or unify.refresh is None or unify.refresh.context != "unlabelled":
        return
    if all(sample.label is not None for sample in samples):
        raise EmosymError(
            "data.no-unlabelled",
            "stages.unify.refresh.context is unlabelled, and every training picture has a label",
            hint="set it to space, or hide labels with data.params.labelled",
        )
