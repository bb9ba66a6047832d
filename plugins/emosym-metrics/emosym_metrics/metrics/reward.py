"""Metric ``reward``: what the spec's rewards give readings of held-out images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from emosym_registry import EmosymError
from emosym_registry.errors import unknown

from emosym.contracts import Evidence, Figure, Metric
from emosym_metrics.config import RewardConfig
from emosym_metrics.metrics.intervals import bootstrapped
from emosym_metrics.metrics.readings import Floats, readings


class ExpectedReward(Metric[RewardConfig]):
    """``reward`` with ``_low`` and ``_high``: Σ_a p(a)·r(a) of each reading p, r the weighted total of the spec's rewards,
    and ``reward_NAME`` of each reward alone. The reading is the one without noise. ``chosen_reward`` is the total of the
    most probable emotion: a reading that only becomes surer raises the expectation, and not this.

    An image that a reward does not apply to is left out of its mean; one that none applies to, of the total's.
    """

    needs: ClassVar[tuple[str, ...]] = ("rewards",)
    figures: ClassVar[Mapping[str, Figure]] = {
        "reward": Figure(
            "Held-out reward",
            higher_is_better=True,
            about="What the run's rewards would pay for the readings, by their probabilities, from 0 to 1",
        ),
        "chosen_reward": Figure(
            "Held-out reward of the most probable emotion",
            higher_is_better=True,
            about="The same for the answers alone: being surer does not raise it",
        ),
    }

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        expected = self._expected(evidence)
        total = expected.pop("reward")
        known = total[np.isfinite(total)]
        return {
            **bootstrapped("reward", known, self.config.resamples, evidence.seed),
            **{name: float(np.nanmean(values)) for name, values in expected.items() if _applies(values)},
        }

    def per_image(self, evidence: Evidence) -> Mapping[str, Floats]:
        """Those of the rewards that apply to every image."""
        expected = self._expected(evidence)
        return {name: values for name, values in expected.items() if np.isfinite(values).all()}

    def _expected(self, evidence: Evidence) -> dict[str, Floats]:
        """[N] by figure, NaN where nothing applies."""
        table, weights, p = evidence.rewards, self.config.weights, readings(evidence)
        if table is None:
            raise EmosymError(
                "metric.no-rewards",
                "nobody says what the rewards give: they are asked where a system is evaluated, not a file of predictions",
                hint="leave reward out of metrics",
            )
        for name in weights or ():
            if name not in table.each:
                hint = (
                    f"rewards: {', '.join(table.each)}; one that is to be measured alone has weight 0 there"
                )
                raise unknown(
                    "metric.unknown-reward", "reward", name, table.each, hint=hint, where="metric reward"
                )
        total = table.total(weights)
        if not _applies(total):
            raise EmosymError(
                "metric.too-few",
                "no reward applies to any of the held-out images",
                hint="leave reward out of metrics, or choose rewards that can score them",
            )
        each = {f"reward_{name}": (p * scores).sum(1) for name, scores in table.each.items()}
        chosen = np.take_along_axis(total, p.argmax(1)[:, None], 1)[:, 0]
        return {"reward": (p * total).sum(1), "chosen_reward": chosen, **each}


def _applies(values: Floats) -> bool:
    """Whether any value is there."""
    return bool(np.isfinite(values).any())
