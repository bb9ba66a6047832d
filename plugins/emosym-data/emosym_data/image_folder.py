"""Folders of pictures by emotion: FI (You et al., AAAI 2016) and your own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError
from emosym_registry.errors import unknown

from emosym.contracts import MIKELS_8, SPLITS, SUFFIXES, Context, LabelSet, Sample
from emosym_data.config import ImageFolderConfig
from emosym_data.files import check_pictures, readable
from emosym_data.findings import Findings
from emosym_data.labels import BINARY, Labeller
from emosym_data.splits import MEND, SplitDataset, check_splits
from emosym_data.subset import choose, class_orders

MISSING = "set data.params.root to a folder with one folder for each emotion"


@dataclass(frozen=True)
class Picture:
    """A file and the emotion of its folder; ``path`` is relative to the root, with forward slashes."""

    path: str
    emotion: str


class ImageFolder(SplitDataset[ImageFolderConfig]):
    """ROOT/EMOTION/**/*.jpg with a seeded, stratified split, or ROOT/{train,val,test}/EMOTION/**/*.jpg.

    Folder names are compared without case; pictures may lie in folders of their emotion's folder. A sample's id
    is its path in the root. Listings are sorted, so the split depends on names and seed alone.
    """

    def __init__(self, config: ImageFolderConfig, context: Context) -> None:
        super().__init__(config, context)
        self._listed: dict[str, list[Picture]] | None = None

    def root(self) -> Path:
        """The folder to read."""
        return self.config.root.expanduser()

    def problems(self) -> list[str]:
        findings = Findings()
        root = self.root()
        if not root.is_dir():
            return [f"{root}: no such folder; {MISSING}"]
        try:
            splits = self._list(root, findings)
            if not findings:
                emotions = {split: [one.emotion for one in splits[split]] for split in SPLITS}
                made = not any(name in SPLITS for name in _folders(root))
                check_splits(emotions, str(root), findings, made=made)
            check_pictures(
                root, [(split, one.path) for split in SPLITS for one in splits[split]], findings, self.config
            )
        except OSError as error:
            findings.add("unreadable", f"{root}: {error}; check disk and permissions")
        return findings.lines()

    def facts(self) -> Mapping[str, Any]:
        names = "\n".join(f"{split} {one.path}" for split in SPLITS for one in self._pictures()[split])
        return {"sha256": hashlib.sha256(names.encode()).hexdigest(), **self.skipped()}

    def _read(self, name: str) -> list[Sample]:
        root, pictures = self.root(), self._pictures()[name]
        label = Labeller(self.context.labels, self._emotions(), str(root))
        chosen = choose([one.emotion for one in pictures], name, self.config, self.context.seed)
        samples = []
        for index in chosen.indices:
            one = pictures[index]
            emotion = None if index in chosen.hidden else label(one.emotion)
            samples.append(Sample(one.path, (root / one.path,), emotion))
        return samples

    def _emotions(self) -> tuple[str, ...]:
        """The emotions the folder may have: the run's labels, or Mikels' eight where those are binary."""
        return expected_emotions(self.context.labels, self.root())

    def _pictures(self) -> dict[str, list[Picture]]:
        if self._listed is None:
            if not self.root().is_dir():
                raise EmosymError("data.no-folder", f"{self.root()}: no such folder", hint=MISSING)
            findings = Findings()
            listed = self._list(self.root(), findings)
            if findings:
                raise findings.error("data.unsound", str(self.root()), MEND)
            self._listed = listed
        return self._listed

    def _list(self, root: Path, findings: Findings) -> dict[str, list[Picture]]:
        emotions = self._emotions()
        own = [name for name in _folders(root) if name in SPLITS]
        if not own:
            return self._divide(_list_emotions(root, "", emotions, findings, complete=True))
        stray = [name for name in _folders(root) if name not in SPLITS]
        findings.extend(
            "stray folder", (f"{root / name}: not one of {', '.join(SPLITS)}; move it away" for name in stray)
        )
        findings.extend(
            "missing split",
            (f"{root / name}: no such folder; the others are there" for name in SPLITS if name not in own),
        )
        return {
            name: _list_emotions(root, name, emotions, findings, complete=name == "train")
            if name in own
            else []
            for name in SPLITS
        }

    def _divide(self, pictures: Sequence[Picture]) -> dict[str, list[Picture]]:
        """A stratified split: each class is cut at the same shares of its own seeded order."""
        train, val, _ = self.config.fractions
        parts: dict[str, list[int]] = {name: [] for name in SPLITS}
        for order in class_orders([one.emotion for one in pictures], self.config.split_seed):
            first, second = _cuts(len(order), train, val)
            for name, part in zip(SPLITS, (order[:first], order[first:second], order[second:]), strict=True):
                parts[name] += part
        return {name: [pictures[i] for i in sorted(part)] for name, part in parts.items()}


def _cuts(size: int, train: float, val: float) -> tuple[int, int]:
    """Where a class of ``size`` pictures is cut; three or more leave no split without one."""
    first, second = round(train * size), round((train + val) * size)
    if size >= 3 and 0 < train < 1 and 0 < val < 1 and train + val < 1:
        first = min(max(first, 1), size - 2)
        second = min(max(second, first + 1), size - 1)
    return first, second


def expected_emotions(labels: LabelSet, root: Path) -> tuple[str, ...]:
    """Names of emotion folders for ``labels``; binary takes Mikels' eight unless folders have its names."""
    folders = {name.casefold() for name in _folders(root)} if root.is_dir() else set()
    inner = {name.casefold() for name in _folders(root / "train")} if (root / "train").is_dir() else set()
    if {name.casefold() for name in labels.names} == BINARY and not (folders | inner) >= BINARY:
        return MIKELS_8
    return labels.names


