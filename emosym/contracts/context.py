"""Context: what a component is told when it is built, beside its own parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from emosym.contracts.labels import LabelSet

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Context:
    """What a component is told when it is built, beside its own config.

    The sizes are filled in the order of assembly: ``hidden_size`` (D) and ``text_width`` (W) are there for compressor,
    fusion, emotion space; ``context_tokens`` (K, the compressor's) and ``token_widths`` (one per text encoder of the
    diffusion head) for the fusion; ``text_width`` is 0 where the run has no knowledge. ``model_path``
    turns ``model: NAME`` into a folder when NAME is an alias that a plugin offers for this very component, and returns
    NAME unchanged otherwise (a hub id or a folder). ``run`` is the run folder, None outside a run.
    """

    labels: LabelSet
    """The emotions of the run; every label is an index into its ``names``."""
    seed: int = 0
    """What weights and everything random in the component start from, never the global generators."""
    device: torch.device | None = None
    """Where the run computes; the core moves a module there once it is built. None stands for the CPU."""
    dtype: torch.dtype | None = None
    """Of frozen weights, where the component's own parameters do not say otherwise; what trains is float32."""
    run: Path | None = None
    """The run folder, for files that belong to the run."""
    hidden_size: int = 0
    """D, the width of the backbone's states. 0 for the backbone itself."""
    text_width: int = 0
    """W, the width of the text encoder's features."""
    context_tokens: int = 0
    """K, how many [CTX] tokens the compressor has."""
    token_widths: tuple[int, ...] = ()
    """The width of the vectors that each text encoder of the diffusion head takes, in the order of
    ``DiffusionHead.token_widths``: a fusion makes one tensor for each. Empty where nothing is painted."""
    run_id: str = ""
    """What tells this run from every other one, the same when it is resumed; empty outside a run. What outlives a process
    keeps it, and refuses another."""
    kind: str = ""
    """The kind that the component is built as."""
    component: str = ""
    """Its name, as it is registered, without the plugin's id."""
    cache_megabytes: int = 0
    """How much on disk :class:`emosym.toolkit.Store` may hold of what is computed once (``compute.cache_megabytes``); 0, and
    nothing is kept, outside a run."""
    aliases: Mapping[tuple[str, str, str], Path] = field(default_factory=dict)
    """Folders of named weights by (kind, component, name); use :meth:`model_path`."""
    trust_remote_code: bool = False
    """Whether the user allowed a model to bring its own Python code (``--trust-remote-code``)."""

    def model_path(self, model: str) -> str:
        """A folder for an alias of this component, or ``model`` itself."""
        return str(self.aliases.get((self.kind, self.component, model), model))
