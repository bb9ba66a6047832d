"""Knowledge that the run's own backbone writes, as it is before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emosym_registry import EmosymError

from emosym.contracts import Backbone, Context, Sample
from emosym.toolkit import hash_weights
from emosym_data.config import BackboneKnowledgeConfig
from emosym_data.made import Keep, MadeKnowledge, whole_sentences


class BackboneKnowledge(MadeKnowledge[BackboneKnowledgeConfig]):
    """Lets the frozen model answer the prompt about each picture, greedily. Its adapters are at their start, where they
    change nothing, so runs with other adapters share the texts."""

    def __init__(self, config: BackboneKnowledgeConfig, context: Context) -> None:
        super().__init__(config, context)
        self._writer: Backbone[Any] | None = None
        self._untrained = self._weights = ""

    @property
    def writer(self) -> Backbone[Any]:
        """The backbone, whose weights are remembered when it is first asked for."""
        if self._writer is None:
            self._writer = self.resources.backbone()
            self._untrained = self._writer.fingerprint()
            self._weights = hash_weights(self._writer, without=self._writer.adapters().values())
        return self._writer

    def settings(self) -> Mapping[str, Any]:
        writer = self.writer
        return {
            "by": "backbone",
            "weights": self._weights,
            "reads": dict(writer.reads_by()),
            "prompt": self.config.prompt,
            "max_new_tokens": self.config.max_new_tokens,
        }

    def sentence(self, missing: int, total: int) -> str:
        return (
            f"knowledge backbone will write {missing:,} of {total:,} texts before the first step; "
            f"{total - missing:,} are in {self.file}"
        )

    def make(self, samples: Sequence[Sample], keep: Keep) -> None:
        """Errors: ``data.trained-writer``."""
        writer, config = self.writer, self.config
        if writer.fingerprint() != self._untrained:
            raise EmosymError(
                "data.trained-writer",
                f"{len(samples)} texts are missing in {self.file}, and the backbone that is to write them has been trained",
                hint="write them ahead of training: emosym data knowledge SPEC --out FILE",
            )
        for start in range(0, len(samples), config.batch_size):
            batch = samples[start : start + config.batch_size]
            prefix = writer.encode(batch, config.prompt)
            texts = writer.write(prefix, max_new_tokens=config.max_new_tokens)
            for sample, text in zip(batch, texts, strict=True):
                keep(sample, whole_sentences(text.strip()), weights=self._weights[:16])