def _folders(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        return sorted(
            entry.name for entry in entries if entry.is_dir() and not entry.name.startswith((".", "__"))
        )


def _files(folder: Path, findings: Findings) -> list[Path]:
    """The files below a folder, sorted, whatever folders they lie in; hidden ones are left out."""
    found: list[Path] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir() and entry.is_symlink():
                findings.add("linked folder", f"{entry.path}: a link to a folder; put the pictures there")
            elif entry.is_dir():
                found += _files(Path(entry.path), findings)
            elif entry.is_file():
                found.append(Path(entry.path))
            else:
                findings.add(
                    "dead link", f"{readable(entry.path)}: leads to no file; remove it or mend the link"
                )
    return sorted(found)


def _list_emotions(
    root: Path, split: str, emotions: Sequence[str], findings: Findings, *, complete: bool
) -> list[Picture]:
    """Pictures below ROOT[/SPLIT]/EMOTION; with ``complete``, an emotion without pictures is a finding."""
    base = root / split if split else root
    pictures: list[Picture] = []
    known = {emotion.casefold(): emotion for emotion in emotions}
    for folder in _folders(base):
        emotion = known.get(folder.casefold())
        if emotion is None:
            error = unknown("data.unknown-label", "emotion", folder, emotions, where=str(base / folder))
            findings.add_error(error, "unknown emotion")
            continue
        for path in _files(base / folder, findings):
            shown = readable(str(path))
            if shown != str(path):
                findings.add(
                    "name of unknown letters",
                    f"{shown}: its name is not UTF-8; rename it, as ids and reports are text",
                )
            elif path.suffix.lower() in SUFFIXES:
                pictures.append(Picture(path.relative_to(root).as_posix(), emotion))
            else:
                findings.add("not a picture", f"{path}: not a picture; move it away ({', '.join(SUFFIXES)})")
    if complete:
        absent = [one for one in emotions if one not in {picture.emotion for picture in pictures}]
        findings.extend(
            "empty class", (f"{base / one}: no pictures of {one}; every emotion needs some" for one in absent)
        )
    elif not pictures:
        findings.add("empty split", f"{base}: no pictures; every split needs some")
    return pictures
