"""What only the built parts can tell and only a later stage would notice, asked before anything trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from emosym_registry import EmosymError

from emosym.assembly import Core
from emosym.contracts import Knowledge, Sample
from emosym.spec import Resolved
from emosym.spec.text import inline


def require_texts(resolved: Resolved, knowledge: Knowledge | None, samples: Sequence[Sample]) -> None:
    """Refuse knowledge that has no text for any training image; an image without one merely says nothing."""
    stage = resolved.spec.stages.compress
    if knowledge is None or stage is None or not stage.knowledge_weight:
        return
    if any(knowledge.texts(samples)):
        return
    name = resolved.offers["knowledge"].spec.name
    given = resolved.config("knowledge").model_dump(mode="json", exclude_defaults=True)
    raise EmosymError(
        "data.no-knowledge",
        f"knowledge {name}{f' {inline(given)}' if given else ''} has a text for none of the {len(samples)} training images",
        hint="train without it (knowledge: null, text_encoder: null), or give the images texts and say where they are in "
        "knowledge.params",
    )


def require_room(resolved: Resolved, core: Core, device: torch.device) -> None:
    """Refuse prompts that do not fit into the diffusion head's text encoders together with the fused vectors.

    Every prompt of unify and of the evaluation is conditioned once on vectors of zeros.
    """
    unify, fusion, diffusion = resolved.spec.stages.unify, core.fusion, core.diffusion
    if unify is None or fusion is None or diffusion is None:
        return
    zeros = tuple(torch.zeros(1, fusion.vectors, width, device=device) for width in diffusion.token_widths)
    for prompt in dict.fromkeys([*unify.prompts, resolved.spec.evaluation.prompt]):
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
