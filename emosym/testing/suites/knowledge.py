"""Conformance of knowledge."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from emosym_registry.errors import some

from emosym.contracts import ComponentConfig, Context, Knowledge, KnowledgeResources, Sample
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.generic import ComponentSuite
from emosym.testing.pictures import picture, samples
from emosym.testing.writing import ColourBackbone

COUNT = 12


class KnowledgeSuite(ComponentSuite):
    """Texts about :meth:`samples`; :meth:`resources` is what the knowledge is bound to. Set ``reads_labels`` where the texts
    are meant to argue for the label."""

    kind = "knowledge"
    contract: ClassVar[type] = Knowledge
    reads_labels: ClassVar[bool] = False

    def samples(self) -> Sequence[Sample]:
        """Samples ``sample-0`` to ``sample-11``, labelled, with scene, object, brightness, colorfulness and
        reasoning."""
        return samples(COUNT, labels=len(self.context().labels))

    def resources(self) -> KnowledgeResources:
        """A backbone of the kit that writes what colours a picture has, and a file of the suite's folder."""
        return KnowledgeResources(
            backbone=lambda: ColourBackbone(ComponentConfig(), self.context()),
            file=self.folder / "knowledge.jsonl",
        )

    def build(self, changes: Mapping[str, Any], context: Context) -> Any:
        """A new component, bound to what it may use."""
        knowledge = super().build(changes, context)
        knowledge.bind(self.resources())
        return knowledge

    def texts(self, shown: Sequence[Sample] | None = None) -> list[Any]:
        """What the component says of the samples (or of those ``shown``)."""
        return list(self.subject.texts(self.samples() if shown is None else shown))

    @check("knowledge.one-each", "a list with one entry for each sample")
    def test_one_each(self) -> None:
        """Texts are matched to images by their place; one entry too few moves every text to another image."""
        for shown in (list(self.samples()), list(self.samples())[:1], []):
            texts = self.subject.texts(shown)
            require(isinstance(texts, list), f"a {type(texts).__name__}")
            require(len(texts) == len(shown), f"{len(texts)} entries for {len(shown)} samples")

    @check("knowledge.text-or-none", "every entry to be a text with words in it, or None")
    def test_text_or_none(self) -> None:
        """None leaves an image out of the knowledge losses; an empty text would be encoded, and pull at the
        tokens."""
        for place, text in enumerate(self.texts()):
            said = text is None or (isinstance(text, str) and bool(text.strip()))
            require(said, f"{text!r} for the sample at {place}")

    @check("knowledge.says-something", "different texts for at least two of the samples")
    def test_says_something(self) -> None:
        """Knowledge that says nothing, or the same of every image, costs time and teaches nothing."""
        texts = {text for text in self.texts() if text is not None}
        require(len(texts) > 1, f"{len(texts)} different texts for {len(self.samples())} samples")

    @check("knowledge.repeatable", "the same texts the second time, and from a new component")
    def test_repeatable(self) -> None:
        """Features of the texts are kept between epochs and between runs; a text that changes makes them
        wrong."""
        texts = self.texts()
        require(self.texts() == texts, "other texts the second time")
        require(self.make().texts(self.samples()) == texts, "other texts from a new component")

    @check(
        "knowledge.keeps-file",
        "the texts that it makes in `file`, in JSON lines with `id` and `text`, and nothing left to make after them",
        tier="capability",
    )
    def test_keeps_file(self) -> None:
        """What cost time or money is looked at, mended, published and used again; a run that is stopped goes on with it."""
        file = self.subject.file
        if file is None:
            raise NotApplicable("the knowledge makes no texts")
        texts = dict(zip([one.id for one in self.samples()], self.texts(), strict=True))
        require(isinstance(file, Path) and file.is_file(), f"no file at {file!r}")
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        require(all(isinstance(line, dict) for line in lines), "lines that are no objects")
        there = {line.get("id"): line.get("text") for line in lines}
        lost = [id for id, text in texts.items() if text is not None and not there.get(id)]
        require(not lost, f"no line for {some(lost)}")
        plan = self.make().plan(self.samples())
        require(plan == "", f"a new component that plans: {plan}")

    @check("knowledge.order", "texts that follow the samples when their order changes")
    def test_order(self) -> None:
        """The training set is shuffled; a text that belongs to a place instead of an image is about the
        wrong image."""
        shown = list(self.samples())
        order = [*range(1, len(shown), 2), *range(0, len(shown), 2)]
        turned = self.texts([shown[place] for place in order])
        texts = self.texts(shown)
        moved = [shown[place].id for text, place in zip(turned, order, strict=True) if text != texts[place]]
        require(not moved, f"another text for {some(moved)}")

    @check("knowledge.no-label", "texts that do not depend on the labels", tier="capability")
    def test_no_label(self) -> None:
        """Text is distilled into the reasoning tokens. One that is written from the label tells the answer,
        and has nothing to say of an unlabelled image."""
        if self.reads_labels:
            raise NotApplicable("the suite says that its texts argue for the label")
        shown, classes = list(self.samples()), len(self.context().labels)
        texts = self.texts(shown)
        turned = [
            dataclasses.replace(one, label=((one.label or 0) + 1 + place) % classes)
            for place, one in enumerate(shown)
        ]
        require(self.texts(turned) == texts, "other texts when the samples have other labels")
        unlabelled = [dataclasses.replace(one, label=None) for one in shown]
        require(self.texts(unlabelled) == texts, "other texts when the samples have no labels")

    @check("knowledge.unknown-image", "a text or None for an image that nothing is known of")
    def test_unknown_image(self) -> None:
        """Images of the memory bank join the training set without annotations, and few real sets are
        annotated wholly."""
        stranger = Sample("bank/stranger", (picture(COUNT),), 0, generated=True)
        *_, text = self.texts([*self.samples(), stranger])
        require(text is None or (isinstance(text, str) and bool(text.strip())), f"{text!r}")

    @check("knowledge.leaves-samples", "samples that are as they were before")
    def test_leaves_samples(self) -> None:
        """The samples are the dataset's own: what is changed in them stays changed for every other
        component."""
        shown, untouched = list(self.samples()), copy.deepcopy(list(self.samples()))
        self.texts(shown)
        require(len(shown) == len(untouched), f"{len(shown)} samples instead of {len(untouched)}")
        for one, before in zip(shown, untouched, strict=True):
            for name in ("id", "images", "label", "generated"):
                require(getattr(one, name) == getattr(before, name), f"another {name} of {before.id}")
            require(dict(one.attributes) == dict(before.attributes), f"other attributes of {before.id}")
