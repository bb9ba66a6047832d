"""EmoSet-118K and every folder in its layout."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError

from emosym.contracts import SPLITS, Context, Sample
from emosym_data.annotation import Annotation
from emosym_data.config import EmoSetConfig, ReaderConfig
from emosym_data.emoset_index import Row, read_emotions, read_index
from emosym_data.files import check_pictures, missing_files
from emosym_data.findings import Findings
from emosym_data.labels import Labeller
from emosym_data.splits import MEND, SplitDataset, check_splits
from emosym_data.subset import choose


class EmoSet(SplitDataset[EmoSetConfig]):
    """Images with eight emotions and six attributes (Yang et al., ICCV 2023), read as eight or binary.

    A sample's id is EmoSet's own (``amusement_03317``).
    """

    config: Any
    reading: EmoSetConfig
    """What is read, and how; the config itself, unless a subclass has one of its own."""
    name = "emoset"

    def __init__(self, config: EmoSetConfig, context: Context) -> None:
        super().__init__(config, context)
        self.reading = config

    def root(self) -> Path:
        """The folder to read."""
        return self.reading.root.expanduser()

    def problems(self) -> list[str]:
        findings = Findings()
        try:
            root = self.root()
            if not root.is_dir():
                return [f"{root}: no such folder; set data.params.root to a folder in EmoSet's layout"]
            self._check(root, findings)
        except EmosymError as error:
            findings.add_error(error)
        except OSError as error:
            findings.add("unreadable", f"{self.name}: {error}; check disk and permissions")
        return findings.lines()

    def facts(self) -> Mapping[str, Any]:
        digest = hashlib.sha256()
        for name in ("info.json", *(f"{split}.json" for split in SPLITS)):
            digest.update((self.root() / name).read_bytes())
        return {"sha256": digest.hexdigest(), **self.skipped()}

    def policy(self) -> ReaderConfig:
        return self.reading

    def _read(self, name: str) -> list[Sample]:
        root, findings = self.root(), Findings()
        emotions = read_emotions(root, findings)
        rows = read_index(root / f"{name}.json", emotions, findings)
        if findings:
            raise findings.error("data.unsound", str(root), MEND)
        label = Labeller(self.context.labels, emotions, self.name)
        chosen = choose([row.emotion for row in rows], name, self.reading, self.context.seed)
        samples = []
        for index in chosen.indices:
            row, hidden = rows[index], index in chosen.hidden
            emotion = None if hidden else label(row.emotion)
            attributes = self._attributes(root, row, hidden)
            samples.append(Sample(row.id, (root / row.image,), emotion, attributes))
        return samples

    def _attributes(self, root: Path, row: Row, hidden: bool) -> Mapping[str, Any]:
        if self.reading.annotations == "none":
            return {}
        annotation = Annotation(root / row.annotation, hidden)
        return annotation.load() if self.reading.annotations == "eager" else annotation

    def _check(self, root: Path, findings: Findings) -> None:
        emotions = read_emotions(root, findings)
        Labeller(self.context.labels, emotions, self.name)
        seen: dict[str, str] = {}
        ids: dict[str, str] = {}
        images: list[tuple[str, str]] = []
        emotions_of: dict[str, list[str]] = {}
        for split in SPLITS:
            file = root / f"{split}.json"
            rows = read_index(file, emotions, findings)
            _check_rows(file, rows, seen, ids, findings)
            images += [(split, row.image) for row in rows]
            if split == "train" and rows:
                there = {row.emotion for row in rows}
                absent = [emotion for emotion in emotions if emotion not in there]
                findings.extend(
                    "empty class",
                    (f"{file}: no image of {emotion}; every emotion needs some" for emotion in absent),
                )
            missing = missing_files(root, (row.image for row in rows))
            findings.extend(
                "missing image", (f"{root / path}: no such image, named in {file.name}" for path in missing)
            )
            if self.reading.annotations != "none":
                missing = missing_files(root, (row.annotation for row in rows))
                findings.extend(
                    "missing annotation",
                    (f"{root / path}: no such annotation, named in {file.name}" for path in missing),
                )
            emotions_of[split] = [row.emotion for row in rows]
        if not findings:
            check_splits(emotions_of, str(root), findings, made=False)
        check_pictures(root, images, findings, self.reading)


def _check_rows(
    file: Path, rows: Sequence[Row], seen: dict[str, str], ids: dict[str, str], findings: Findings
) -> None:
    """Find images and ids that occur twice; ``seen`` and ``ids`` remember earlier splits."""
    for row in rows:
        if row.image in seen:
            if seen[row.image] == file.name:
                findings.add("duplicate row", f"{file}: {row.image} is listed twice; remove one")
            else:
                findings.add(
                    "image in two splits",
                    f"{file}: {row.image} is also in {seen[row.image]}; an image belongs to one split",
                )
            continue
        seen[row.image] = file.name
        if row.id in ids:
            findings.add(
                "duplicate id", f"{file}: {row.image} has the id {row.id} of {ids[row.id]}; ids must differ"
            )
        ids.setdefault(row.id, row.image)
