"""The knowledge that a system keeps of its training, to say which of it is nearest to what the system sees in an image."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from emosym_registry import EmosymError
from torch import Tensor
from torch.nn import functional as F

from emosym.contracts import Reason, TextEncoder
from emosym.storage import damaged

FILE = "knowledge.parquet"
"""The index in the folder of a saved system: columns ``text`` (string) and ``features`` (a list of W halffloats)."""
MOST = 5_000
"""Texts that a system keeps."""
ENCODED_AT_ONCE = 256


def encoded(texts: Sequence[str], encoder: TextEncoder) -> Tensor:
    """Features [N,W] of one text or more, some at a time, on the CPU."""
    starts = range(0, len(texts), ENCODED_AT_ONCE)
    return torch.cat([encoder.encode(texts[i : i + ENCODED_AT_ONCE]).cpu() for i in starts])


@dataclass(frozen=True)
class KnowledgeIndex:
    """Texts and their unit-norm features [N,W], float16 on the CPU; nothing else is known of them."""

    texts: tuple[str, ...]
    features: Tensor

    @classmethod
    def of(
        cls, texts: Iterable[str | None], encoder: TextEncoder, seed: int, most: int = MOST
    ) -> KnowledgeIndex | None:
        """At most ``most`` of the distinct texts, each as likely as any other, in alphabetical order: neither which are kept
        nor where they stand says anything of the images that they are about. None where there is no text."""
        distinct = sorted({text for text in texts if text})
        if not distinct:
            return None
        drawn = torch.randperm(len(distinct), generator=torch.Generator().manual_seed(seed))[:most]
        kept = [distinct[i] for i in sorted(drawn.tolist())]
        return cls(tuple(kept), encoded(kept, encoder).half())

    def nearest(self, projected: Tensor, count: int) -> list[tuple[Reason, ...]]:
        """The ``count`` nearest texts of each row of ``projected`` [B,W], the nearest first; all where there are fewer."""
        rows = F.normalize(projected.float().cpu(), dim=-1)
        cosines = rows @ F.normalize(self.features.float(), dim=-1).T
        best = cosines.topk(min(count, len(self.texts)), dim=-1)
        return [
            tuple(Reason(self.texts[i], value) for i, value in zip(places, values, strict=True))
            for places, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def write(self, folder: Path) -> dict[str, str]:
        """Write the index into an existing folder; the sha256 of its file by name."""
        import pyarrow
        import pyarrow.parquet

        width = self.features.shape[1]
        flat = pyarrow.array(self.features.numpy().reshape(-1), pyarrow.float16())
        features = pyarrow.FixedSizeListArray.from_arrays(flat, width)
        table = pyarrow.table({"text": pyarrow.array(self.texts, pyarrow.string()), "features": features})
        content = BytesIO()
        pyarrow.parquet.write_table(table, content)
        # Through Python and not Arrow's own writer, whose errors do not say what the system said.
        (folder / FILE).write_bytes(content.getvalue())
        return {FILE: hashlib.sha256(content.getvalue()).hexdigest()}


def read_index(folder: Path, files: Mapping[str, str]) -> KnowledgeIndex | None:
    """The index that :meth:`KnowledgeIndex.write` wrote into a saved system whose ``files`` have these sha256; None for a
    system that has none. Errors: ``system.missing-part``, ``system.damaged``."""
    if FILE not in files:
        return None
    import pyarrow.parquet

    path = folder / FILE
    try:
        content = path.read_bytes()
        if files[FILE] != hashlib.sha256(content).hexdigest():
            raise ValueError("it is not the file that was saved (another sha256)")
        table = pyarrow.parquet.read_table(BytesIO(content))
        features = table["features"].combine_chunks()
        rows = np.asarray(features.flatten(), dtype=np.float16).reshape(len(features), -1)
        return KnowledgeIndex(tuple(table["text"].to_pylist()), torch.from_numpy(rows.copy()))
    except FileNotFoundError as error:
        raise EmosymError(
            "system.missing-part",
            f"the saved system is not whole: {FILE} is missing",
            hint="copy the whole folder again, or restore it from a checkpoint of the run",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from error
