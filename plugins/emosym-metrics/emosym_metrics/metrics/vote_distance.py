"""Metric ``vote-distance``: how far readings are from what annotators voted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from scipy.spatial.distance import jensenshannon

from emosym.contracts import Evidence, Figure, Metric
from emosym_metrics.config import BootstrapConfig
from emosym_metrics.metrics.intervals import bootstrapped
from emosym_metrics.metrics.readings import Floats, readings


class VoteDistance(Metric[BootstrapConfig]):
    """``vote_distance`` with ``_low`` and ``_high``: the mean Jensen-Shannon divergence (Lin 1991), in bits
    and so from 0 to 1, of the annotators' votes (``Sample.target``, the label where there are none) and the
    probabilities."""

    figures: ClassVar[Mapping[str, Figure]] = {
        "vote_distance": Figure("Distance to the votes (JSD)", higher_is_better=False)
    }

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        distances = self.per_image(evidence)["vote_distance"]
        return bootstrapped("vote_distance", distances, self.config.resamples, evidence.seed)

    def per_image(self, evidence: Evidence) -> Mapping[str, Floats]:
        return {"vote_distance": jensenshannon(evidence.targets, readings(evidence), base=2, axis=1) ** 2}
