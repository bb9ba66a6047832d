"""What the spec's rewards say: of a reinforcer's tries, and of readings of held-out images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.assembly import ExperimentParts, WeightedReward
from emosym.contracts import RewardResources, RewardTable, Rollouts, Sample, States
from emosym.head import labels_of
from emosym.system import System


def bind(parts: ExperimentParts, system: System, training: Sequence[Sample]) -> None:
    """Give the rewards what they may look at; ``training`` are the samples whose labels may teach them."""
    resources = RewardResources(
        read=lambda samples: system.read(list(samples), batch_size=64)[1],
        judge=parts.judges.get("reward"),
        text_encoder=parts.text_encoder,
        knowledge=parts.knowledge,
        training=training,
    )
    for one in parts.rewards:
        one.reward.bind(resources)


def rewarded(
    rewards: Sequence[WeightedReward], samples: Sequence[Sample], *, labels: bool
) -> Sequence[Sample]:
    """The samples that a reward with a weight applies to; those with a label too where ``labels`` teach beside them.

    Errors: ``data.nothing-rewarded``.
    """
    applies = torch.stack([one.reward.applies(samples) for one in rewards if one.weight > 0]).any(0).tolist()
    chosen = [
        sample
        for sample, scored in zip(samples, applies, strict=True)
        if scored or (labels and sample.label is not None)
    ]
    if not any(applies):
        names = ", ".join(one.name for one in rewards)
        raise EmosymError(
            "data.nothing-rewarded",
            f"none of the rewards ({names}) applies to any of the {len(samples)} training images",
            hint="give the images what the rewards need, or choose rewards that can score them",
        )
    return samples if len(chosen) == len(samples) else chosen


def weighted(rewards: Sequence[WeightedReward], rollouts: Rollouts) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Weighted reward [B,G] and each reward's own by name, inside its declared range and NaN where it does not apply.

    The weights of those that apply to a sample stand for all of them; the total of a sample that none applies to is 0.
    """
    device = rollouts.actions.device
    each, sums, applied = {}, [], []
    for one in rewards:
        applies = one.reward.applies(rollouts.samples).to(device)[:, None]
        scores = one.reward.score(rollouts).to(device).clamp(*one.reward.range)
        each[one.name] = scores.masked_fill(~applies, torch.nan)
        sums.append(one.weight * scores.masked_fill(~applies, 0.0))
        applied.append(applies)
    total = torch.stack(sums).sum(0)
    weights = torch.tensor([one.weight for one in rewards], dtype=total.dtype, device=device)[:, None, None]
    everywhere = torch.stack(applied)
    share = (weights * everywhere).sum(0)
    standing = torch.where(share > 0, weights.sum() / share, 0.0)
    return torch.where(everywhere.all(0), total, total * standing), each


def scored(
    rewards: Sequence[WeightedReward],
    system: System,
    samples: Sequence[Sample],
    states: States,
    probabilities: Tensor,
    batch_size: int = 64,
) -> RewardTable:
    """What each reward gives N samples for each emotion as the action, where the system has read them so: the expectation
    of a reward under a reading p is Σ_a p(a)·r(a)."""
    parts: list[Mapping[str, Tensor]] = []
    with system.builder.naming(), system.evaluating():
        for start in range(0, len(samples), batch_size):
            part = slice(start, start + batch_size)
            tries = every_action(system, samples[part], states[part], probabilities[part])
            parts.append(weighted(rewards, tries)[1])
    return RewardTable(
        {one.name: torch.cat([part[one.name] for part in parts]).double().cpu().numpy() for one in rewards},
        {one.name: one.weight for one in rewards},
    )


def every_action(
    system: System, samples: Sequence[Sample], states: States, probabilities: Tensor
) -> Rollouts:
    """One reading of B samples as C tries of each, one for every action."""
    size, classes = probabilities.shape
    tries = States(
        states.context[:, None].expand(-1, classes, -1, -1), states.emotion[:, None].expand(-1, classes, -1)
    )
    return Rollouts(
        samples=samples,
        labels=labels_of(samples, probabilities.device),
        actions=torch.arange(classes, device=probabilities.device).expand(size, -1),
        probabilities=probabilities[:, None].expand(-1, classes, -1),
        states=tries,
        context_features=system.compressor.project(tries),
    )
