"""Datasets of the Hugging Face datasets library, from the hub or from a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, overload

from emosym_registry import EmosymError
from emosym_registry.errors import first_line, unknown

from emosym.contracts import SPLITS, Context, ImageSource, Sample
from emosym_data.config import HfConfig, Split
from emosym_data.findings import Findings
from emosym_data.labels import Labeller
from emosym_data.splits import SplitDataset
from emosym_data.subset import choose, stratified


class HfSplit(Sequence[Sample]):
    """Samples made when they are asked for: pictures stay in the dataset's files, undecoded."""

    def __init__(self, rows: Any, ids: list[str], labels: list[int | None], config: HfConfig) -> None:
        self._rows, self._ids, self._labels, self._config = rows, ids, labels, config

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        row = self._rows[index % len(self)]
        attributes = {name: row[name] for name in self._config.columns if row[name] is not None}
        source = _source(row[self._config.image], self._ids[index])
        return Sample(self._ids[index], (source,), self._labels[index], attributes)

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    def labels(self) -> set[int | None]:
        """The labels that occur, without touching a picture."""
        return set(self._labels)


class HfDataset(SplitDataset[HfConfig]):
    """Images of an image column with emotions of a label column."""

    def __init__(self, config: HfConfig, context: Context) -> None:
        super().__init__(config, context)
        self._loaded: Any = None

    def problems(self) -> list[str]:
        findings = Findings()
        for name in SPLITS:
            try:
                samples = self.split(name)
            except EmosymError as error:
                findings.add_error(error)  # the same one for each split where the dataset does not load
                continue
            if not samples:
                findings.add(
                    "empty split", f"{self.config.path}: {name} is empty; every split needs some images"
                )
            elif name == "train" and self.config.labelled is None and self.config.label_fraction is None:
                assert isinstance(samples, HfSplit)
                present = samples.labels()
                names = (name for i, name in enumerate(self.context.labels.names) if i not in present)
                where, what = self.config.path, "in train; every emotion needs some"
                findings.extend("empty class", (f"{where}: no image of {name} {what}" for name in names))
        return findings.lines()

    def facts(self) -> Mapping[str, Any]:
        rows = self._rows(str(self.config.splits["train"]))
        licence = getattr(rows.info, "license", "")
        return {"source": self.config.path} | ({"licence": licence} if licence else {})

    def _read(self, name: str) -> HfSplit:
        theirs = self.config.splits[cast("Split", name)]
        carved = self.config.splits["val"] is None
        rows = self._rows(str(theirs if theirs is not None else self.config.splits["train"]))
        emotions = self._emotions(rows)
        kept = list(range(len(rows)))
        if carved and name != "test":
            val = set(
                stratified(
                    emotions,
                    round(self.config.val_fraction * len(rows)),
                    self.config.drawn_by(self.context.seed),
                )
            )
            kept = [i for i in kept if (i in val) == (name == "val")]
        known = sorted({emotion for emotion in emotions if emotion is not None})
        label = Labeller(self.context.labels, self._names(rows) or known, self.config.path)
        chosen = choose([emotions[i] for i in kept], name, self.config, self.context.seed)
        labels: list[int | None] = []
        for index in chosen.indices:
            emotion = emotions[kept[index]]
            labels.append(None if emotion is None or index in chosen.hidden else label(emotion))
        picked = [kept[i] for i in chosen.indices]
        ids = [f"{name}/{i}" for i in picked]
        if self.config.id is not None:
            column = list(rows[self.config.id])
            ids = [str(column[i]) for i in picked]
            if len(set(ids)) != len(ids):
                raise EmosymError(
                    "data.duplicate-id",
                    f"{self.config.path}: column {self.config.id!r} has a value twice in {name}",
                    hint="leave id out to number the rows",
                )
        return HfSplit(rows.select(picked), ids, labels, self.config)

    def _emotions(self, rows: Any) -> list[str | None]:
        """The emotion of every row, without case; None where it has none."""
        names = self._names(rows)
        emotions: list[str | None] = []
        for number, value in enumerate(rows[self.config.label]):
            if value is None or (isinstance(value, int) and value < 0):
                emotions.append(None)
            elif isinstance(value, int) and names is not None and value < len(names):
                emotions.append(names[value])
            elif isinstance(value, str):
                emotions.append(value.casefold())
            else:
                raise EmosymError(
                    "data.no-label-names",
                    f"{self.config.path}: row {number} has the label {value!r}, and no name for it is known",
                    hint="list the emotions in data.params.names, in the order of their numbers",
                )
        return emotions

    def _names(self, rows: Any) -> list[str] | None:
        names = self.config.names or getattr(rows.features[self.config.label], "names", None)
        return None if names is None else [name.casefold() for name in names]

    def _rows(self, theirs: str) -> Any:
        """Their split, with pictures left undecoded."""
        from datasets import Image

        loaded = self._load()
        if theirs not in loaded:
            raise unknown("data.no-split", "split", theirs, loaded, where=self.config.path)
        rows = loaded[theirs]
        wanted = [self.config.image, self.config.label, *self.config.columns, self.config.id]
        for column in filter(None, wanted):
            if column not in rows.features:
                raise unknown("data.no-column", "column", column, rows.features, where=self.config.path)
        if isinstance(rows.features[self.config.image], Image):
            rows = rows.cast_column(self.config.image, Image(decode=False))
        return rows

    def _load(self) -> Any:
        if self._loaded is not None:
            return self._loaded
        import datasets

        folder = Path(self.config.path).expanduser()
        try:
            if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
                loaded = datasets.load_from_disk(str(folder))
            else:
                source = str(folder) if folder.is_dir() else self.config.path
                loaded = datasets.load_dataset(source, self.config.subset, revision=self.config.revision)
        except Exception as error:  # the library raises its own, fsspec's, the hub's and pyarrow's errors
            raise EmosymError(
                "data.cannot-load",
                f"{self.config.path} cannot be loaded: {first_line(error)}",
                hint="check data.params.path; a hub dataset needs the network once",
            ) from error
        self._loaded = loaded if isinstance(loaded, datasets.DatasetDict) else {"train": loaded}
        return self._loaded


def _source(cell: Any, id: str) -> ImageSource:
    """The picture of a cell: undecoded bytes, a path, or a decoded image."""
    if isinstance(cell, Mapping):
        cell = cell["bytes"] if cell.get("bytes") is not None else cell.get("path")
    if isinstance(cell, str):
        return Path(cell)
    if cell is None:
        raise EmosymError(
            "data.missing-image",
            f"sample {id} has no picture",
            hint="drop the row, or choose another image column",
        )
    source: ImageSource = cell
    return source
