"""Conformance of datasets."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

from emosym_registry import EmosymError
from emosym_registry.errors import some

from emosym.contracts import SPLITS, LabelSet, Sample
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.probes import refusal
from emosym.testing.suite import OTHER_LABELS
from emosym.testing.suites.dataset_base import FORMS, DatasetBase, identity


class DatasetSuite(DatasetBase):
    """The splits of a dataset with sound files: give a small one in ``params``, or write it to
    ``self.folder`` in
    :meth:`parameters`. Nothing here trains, so a few pictures of each emotion are enough."""

    @check("dataset.splits", "train, val and test to be sequences of samples, none of them empty")
    def test_splits(self) -> None:
        """Training reads train, early stopping and roll-backs val, every reported figure test."""
        for name in SPLITS:
            split = self.subject.split(name)
            require(isinstance(split, Sequence), f"{name} is a {type(split).__name__}")
            require(len(split) > 0, f"no sample in {name}")
            strangers = {type(one).__name__ for one in split if not isinstance(one, Sample)}
            require(not strangers, f"a {', '.join(sorted(strangers))} in {name}")

    @check("dataset.sequence", "the same samples by place, by slice and one after another")
    def test_sequence(self) -> None:
        """Batches are read by place and evaluation one after another; a lazy split can easily differ
        between them."""
        for name in SPLITS:
            split = self.subject.split(name)
            ids = [sample.id for sample in split]
            require(len(ids) == len(split), f"{len(ids)} samples in {name}, whose length is {len(split)}")
            require([split[i].id for i in range(len(split))] == ids, f"others by place in {name}")
            require(split[-1].id == ids[-1], f"another last sample of {name} by place")
            require(
                [one.id for one in split[: len(ids) // 2]] == ids[: len(ids) // 2],
                f"others in a slice of {name}",
            )

    @check("dataset.ids", "an id for every sample that no other sample of any split has")
    def test_ids(self) -> None:
        """Confidences, texts, cached features and the memory bank's ledger go by id."""
        home: dict[str, str] = {}
        for name, sample in self.every():
            require(isinstance(sample.id, str) and bool(sample.id), f"the id {sample.id!r} in {name}")
            require(sample.id not in home, f"{sample.id!r} in {name} and before in {home.get(sample.id)}")
            home[sample.id] = name

    @check("dataset.disjoint", "no picture of one split in another")
    def test_disjoint(self) -> None:
        """A test picture that was trained on, under whatever id, makes every figure of the run worthless."""
        home: dict[str, str] = {}
        for name, sample in self.every():
            for source in sample.images:
                first = home.setdefault(identity(source), name)
                require(first == name, f"the picture of {sample.id} in {first} and in {name}")

    @check(
        "dataset.stable",
        "the same samples in the same order from a new component, whatever the seed of the run",
    )
    def test_stable(self) -> None:
        """Runs of several seeds and a resumed run must see the same split, or their figures are of
        different tests."""
        again, other = self.make(), self.make_in(seed=self.context().seed + 1)
        for name in SPLITS:
            first = [(one.id, one.label) for one in self.subject.split(name)]
            for who, dataset in (("a new component", again), ("a run with another seed", other)):
                seen = [(one.id, one.label) for one in dataset.split(name)]
                require(seen == first, f"{name} with other samples, labels or order in {who}")

    @check("dataset.labels", "labels that are indices into the run's label set or None, and some in train")
    def test_labels(self) -> None:
        """A label out of range ends in an error of the loss, or silently as the last emotion."""
        self._check_labels(self.subject, len(self.context().labels))

    @check(
        "dataset.label-order",
        "each sample to keep its emotion where the run lists its labels in another order",
    )
    def test_label_order(self) -> None:
        """Label sets are ordered by the spec, not by the dataset; a fixed index would be another emotion."""
        names = self.context().labels.names
        turned = self.make_in(labels=LabelSet(names[::-1]))
        for name in SPLITS:
            for one, other in zip(self.subject.split(name), turned.split(name), strict=True):
                here = None if one.label is None else names[one.label]
                there = None if other.label is None else names[::-1][other.label]
                require(here == there, f"{one.id} is {there} instead of {here}")

    @check(
        "dataset.labels-fit", "other label sets to be mapped, or refused when the dataset is built or read"
    )
    def test_labels_fit(self) -> None:
        """A spec with labels that the data does not have must be told so before the first step."""
        for names in OTHER_LABELS:
            try:
                dataset = self.make_in(labels=LabelSet(names))
                splits = [dataset.split(name) for name in SPLITS]
            except EmosymError:
                continue
            require(all(splits), f"an empty split with the labels {', '.join(names)}")
            self._check_labels(dataset, len(names))

    def _check_labels(self, dataset: Any, classes: int) -> None:
        for name in SPLITS:
            for sample in dataset.split(name):
                known = type(sample.label) is int and 0 <= sample.label < classes
                require(
                    known or sample.label is None,
                    f"the label {sample.label!r} of {sample.id} in {name}, of {classes}",
                )
        require(
            any(sample.label is not None for sample in dataset.split("train")),
            f"no label in train with {classes} labels",
        )

    @check(
        "dataset.pictures", "samples whose pictures open as RGB, the same each time, none of them generated"
    )
    def test_pictures(self) -> None:
        """Backbones take RGB. `generated` marks images of the memory bank, which are no originals."""
        for sample in self.opened():
            pictures = sample.open()
            require(bool(pictures), f"{sample.id} without a picture")
            modes = {one.mode for one in pictures}
            require(modes == {"RGB"}, f"{sample.id} in {', '.join(sorted(modes))}")
            same = [one.tobytes() for one in sample.open()] == [one.tobytes() for one in pictures]
            require(same, f"another picture of {sample.id} the second time")
            require(sample.generated is False, f"{sample.id} with generated = {sample.generated!r}")

    @check("dataset.attributes", "annotations in the form the contract gives them", tier="capability")
    def test_attributes(self) -> None:
        """Rewards compare scenes, objects and levels; a number written as text or a lone object would never
        match."""
        shown = [(sample, dict(sample.attributes)) for sample in self.opened()]
        if not any(attributes for _, attributes in shown):
            raise NotApplicable("the samples have no annotations")
        for sample, attributes in shown:
            require(all(isinstance(key, str) for key in attributes), f"keys of {sample.id} that are no text")
            wrong = [key for key, sound in FORMS.items() if key in attributes and not sound(attributes[key])]
            require(not wrong, f"{sample.id} with {', '.join(f'{key} {attributes[key]!r}' for key in wrong)}")

    @check("dataset.picklable", "samples that survive pickling with picture, label and annotations")
    def test_picklable(self) -> None:
        """Worker processes read the pictures; samples go to them and back as pickles."""
        for sample in self.opened():
            again = pickle.loads(pickle.dumps(sample))  # noqa: S301 - what was pickled here
            require(
                (again.id, again.label) == (sample.id, sample.label), f"{again.id} instead of {sample.id}"
            )
            require(dict(again.attributes) == dict(sample.attributes), f"other annotations of {sample.id}")
            same = [one.tobytes() for one in again.open()] == [one.tobytes() for one in sample.open()]
            require(same, f"another picture of {sample.id}")

    @check("dataset.unknown-split", "a split that does not exist to be refused")
    def test_unknown_split(self) -> None:
        """A misspelt split that is empty, or another one, would give figures of nothing or of the training
        set."""
        for name in ("tset", "validation", "", "all"):
            require(refusal(self.subject.split, name) is not None, f"a split {name!r}")

    @check("dataset.sound", "no problems where the files are sound")
    def test_sound(self) -> None:
        """A run starts with this list, and does not start where it is not empty."""
        problems = self._problems(self.make())
        require(not problems, f"{some(problems, 2)}")

    @check(
        "dataset.problems-told",
        "problems as texts, and splits refused in words, where labels do not fit or files are gone",
    )
    def test_problems_told(self) -> None:
        """`emosym data check` prints the whole list; an error would show the first problem only, as a fault
        of ours."""
        for names in OTHER_LABELS:
            self._check_told(
                lambda names=names: self.make_in(labels=LabelSet(names)), f"labels {', '.join(names)}"
            )
        gone = self.elsewhere()
        if gone is not None:
            self._check_told(lambda: self.make(**gone), "files that are not there")

    def _check_told(self, make: Any, what: str) -> None:
        """What cannot be read has problems; a dataset that refuses to be built says enough."""
        try:
            dataset = make()
        except EmosymError:
            return
        problems = self._problems(dataset)
        unread = [name for name in SPLITS if refusal(dataset.split, name)]
        require(bool(problems) or not unread, f"no problem with {what}, though {some(unread)} cannot be read")

    def _problems(self, dataset: Any) -> list[str]:
        problems = dataset.problems()
        texts = isinstance(problems, list) and all(isinstance(one, str) and one.strip() for one in problems)
        require(texts, f"{problems!r}")
        return list(problems)

    @check("dataset.facts", "facts that can be written as JSON, the same from a new component")
    def test_facts(self) -> None:
        """They are written into the run's provenance, and say later which data a figure is of."""
        facts = self.subject.facts()
        require(isinstance(facts, Mapping), f"a {type(facts).__name__}")
        written = json.dumps(dict(facts), allow_nan=False, sort_keys=True)
        again = json.dumps(dict(self.make().facts()), allow_nan=False, sort_keys=True)
        require(again == written, f"{again} after {written}")
