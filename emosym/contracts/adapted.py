"""AdaptedModule: what backbones and diffusion heads share, a frozen base whose adapters alone train."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.context import Context
from emosym.contracts.footprint import Footprint, Operations, Workload
from emosym.toolkit.adapters import load_state


class AdaptedModule(Component[ConfigT], nn.Module):
    """A frozen base model, perhaps with adapters: the only parameters of it that train, and all that is saved of it."""

    @classmethod
    def footprint(cls, config: ConfigT, context: Context, load: Workload) -> Footprint | None:
        """Memory of one step, from configs alone: nothing is loaded and nothing fetched. None says it is not known."""
        return None

    @classmethod
    def operations(cls, config: ConfigT, context: Context, load: Workload) -> Mapping[str, Operations] | None:
        """Floating-point operations of one step for one of its pictures, by part, from configs alone; None says it is not known."""
        return None

    def adapters(self) -> dict[str, nn.Parameter]:
        """Adapter parameters by name; empty where there is no adapter."""
        return {}

    def adapter_state(self) -> dict[str, Tensor]:
        """What a checkpoint saves: copies of the adapter's tensors and nothing of the base."""
        return {name: parameter.detach().cpu().clone() for name, parameter in self.adapters().items()}

    def load_adapter_state(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of :meth:`adapter_state`. Missing, unexpected or differently shaped tensors change nothing and are
        the error ``KIND.adapter-mismatch``."""
        load_state(self.adapters(), state, self.context.kind or "component")

    @abstractmethod
    def fingerprint(self) -> str:
        """Changes whenever the weights of base or adapters do."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device
