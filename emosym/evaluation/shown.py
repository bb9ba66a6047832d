"""Pictures that anybody made, with the emotions that they are to evoke: folders, and lists in CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError, did_you_mean
from emosym_registry.errors import capped, plural, some
from PIL import Image

from emosym.contracts import SUFFIXES, Generated, LabelSet, Sample, open_image
from emosym.toolkit import file_name

LAYOUTS = ("emotion-folders", "emotion-names")
"""``awe/anything.png``, or ``awe-017.png`` as a run writes its pictures."""


@dataclass(frozen=True)
class Shown:
    """A picture in a file, the index of its emotion, and what it was made with where that is known."""

    path: Path
    label: int
    size: tuple[int, int]
    prompt: str = ""


class Filed(Generated):
    """A generated picture that is opened when it is looked at: thousands need no more memory than a batch."""

    def __init__(self, shown: Shown) -> None:
        for name, value in (("label", shown.label), ("seed", 0), ("prompt", shown.prompt), ("settings", {})):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "path", shown.path)

    @property
    def image(self) -> Image.Image:
        """The picture, read anew."""
        path: Path = self.path  # type: ignore[attr-defined]
        return open_image(path)


def as_generated(pictures: Sequence[Shown]) -> list[Generated]:
    """What metrics see of pictures that are measured."""
    return [Filed(one) for one in pictures]


def as_samples(pictures: Sequence[Shown]) -> list[Sample]:
    """What metrics see of pictures that others are compared with."""
    return [Sample(str(one.path), (one.path,), one.label) for one in pictures]


def read_pictures(source: Path, labels: LabelSet, layout: str = "emotion-folders") -> list[Shown]:
    """The pictures of a folder, or of a CSV file with columns ``path``, ``emotion`` and perhaps ``prompt``, in the order
    of their paths or lines. Every one is decoded once, so that nothing stops a measurement half way.

    Errors: ``score.no-pictures``, and ``score.bad-pictures`` with everything that is wrong.
    """
    problems: list[str] = []
    if not source.exists():
        raise EmosymError("score.no-pictures", f"{source}: no such file or folder", hint="check the path")
    listed = _of_csv if source.is_file() else (_in_folders if layout == "emotion-folders" else _by_names)
    found = list(listed(source, labels, problems))
    with ThreadPoolExecutor() as pool:
        looked = list(pool.map(_look, (path for path, _, _ in found)))
    problems += [size for size in looked if isinstance(size, str)]
    if problems:
        shown = "\n".join(f"  {line}" for line in capped(problems))
        raise EmosymError(
            "score.bad-pictures",
            f"{source} has {plural(len(problems), 'problem')}:\n{shown}",
            hint=f"emotions are {', '.join(labels.names)}; another set: --labels",
        )
    if not found:
        hint = (
            f"put them into a folder for each emotion ({source / labels.names[0]} …); or are they named "
            f"{file_name(labels.names[0])}-000.png? then: --layout emotion-names"
        )
        raise EmosymError("score.no-pictures", f"{source}: no pictures of emotions in it", hint=hint)
    pairs = zip(found, looked, strict=True)
    return [
        Shown(path, label, size, prompt) for (path, label, prompt), size in pairs if isinstance(size, tuple)
    ]


Found = Iterator[tuple[Path, int, str]]


def _in_folders(folder: Path, labels: LabelSet, problems: list[str]) -> Found:
    for own in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        pictures = _pictures(own.rglob("*"))
        label = _label(own.name, labels)
        if label is None and pictures:
            problems.append(f"folder {own.name}: {_unknown(own.name, labels)}")
        for path in pictures if label is not None else ():
            yield path, label or 0, ""


def _by_names(folder: Path, labels: LabelSet, problems: list[str]) -> Found:
    names = {file_name(name).casefold(): index for index, name in enumerate(labels.names)}
    for path in _pictures(folder.iterdir()):
        emotion = path.stem.rpartition("-")[0].casefold()
        if emotion in names:
            yield path, names[emotion], ""
        else:
            problems.append(f"{path.name}: expected EMOTION-NUMBER; {_unknown(emotion, labels)}")


def _of_csv(file: Path, labels: LabelSet, problems: list[str]) -> Found:
    for line, row in csv_rows(file, ("path", "emotion")):
        path = Path(row["path"])
        label = _label(row["emotion"], labels)
        if label is None:
            problems.append(f"line {line}: {_unknown(row['emotion'], labels)}")
        else:
            yield path if path.is_absolute() else file.parent / path, label, row.get("prompt") or ""


def csv_rows(file: Path, columns: Sequence[str] = ()) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and rows of a CSV file with a header. Errors: ``score.bad-csv``, also for a missing column."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, restval="")
            names = [name or "" for name in reader.fieldnames or ()]
            missing = [name for name in columns if name not in names]
            if missing:
                raise EmosymError(
                    "score.bad-csv",
                    f"{file}: no column {' and no column '.join(missing)}",
                    hint=f"its first line names {some(names, 20) or 'nothing'}",
                )
            for row in reader:
                yield reader.line_num, {name: value for name, value in row.items() if name is not None}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EmosymError(
            "score.bad-csv",
            f"{file}: cannot be read as CSV: {error}",
            hint="save it as UTF-8 text with commas",
        ) from error


def _pictures(paths: Any) -> list[Path]:
    return sorted(path for path in paths if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))


def _label(name: str, labels: LabelSet) -> int | None:
    try:
        return labels.index(name.strip())
    except EmosymError:
        return None


def _unknown(name: str, labels: LabelSet) -> str:
    return f"no emotion {name!r}; {did_you_mean(name, labels.names)}".rstrip("; ")


def _look(path: Path) -> tuple[int, int] | str:
    try:
        return open_image(path).size
    except EmosymError as error:
        return error.message
