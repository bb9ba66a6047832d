"""From a candidate to what the policy sees, what is stored, and what the ledger says of it."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from emosym_registry import EmosymError

from emosym.contracts import Candidate, LabelSet
from emosym_memory.policy import Features, ScoredCandidate


@dataclass(frozen=True)
class Picture:
    """An image to store: PNG bytes, named by their content, and the features it was offered with."""

    id: str
    digest: str
    png: bytes
    features: Features


@dataclass(frozen=True)
class Described:
    """A candidate in three lights; ``provenance`` is plain JSON."""

    candidate: ScoredCandidate
    picture: Picture
    provenance: dict[str, Any]


def describe(candidate: Candidate, index: int, labels: LabelSet) -> Described:
    """Check a candidate and describe it; one that cannot be used is an error that says why."""
    generated = candidate.generated
    if not 0 <= generated.label < len(labels):
        raise _unusable(f"label {generated.label} is not one of {len(labels)}")
    if "model" not in candidate.scores:
        raise _unusable('the score "model" is missing')
    for name, score in candidate.scores.items():
        if not (math.isfinite(score) and 0 <= score <= 1):
            raise _unusable(f"the score {name!r} is {score}, not within [0, 1]")
    features = np.asarray(candidate.features, dtype=np.float32).reshape(-1)
    if not np.isfinite(features).all():
        raise _unusable("its features are not finite")
    buffer = BytesIO()
    generated.image.convert("RGB").save(buffer, "PNG")
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    id = f"bank/{digest[:12]}"
    scores = {name: float(score) for name, score in sorted(candidate.scores.items())}
    return Described(
        ScoredCandidate(index, id, generated.label, scores, features, generated.flagged),
        Picture(id, digest, buffer.getvalue(), features),
        _provenance(candidate) | {"scores": scores},
    )


def _provenance(candidate: Candidate) -> dict[str, Any]:
    """How the image was made, as plain JSON, so that every storage gives back the same."""
    generated = candidate.generated
    content = {
        "seed": int(generated.seed),
        "prompt": generated.prompt,
        "generator": candidate.generator,
        "settings": dict(generated.settings),
        "attributes": dict(candidate.attributes),
    }
    plain: dict[str, Any] = json.loads(json.dumps(content, default=_plain))
    return plain


def _plain(value: Any) -> Any:
    """NumPy and torch numbers and arrays as plain ones, anything else in words."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _unusable(what: str) -> EmosymError:
    return EmosymError(
        "memory.bad-candidate",
        f"a candidate for the bank cannot be used: {what}",
        hint="score it again",
        ours=True,
    )
