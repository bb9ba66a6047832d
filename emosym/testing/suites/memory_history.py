"""Conformance of memory banks: the ledger, and the ways back."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from emosym_registry import EmosymError
from emosym_registry.errors import first_line, some

from emosym.contracts import replay
from emosym.testing.checks import NotApplicable, Unmet, check, require
from emosym.testing.probes import refusal
from emosym.testing.suites.memory_base import BankBase, Torn, first_difference

T = TypeVar("T")


class HistoryChecks(BankBase):
    """What a bank remembers, and what it can undo."""

    @check(
        "memory.ledger",
        "one line for every admission (`admit`), every replacement (`replace`) and every refusal (`refuse`)",
    )
    def test_ledger(self) -> None:
        """The ledger is how a reader of the results learns which images trained the system, and why. A
        decision without a line cannot be audited; one with two lines is counted twice."""
        bank = self.started()
        done = self.turn(bank)
        lines = Counter((line.action, line.image) for line in bank.ledger() if line.image)
        decided = [("admit", id) for id in done.admitted] + [("replace", id) for id in done.replaced]
        decided += [("refuse", id) for id, _ in done.refused]
        wrong = [f"{action} {id}: {lines[action, id]}" for action, id in decided if lines[action, id] != 1]
        require(not wrong and lines.total() == len(decided), f"lines: {some(wrong) or dict(lines)}")
        silent = [str(line.number) for line in bank.ledger() if line.image and not line.reason.strip()]
        require(not silent, f"no reason in line {some(silent)}")

    @check(
        "memory.ledger-grows",
        "a ledger that only grows, oldest first, with rising numbers and lines `rollback` and `restore`",
    )
    def test_ledger_grows(self) -> None:
        """History that can change is no evidence. Rolling back adds a line; it takes none away."""
        bank = self.started()
        start, past = bank.snapshot(), bank.ledger()
        steps = (
            ({"admit"}, lambda: self.turn(bank)),
            ({"admit", "refuse"}, lambda: self.turn(bank, 1)),
            ({"rollback"}, lambda: bank.rollback("validation accuracy fell")),
            ({"restore"}, lambda: bank.restore(start)),
        )
        for words, step in steps:
            step()
            now, action = bank.ledger(), " or ".join(sorted(words))
            require(now[: len(past)] == past, f"other lines than before after {action}")
            actions = [line.action for line in now[len(past) :]]
            require(bool(words & set(actions)), f"new lines {actions[:4]} after {action}")
            past = now
        numbers = [line.number for line in past]
        require(numbers == sorted(set(numbers)), f"numbers {numbers[:8]} …")

    @check(
        "memory.ledger-detail",
        "`seed`, `prompt`, `scores` and `generator` of every admitted image in its line",
    )
    def test_ledger_detail(self) -> None:
        """With them the same image can be made again, and the admission can be checked; without them it is
        hearsay."""
        bank = self.started()
        done = self.turn(bank)
        offered = {one.generated.seed: one for one in self.candidates()}
        for line in bank.ledger():
            if line.image not in done.admitted:
                continue
            one = offered.get(line.detail.get("seed"))
            require(one is not None, f"seed {line.detail.get('seed')!r} in line {line.number}")
            assert one is not None
            given = {"prompt": one.generated.prompt, "generator": one.generator, "scores": dict(one.scores)}
            wrong = [name for name, value in given.items() if not _same(line.detail.get(name), value)]
            require(not wrong, f"line {line.number} without the {some(wrong)} of seed {one.generated.seed}")
            require(line.label == one.generated.label, f"label {line.label} for seed {one.generated.seed}")

    @check(
        "memory.rollback",
        "`rollback` to undo the last refresh, then the one before, with its reason in the ledger",
    )
    def test_rollback(self) -> None:
        """A refresh that lowers validation accuracy is taken back; the state must be exactly the one
        before."""
        bank = self.started()
        views = [self.ids(bank)]
        for turn in range(2):
            self.turn(bank, turn)
            views.append(self.ids(bank))
        for before in (views[1], views[0]):
            bank.rollback("validation accuracy fell by 3 %")
            require(self.ids(bank) == before, "another training set than before the refresh")
            reason = bank.ledger()[-1].reason
            require("validation accuracy fell by 3 %" in reason, f"reason {reason!r} in the last line")
        nothing = refusal(lambda: bank.rollback("once more"))
        require(nothing is not None, "no error when there is no refresh to undo")

    @check(
        "memory.snapshot", "`restore` to return to the training set of its snapshot, forwards and backwards"
    )
    def test_snapshot(self) -> None:
        """--resume restores the bank that belongs to the checkpoint; any other one would be another
        experiment."""
        bank = self.started()
        taken = []
        for turn in range(2):
            self.turn(bank, turn)
            before = self.ids(bank)
            taken.append((bank.snapshot(), before))
            require(self.ids(bank) == before, "another training set after taking a snapshot")
        for snapshot, view in (taken[0], taken[1], taken[0]):
            bank.restore(snapshot)
            require(self.ids(bank) == view, "another training set than at the snapshot")
        require(
            refusal(lambda: bank.restore("no-such-snapshot")) is not None, "no error for an unknown snapshot"
        )

    @check(
        "memory.replay",
        "a refresh that is repeated after `restore` to be taken, with the same ids and the same view",
    )
    def test_replay(self) -> None:
        """--resume restores the bank of the checkpoint and repeats what came after it, the refresh
        included; ids that are taken, or counted on, make the resumed run another one or stop it."""
        bank = self.started()
        self.turn(bank)
        snapshot = bank.snapshot()
        first, view = self.turn(bank, 1), self.ids(bank)
        bank.restore(snapshot)
        try:
            again = self.turn(bank, 1)
        except Exception as error:
            raise Unmet(f"that it is refused: {first_line(error)}") from error
        require(again == first, f"{again} after {first}")
        require(self.ids(bank) == view, first_difference(self.ids(bank), view))

    @check(
        "memory.replayed",
        "the images that the training set shows, in their order, from the ledger alone (`emosym.contracts.replay`)",
    )
    def test_replayed(self) -> None:
        """A history from which the present does not follow is none: `emosym bank replay` and everybody who
        audits a run read the ledger, not the bank's files."""
        bank = self.started()
        self.agrees(bank, "before the first refresh")
        start = bank.snapshot()
        self.turn(bank)
        middle = bank.snapshot()
        self.turn(bank, 1)
        self.agrees(bank, "after two refreshes")
        for what, step in (
            ("a roll-back", lambda: bank.rollback("worse")),
            ("a refresh after it", lambda: self.turn(bank, 2)),
            ("a restore", lambda: bank.restore(middle)),
            ("another roll-back", lambda: bank.rollback("worse again")),
            ("a restore of the empty bank", lambda: bank.restore(start)),
        ):
            step()
            self.agrees(bank, f"after {what}")

    def agrees(self, bank: Any, when: str) -> None:
        """The ledger, replayed, is the view."""
        shown = [sample.id for sample in bank.view(self.originals) if sample.generated]
        try:
            replayed = replay(bank.ledger()).shown
        except EmosymError as error:
            raise Unmet(f"{error.message}, {when}") from error
        require(replayed == shown, f"{first_difference(replayed, shown)}, {when}")

    @check("memory.held", "`held` to give the images of the view without its originals", tier="capability")
    def test_held(self) -> None:
        """`emosym bank show` and `export` are asked long after a run, where the data may be elsewhere."""
        bank = self.started()
        self.turn(bank)
        images = self.served(bank.held)
        require(
            images == [sample for sample in bank.view(self.originals) if sample.generated], "other images"
        )

    @check(
        "memory.by-hand",
        "`mask` to take one image out of the training set and `unmask` to bring it back, in the ledger too",
        tier="capability",
    )
    def test_by_hand(self) -> None:
        """A person who finds a bad picture in the bank should not have to roll back all that came with it."""
        bank = self.started()
        image = self.turn(bank).admitted[0]
        before, masked = self.ids(bank), self.masked(bank)
        self.served(lambda: bank.mask(image, "it shows a face"))
        gone = self.ids(bank)
        require(image not in gone, "the image still in the training set")
        back = [id for id in masked if id in gone]
        wanted = 0 if bank.adds else 1
        require(len(back) == wanted, f"{len(back)} originals back for one image, not {wanted}")
        others = [id for id in before if id not in (image, *back)]
        require([id for id in gone if id not in back] == others, "more changed than that one image")
        self.agrees(bank, "after an image was masked")
        require(refusal(lambda: bank.mask(image, "again")) is not None, "an image masked twice")
        bank.unmask(image, "it does not")
        require(self.ids(bank) == before, "another training set than before")
        self.agrees(bank, "after it was brought back")
        lines = [(line.action, line.image, line.reason) for line in bank.ledger()][-2:]
        expected = [("mask", image, "it shows a face"), ("unmask", image, "it does not")]
        require(lines == expected, f"the last lines {lines}")
        for use in (bank.mask, bank.unmask):
            nothing = refusal(lambda use=use: use("no-such-image", "why"))
            require(nothing is not None, "no error for an image that is not held")

    def served(self, use: Callable[[], T]) -> T:
        """What an optional service gives."""
        try:
            return use()
        except EmosymError as error:
            if error.id == "memory.unserved":
                raise NotApplicable(error.message) from error
            raise

    @check("memory.originals-return", "every original to come back, as it was, when the bank is emptied")
    def test_originals_return(self) -> None:
        """Originals are masked, never deleted: someone's data are not ours to lose."""
        bank = self.started()
        empty = bank.snapshot()
        for turn in range(3):
            self.turn(bank, turn)
            bank.view(self.originals)
        bank.restore(empty)
        view = bank.view(self.originals)
        lost = [one.id for one in self.originals if one.id not in {sample.id for sample in view}]
        require(not lost, f"{some(lost)} lost")
        require(view == self.originals, "other originals, or in another order")

    @check("memory.whole-or-nothing", "a refresh that breaks off to leave the bank as it was")
    def test_whole_or_nothing(self) -> None:
        """Runs are killed at any moment. Half a refresh masks originals for which no image stands in."""
        bank = self.started()
        self.turn(bank)
        before, ledger = self.ids(bank), bank.ledger()
        later = self.candidates(1)
        for what, offered in (
            ("broken off", Torn(later)),
            ("with a score that is no number", _unsound(later)),
        ):
            try:
                bank.refresh(2, offered, self.confidences)
            except Exception:  # noqa: S110 - see the docstring
                pass
            else:
                require(False, f"no error from a refresh {what}")
            require(self.ids(bank) == before, f"another training set after a refresh {what}")
            require(bank.ledger() == ledger, f"new lines in the ledger after a refresh {what}")
        self.turn(bank, 1)
        require(len(bank.ledger()) > len(ledger), "no line of the refresh that came after")

    @check(
        "memory.durable",
        "a bank that is opened again to hold what it held, and its history",
        tier="capability",
    )
    def test_durable(self) -> None:
        """A run that is stopped goes on days later, in another process. A bank that loses its images then
        silently trains on the originals again."""
        if not self.is_durable():
            raise NotApplicable("the bank does not say that it is durable")
        place = self.context().run
        bank = self.make_in(run=place)
        bank.view(self.originals)
        self.turn(bank)
        middle, earlier = bank.snapshot(), bank.view(self.originals)
        self.turn(bank, 1)
        view, ledger = bank.view(self.originals), bank.ledger()
        bank.close()
        again = self.make_in(run=place)
        require(again.view(self.originals) == view, "another training set")
        require(again.ledger() == ledger, "another ledger")
        again.restore(middle)
        require(again.view(self.originals) == earlier, "another training set after restoring an old snapshot")

    @check(
        "memory.other-run",
        "an error where another run (`context.run_id`) opens the bank, and none where the same run does",
        tier="capability",
    )
    def test_other_run(self) -> None:
        """Two runs at one place would train on one another's images, and no figure would show it."""
        if not self.is_durable():
            raise NotApplicable("the bank does not say that it is durable")
        place = self.context().run
        bank = self.make_in(run=place, run_id="one")
        bank.view(self.originals)
        self.turn(bank)
        bank.close()
        seen = refusal(lambda: self.make_in(run=place, run_id="another").view(self.originals))
        require(seen is not None, "another run's bank opened without a word")
        self.make_in(run=place, run_id="one").view(self.originals)


def _same(kept: Any, value: Any) -> bool:
    """Equal, numbers up to rounding; a bank may add scores of its own."""
    if isinstance(value, dict):
        return (
            isinstance(kept, dict)
            and kept.keys() >= value.keys()
            and all(math.isclose(kept[key], value[key], rel_tol=1e-6) for key in value)
        )
    return bool(kept == value)


def _unsound(candidates: list[Any]) -> list[Any]:
    """The same with a last one that nobody can rank."""
    last = candidates[-1]
    return [
        *candidates[:-1],
        type(last)(last.generated, dict.fromkeys(last.scores, math.nan), last.features),
    ]
