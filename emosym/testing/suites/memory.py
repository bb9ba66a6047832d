"""Conformance of memory banks."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
from emosym_registry.errors import some
from numpy.typing import NDArray
from PIL import Image

from emosym.contracts import Sample
from emosym.testing.checks import check, require
from emosym.testing.probes import refusal
from emosym.testing.suites.memory_base import first_difference
from emosym.testing.suites.memory_history import HistoryChecks

NEAR = 8.0
"""Mean difference of two pictures (of 255) below which they are the same, stored with some loss."""


class MemorySuite(HistoryChecks):
    """Each bank is made in a run folder of its own. The originals are 20 images of each emotion, 6 of them
    all without a label; each refresh offers :meth:`candidates`, 4 of each emotion, of which the first time
    the bank must admit some.

    ``fraction`` is the bank's α with the suite's ``params``, 0.1 where the suite does not say. ``durable`` says
    whether what is in the bank outlives the object; None takes ``durable`` among the capabilities of the component's spec.
    """

    @check(
        "memory.reset",
        "the view and the decisions of a new bank after `reset`, and the ledger longer, not shorter",
    )
    def test_reset(self) -> None:
        """A stage that begins anew, as after a lost checkpoint, must not train on what an earlier attempt admitted."""
        bank = self.started()
        first = self.turn(bank)
        lines = len(bank.ledger())
        bank.reset()
        require(bank.view(self.originals) == self.originals, "another training set than the originals")
        require(len(bank.ledger()) >= lines, "a ledger that has lost lines")
        again = self.turn(bank)
        require(list(again.admitted) == list(first.admitted), "other decisions than a new bank's")

    @check("memory.first-view", "the originals, in their order, before any refresh")
    def test_first_view(self) -> None:
        """Until the bank has something better the training set is the dataset's, and nothing else."""
        require(self.started().view(self.originals) == self.originals, "another training set")

    @check(
        "memory.view",
        "the unmasked originals in their order, then the admitted images in the order of their admission",
    )
    def test_view(self) -> None:
        """Batches are drawn by position with a seed: another order is another experiment."""
        bank = self.started()
        first = self.turn(bank)
        gone = set(first.replaced)
        expected = [one.id for one in self.originals if one.id not in gone] + list(first.admitted)
        require(self.ids(bank) == expected, first_difference(self.ids(bank), expected))
        admitted = [*first.admitted, *self.turn(bank, 1).admitted]
        view = bank.view(self.originals)
        held = [sample.id for sample in view if sample.generated]
        require(
            held == [id for id in admitted if id in set(held)],
            "images in another order after a second refresh",
        )
        kept = [sample for sample in view if not sample.generated]
        places = [self.originals.index(sample) for sample in kept]
        require(places == sorted(places), "originals in another order after a second refresh")
        require(not any(sample.generated for sample in view[: len(kept)]), "images among the originals")

    @check(
        "memory.same-size",
        "as many masked originals as held images after every refresh, and none where the bank `adds`",
    )
    def test_same_size(self) -> None:
        """An image that takes an older one's place also takes over the original which that one masked;
        otherwise the training set shrinks from refresh to refresh."""
        bank = self.started()
        for turn in range(4):
            before = set(self.masked(bank))
            done = self.turn(bank, turn)
            size, joined = len(self.ids(bank)), done.size if bank.adds else 0
            expected = len(self.originals) + joined
            require(size == expected, f"{size} samples for {len(self.originals)} originals and {joined} more")
            require(not (bank.adds and self.masked(bank)), f"{some(self.masked(bank))} masked")
            again = [id for id in done.replaced if id in before]
            require(not again, f"{some(again)} replaced a second time")

    @check("memory.record", "the `Refresh` to say what the training set shows: ids, step, size and fraction")
    def test_record(self) -> None:
        """Logs, hooks and reports are written from it."""
        bank = self.started()
        for turn in range(2):
            before = set(self.masked(bank))
            done = self.turn(bank, turn)
            ids = set(self.ids(bank))
            absent = [id for id in done.admitted if id not in ids]
            require(not absent, f"{some(absent)} admitted but not in the training set")
            masked = set(self.masked(bank)) - before
            require(
                masked == set(done.replaced),
                f"{len(masked)} originals masked, {len(done.replaced)} in `replaced`",
            )
            size = sum(sample.generated for sample in bank.view(self.originals))
            require(done.size == size, f"size {done.size} for {size} images")
            share = size / self.counted(bank)
            require(abs(done.fraction - share) < 1e-6, f"fraction {done.fraction:.4g} for {share:.4g}")
            require(done.step == turn + 1, f"step {done.step} for {turn + 1}")

    @check("memory.answers-all", "every candidate to be admitted, or refused with a reason")
    def test_answers_all(self) -> None:
        """Which images were turned away, and why, tells whether the bank or the generator is at fault."""
        done = self.turn(self.started())
        offered, answers = len(self.candidates()), len(done.admitted) + len(done.refused)
        require(answers == offered, f"{answers} answers to {offered} candidates")
        silent = [id for id, reason in done.refused if not reason.strip()]
        require(not silent, f"no reason for {some(silent)}")
        ids = [*done.admitted, *(id for id, _ in done.refused)]
        require(len(set(ids)) == len(ids), "two candidates with one id")

    @check("memory.flagged", "a candidate that a safety checker has flagged to be refused")
    def test_flagged(self) -> None:
        """It is black, and would be trained on as a picture of its emotion."""

        def admitted(flagged: set[int]) -> set[int]:
            offered = [
                dataclasses.replace(
                    one, generated=dataclasses.replace(one.generated, flagged=one.generated.seed in flagged)
                )
                for one in self.candidates()
            ]
            bank = self.started()
            bank.refresh(1, offered, self.confidences)
            return {line.detail["seed"] for line in bank.ledger() if line.action == "admit"}

        black = admitted(set())
        require(not black & admitted(black), "one in the training set")

    @check(
        "memory.fraction",
        "images for at most the fraction α of the labelled originals (of all, where it `adds`), over all refreshes",
    )
    def test_fraction(self) -> None:
        """The authors' bank ended up with a training set of generated images alone. α is what the spec
        promises: a parameter of the bank's own, such as ``fraction``, that a suite with other ``params`` repeats
        as its class attribute ``fraction`` (0.1 where it has none)."""
        bank = self.started()
        count = self.counted(bank)
        most = self.fraction * count + 1e-9
        for turn in range(4):
            self.turn(bank, turn)
            images = sum(sample.generated for sample in bank.view(self.originals))
            most_said = f"{images} images for {count} originals with α = {self.fraction:g}"
            require(max(images, len(self.masked(bank))) <= most, most_said)

    @check("memory.unlabelled-stay", "originals without a label never to be masked")
    def test_unlabelled_stay(self) -> None:
        """They have no confidence by which to go, and no image of an emotion can stand in for them."""
        bank = self.started()
        free = {sample.id for sample in self.originals if sample.label is None}
        for turn in range(3):
            self.turn(bank, turn)
            gone = [id for id in self.masked(bank) if id in free]
            require(not gone, f"{some(gone)} masked")

    @check("memory.least-confident", "the originals of lowest confidence to be masked, within their emotion")
    def test_least_confident(self) -> None:
        """The authors' code sorted the wrong way round and dropped the best originals."""
        bank = self.started()
        self.turn(bank)
        gone = set(self.masked(bank))
        for label in range(len(self.context().labels)):
            own = {one.id: self.confidences[one.id] for one in self.originals if one.label == label}
            masked = [value for id, value in own.items() if id in gone]
            kept = [value for id, value in own.items() if id not in gone]
            if masked and kept:
                seen = f"one of confidence {max(masked):.3f} masked and one of {min(kept):.3f} kept"
                require(max(masked) < min(kept), seen)

    @check("memory.deterministic", "the same decisions for the same candidates")
    def test_deterministic(self) -> None:
        """A bank that draws lots makes every run with it unrepeatable."""
        views = []
        for _ in range(2):
            bank = self.started()
            views.append([(self.turn(bank, turn), self.ids(bank)) for turn in range(2)])
        require(views[0] == views[1], "other decisions in a second bank")

    @check("memory.images", "admitted images to open as the pictures that were offered, with their labels")
    def test_images(self) -> None:
        """They are trained on. A mixed-up picture or label is poison that no loss curve shows."""
        bank = self.started()
        self.turn(bank)
        offered = [(np.asarray(one.generated.image, float), one.generated.label) for one in self.candidates()]
        for sample in bank.view(self.originals):
            if not sample.generated:
                continue
            pixels = _pixels(sample)
            away = [
                float(np.abs(pixels - other).mean()) if pixels.shape == other.shape else 255.0
                for other, _ in offered
            ]
            nearest = int(np.argmin(away))
            require(away[nearest] < NEAR, f"{sample.id} {away[nearest]:.3g} of 255 away from every candidate")
            label = offered[nearest][1]
            require(sample.label == label, f"label {sample.label} of {sample.id}, which was made for {label}")
            again = pickle.loads(pickle.dumps(sample))  # noqa: S301 - what was pickled here
            require(np.array_equal(_pixels(again), pixels), f"{sample.id} does not survive pickling")

    @check("memory.marks-generated", "`generated` to be true of admitted images and of nothing else")
    def test_marks_generated(self) -> None:
        """Knowledge, reports and memorisation checks tell originals from images of our own by it."""
        bank = self.started()
        admitted = set(self.turn(bank).admitted)
        wrong = [one.id for one in bank.view(self.originals) if one.generated != (one.id in admitted)]
        require(not wrong, f"generated wrong for {some(wrong)}")

    @check("memory.no-candidates", "a refresh without candidates to change nothing")
    def test_no_candidates(self) -> None:
        """When no image was good enough the run goes on."""
        bank = self.started()
        self.turn(bank)
        before = self.ids(bank)
        done = bank.refresh(2, [], self.confidences)
        counts = (len(done.admitted), len(done.replaced), len(done.refused))
        require(counts == (0, 0, 0), f"{counts} admitted, replaced, refused")
        require(self.ids(bank) == before, "another training set")

    @check("memory.confidences", "no original to be masked whose confidence is not known")
    def test_confidences(self) -> None:
        """Where there are many, not all are read anew for a refresh. Guessing what is not known drops originals that the
        model knows well."""
        bank = self.started()
        known = {id: value for id, value in self.confidences.items() if value > 0.5}
        for turn in range(2):
            bank.refresh(turn + 1, self.candidates(turn), known)
            gone = [id for id in self.masked(bank) if id not in known]
            require(not gone, f"{some(gone)} masked, whose confidence nobody gave")

    @check("memory.foreign-confidences", "an error, and no change, for a confidence of what is no original")
    def test_foreign_confidences(self) -> None:
        """The authors' bank took the generated images' confidences for the originals' and replaced them all."""
        bank = self.started()
        foreign = {**self.confidences, "generated-1": 0.5}
        error = refusal(lambda: bank.refresh(1, self.candidates(), foreign))
        require(error is not None, "no error")
        require(self.ids(bank) == [one.id for one in self.originals], "another training set after the error")
        require(not bank.ledger(), f"{len(bank.ledger())} lines in the ledger after the error")

    @check("memory.knows-originals", "an error where the first refresh comes before the first view")
    def test_knows_originals(self) -> None:
        """α is a share of the originals; a bank that has not seen them cannot keep to it."""
        bank = self.make()
        error = refusal(lambda: bank.refresh(1, self.candidates(), self.confidences))
        require(error is not None, "no error")

    @check("memory.closed", "an error from every use after `close`, and none from closing twice")
    def test_closed(self) -> None:
        """What is written to a closed bank is lost; cleaning up after an error may close it again."""
        bank = self.started()
        bank.close()
        bank.close()
        uses = {
            "view": lambda: bank.view(self.originals),
            "refresh": lambda: bank.refresh(1, self.candidates(), self.confidences),
            "ledger": bank.ledger,
            "snapshot": bank.snapshot,
            "rollback": lambda: bank.rollback("too late"),
            "restore": lambda: bank.restore("any"),
        }
        silent = [name for name, use in uses.items() if refusal(use) is None]
        require(not silent, f"no error from {', '.join(silent)}")


def _pixels(sample: Sample) -> NDArray[np.float64]:
    image: Image.Image = sample.open()[0]
    return np.asarray(image, float)
