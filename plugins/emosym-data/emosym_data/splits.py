"""Datasets whose splits are read one by one."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from emosym_registry import EmosymError
from emosym_registry.errors import some, unknown

from emosym.contracts import SPLITS, ConfigT, Context, Dataset, Sample, open_image, picture_size
from emosym_data.config import ReaderConfig
from emosym_data.findings import Findings

logger = logging.getLogger(__name__)
LISTED = 100
"""Skipped pictures that facts list."""
MEND = "mend these, then run: emosym data check"


class SplitDataset(Dataset[ConfigT]):
    """Reads each split once, when it is first asked for."""

    def __init__(self, config: ConfigT, context: Context) -> None:
        super().__init__(config, context)
        self._splits: dict[str, Sequence[Sample]] = {}
        self._skipped: dict[str, str] = {}

    def split(self, name: str) -> Sequence[Sample]:
        if name not in SPLITS:
            raise unknown("data.no-split", "split", name, SPLITS, where=self.context.component)
        if name not in self._splits:
            self._splits[name] = self._without_bad(name, self._read(name))
        return self._splits[name]

    def policy(self) -> ReaderConfig | None:
        """What to do about pictures that cannot be read; None leaves it to whoever opens them."""
        return self.config if isinstance(self.config, ReaderConfig) else None

    def skipped(self) -> Mapping[str, str]:
        """Samples that were left out, by id, and why."""
        return dict(self._skipped)

    def _without_bad(self, name: str, samples: Sequence[Sample]) -> Sequence[Sample]:
        policy = self.policy()
        if policy is None or policy.on_bad_image == "stop":
            return samples
        bad = {sample.id: why for sample in samples if (why := _fault(sample, verify=policy.verify))}
        if bad:
            logger.warning(
                "%s: %d of %d pictures cannot be read and are left out: %s",
                name, len(bad), len(samples), some(list(bad)),
            )  # fmt: skip
        self._skipped |= bad
        return [sample for sample in samples if sample.id not in bad]

    @abstractmethod
    def _read(self, name: str) -> Sequence[Sample]:
        """The samples of train, val or test; what cannot be used is an error that lists all findings."""


def _fault(sample: Sample, *, verify: bool) -> str:
    """Why a sample's pictures cannot be read; empty where they can."""
    try:
        for source in sample.images:
            open_image(source) if verify else picture_size(source)
    except EmosymError as error:
        return error.message
    return ""


def skipped_facts(skipped: Mapping[str, str]) -> dict[str, Any]:
    """What a run's provenance says of pictures that were left out; nothing where there are none."""
    if not skipped:
        return {}
    return {"skipped": {"count": len(skipped), "pictures": dict(list(skipped.items())[:LISTED])}}


def check_splits(
    labels: Mapping[str, Sequence[Hashable]], where: str, findings: Findings, *, made: bool
) -> None:
    """Find splits that are empty and, where we have ``made`` them, classes that one lacks; ``labels`` are those of each
    split's pictures."""
    every = sorted({label for split in labels.values() for label in split}, key=str)
    for split, given in labels.items():
        if not given:
            findings.add(
                "empty split", f"{where}: {split} has no pictures; every split needs some of each emotion"
            )
            continue
        absent = [str(label) for label in every if label not in set(given)]
        if absent and made:
            findings.add(
                "class missing in a split",
                f"{where}: {split} has no picture of {', '.join(absent)}; give it some, or leave the emotion out",
            )
