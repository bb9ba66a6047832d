"""Texts about the training images, there before the first step: made where nobody has made them yet."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError

from emosym.assembly import Builder, check_data
from emosym.contracts import Knowledge, KnowledgeResources, Sample
from emosym.report.numbers import clock
from emosym.spec import Resolved
from emosym.spec.text import inline
from emosym.toolkit import read_json, write_json
from emosym.toolkit.files import write_json_lines

_log = logging.getLogger(__name__)
EVERY = 10.0
"""Seconds between lines that say how far the texts are."""
FILE = "knowledge.jsonl"
"""Where texts are kept that a run, or all runs of a study, make."""
RECORD = "knowledge.json"
"""What a run has read of its texts, in its folder."""


class Shown:
    """Says how far the texts are: a line at once for what has to be waited for, then one every ten seconds."""

    def __init__(self) -> None:
        self._began: tuple[float, int] | None = None
        self._said = 0.0

    def __call__(self, done: int, total: int, detail: str) -> None:
        now = time.monotonic()
        if self._began is None:
            self._began, self._said = (now, done), now if done else 0.0
        if now - self._said < EVERY and done < total:
            return
        self._said = now
        start, first = self._began
        left = (
            f", {clock((now - start) / (done - first) * (total - done))} left" if total > done > first else ""
        )
        _log.info(
            "knowledge: %s of %s texts%s%s", f"{done:,}", f"{total:,}", left, f", {detail}" if detail else ""
        )


def bind_knowledge(builder: Builder, knowledge: Knowledge[Any], file: Path) -> None:
    """Give knowledge what it may use; texts that it makes are kept in ``file``, unless the spec names another."""
    knowledge.bind(KnowledgeResources(lambda: builder.build("backbone"), file, Shown()))


def reads_texts(resolved: Resolved) -> bool:
    """Whether the stage compress reads knowledge at all."""
    stage = resolved.spec.stages.compress
    return "knowledge" in resolved.offers and stage is not None and bool(stage.knowledge_weight)


def make_texts(knowledge: Knowledge[Any], samples: Sequence[Sample]) -> list[str | None]:
    """The texts of samples, after saying what it takes to make those that are missing."""
    plan = knowledge.plan(samples)
    if plan:
        print(
            plan, file=sys.stderr, flush=True
        )  # what goes to somebody else, or costs money, no --quiet hides
    return knowledge.texts(samples)


def require_texts(resolved: Resolved, texts: Sequence[str | None]) -> None:
    """Refuse knowledge that has no text for any training image; an image without one merely says nothing."""
    if any(texts):
        return
    name = resolved.component("knowledge")
    given = resolved.config("knowledge").model_dump(mode="json", exclude_defaults=True)
    raise EmosymError(
        "data.no-knowledge",
        f"knowledge {name}{f' {inline(given)}' if given else ''} has a text for none of the {len(texts)} training images",
        hint="train without it (knowledge: null, text_encoder: null), or give the images texts and say where they are in "
        "knowledge.params",
    )


def write_knowledge(resolved: Resolved, builder: Builder, out: Path) -> dict[str, Any]:
    """Write the texts about the training images of a spec to ``out``, and go on where an earlier call stopped; what they
    came to and took.

    Errors: ``data.unsound``, ``data.no-knowledge``, and those of the knowledge.
    """
    dataset = builder.build("data")
    check_data(dataset, resolved.component("data"))
    samples, knowledge = dataset.split("train"), builder.build("knowledge")
    bind_knowledge(builder, knowledge, out)
    texts = make_texts(knowledge, samples)
    require_texts(resolved, texts)
    if knowledge.file is None or knowledge.file.absolute() != out.absolute():
        found = zip(samples, texts, strict=True)
        write_json_lines(out, ({"id": sample.id, "text": text} for sample, text in found if text is not None))
    said = sum(text is not None for text in texts)
    return {"texts": said, "without": len(texts) - said, **knowledge.facts()}


def record_texts(
    run: Path, knowledge: Knowledge[Any], samples: Sequence[Sample], texts: Sequence[Any]
) -> None:
    """Write down which texts a run trains on, and what they took."""
    said = [(sample.id, text) for sample, text in zip(samples, texts, strict=True)]
    facts = {
        "texts": sum(text is not None for text in texts),
        "without": sum(text is None for text in texts),
        "sha256": hashlib.sha256(json.dumps(said).encode()).hexdigest(),
        **knowledge.facts(),
    }
    write_json(run / RECORD, facts)


def recorded_texts(run: Path) -> str:
    """The hash of the texts that a run has made or had made for it; empty for none."""
    record = run / RECORD
    return str(read_json(record)["sha256"]) if record.is_file() else ""
