"""What only the built parts can tell and only a later stage would notice, asked before anything trains."""

from __future__ import annotations

from collections.abc import Sequence

from emosym_registry import EmosymError

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
