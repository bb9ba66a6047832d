"""Conditions put together and carried between devices."""

from __future__ import annotations

import torch

from emosym.contracts import Condition


def join(first: Condition, second: Condition) -> Condition:
    """Both conditions along B."""
    pooled = None
    if first.pooled is not None and second.pooled is not None:
        pooled = torch.cat([first.pooled, second.pooled])
    extra = {name: torch.cat([first.extra[name], second.extra[name]]) for name in second.extra}
    return Condition(torch.cat([first.hidden, second.hidden]), pooled, extra)


def moved(condition: Condition, device: torch.device) -> Condition:
    """The condition on ``device``, with its graph."""
    pooled = None if condition.pooled is None else condition.pooled.to(device)
    extra = {name: value.to(device) for name, value in condition.extra.items()}
    return Condition(condition.hidden.to(device), pooled, extra)
