"""What a run would refuse of its data, for those who only check them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError

from emosym.assembly import Builder
from emosym.contracts import Dataset
from emosym.experiment.knowledge import FILE, bind_knowledge, reads_texts, require_texts
from emosym.experiment.preflight import require_annotations, require_splits, require_unlabelled, too_long
from emosym.spec import Resolved


def refusals(resolved: Resolved, builder: Builder, dataset: Dataset[Any]) -> list[str]:
    """A line for each thing that a run of this spec would stop at, of those that need neither model nor network."""
    train = dataset.split("train")
    found = too_long(dataset, resolved.offers["backbone"])
    checks: list[Callable[[], None]] = [
        lambda: require_splits(dataset, resolved.spec.evaluation.split),
        lambda: require_unlabelled(resolved, train),
        lambda: _texts(resolved, builder, dataset),
    ]
    for path, offer in resolved.offers.items():
        if "labels" in resolved.needs(path):
            name = f"{offer.spec.kind} {offer.spec.name}"
            checks.append(partial(require_annotations, name, ("labels",), (), train))
    for check in checks:
        try:
            check()
        except EmosymError as error:
            found.append(str(error))
    return found


def _texts(resolved: Resolved, builder: Builder, dataset: Dataset[Any]) -> None:
    """Whether any training picture has a text, where texts are there and need not be made."""
    if not reads_texts(resolved):
        return
    knowledge = builder.build("knowledge")
    bind_knowledge(builder, knowledge, Path(FILE))
    if knowledge.file is None:
        require_texts(resolved, knowledge.texts(dataset.split("train")))
