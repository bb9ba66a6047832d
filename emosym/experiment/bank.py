"""The memory bank of a run, opened again: what it holds and why, by its contract alone, so that anybody's bank can be asked."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from emosym_registry import EmosymError, Registry
from emosym_registry.errors import did_you_mean, plural, some, unknown

from emosym.assembly import Builder
from emosym.contracts import LabelSet, LedgerEntry, MemoryBank, Standing, replay
from emosym.experiment.folder import RunFolder
from emosym.experiment.lock import locked
from emosym.spec import load_spec
from emosym.toolkit import file_name, written_whole
from emosym.toolkit.files import write_json_lines
from emosym.training.checkpoint import steps_of

INDEX = "index.jsonl"
"""The list of an export, which dataset ``index`` reads."""
ORDERS = ("emotion", "age", "score")
"""How held images may be put in order: by emotion, the oldest first, the worst first."""
NOT_DONE = "stage unify is not done; when the run goes on, its bank returns to the last checkpoint"
"""What whoever changes the bank of an unfinished run should know."""


@dataclass(frozen=True)
class Entry:
    """An image that a bank holds."""

    image: str
    emotion: str
    step: int
    """The optimiser step of the refresh that admitted it."""
    age: int
    """Refreshes in effect since."""
    scores: Mapping[str, float]
    masked: bool
    """Whether it was taken out of the training set by hand."""
    seed: int | None
    prompt: str
    generator: str

    @property
    def score(self) -> float:
        """The lowest of its scores."""
        return min(self.scores.values(), default=0.0)


@dataclass(frozen=True)
class OpenBank:
    """A run's bank, the run's emotions, and whether the stage that fills the bank has come to its end."""

    bank: MemoryBank[Any]
    labels: LabelSet
    run: Path
    finished: bool

    def standing(self, until: int | None = None) -> Standing:
        """What the ledger amounts to, up to a line of it."""
        return replay(self.bank.ledger(), until)

    def entries(self, until: int | None = None) -> list[Entry]:
        """The images that the bank holds, in the order of their admission."""
        return entries(self.standing(until), self.labels.names)

    def chosen(self, emotion: str | None = None, sort: str = "emotion") -> list[Entry]:
        """The images that the bank holds, of one emotion or of all, in one of :data:`ORDERS`.

        Errors: ``data.unknown-label``, ``cli.unknown-order``.
        """
        names = self.labels.names
        keys: dict[str, Callable[[Entry], float]] = {
            "emotion": lambda entry: names.index(entry.emotion) if entry.emotion in names else -1,
            "age": lambda entry: -entry.age,
            "score": lambda entry: entry.score,
        }
        if sort not in keys:
            raise unknown("cli.unknown-order", "order", sort, ORDERS)
        wanted = None if emotion is None else names[self.labels.index(emotion)]
        return sorted((entry for entry in self.entries() if wanted in (None, entry.emotion)), key=keys[sort])

    def history(self, action: str | None = None, entry: str | None = None) -> list[LedgerEntry]:
        """Lines of the ledger, of one action or image alone where these are named."""
        return [
            line
            for line in self.bank.ledger()
            if action in (None, line.action) and entry in (None, line.image, line.image.rpartition("/")[2])
        ]

    def named(self, label: int) -> str:
        """The emotion of a line of the ledger, empty where it has none."""
        return self.labels.names[label] if 0 <= label < len(self.labels) else ""

    def save_ledger(self) -> None:
        """Write the ledger into the run folder again."""
        write_ledger(self.bank, self.run)


@contextmanager
def opened(run: Path, registry: Registry, *, write: bool = False) -> Iterator[OpenBank]:
    """The bank of a run folder for the time of the block; to ``write``, nobody else may be at work on the run.

    Errors: ``run.missing``, ``run.locked``, ``bank.none``, ``bank.not-durable``, ``bank.not-begun``, and those of opening it.
    """
    folder = RunFolder(run)
    if not folder.spec.is_file() or not folder.id:
        what = "no run" if run.is_dir() else "no such folder"
        raise EmosymError("run.missing", f"{run}: {what}", hint="give a run folder, such as runs/tiny")
    resolved = load_spec(folder.spec, registry=registry, use=("memory",))
    if resolved.spec.memory is None:
        raise EmosymError(
            "bank.none", f"{run}: this run has no memory bank", hint="its spec has memory: null"
        )
    offer = resolved.offers["memory"]
    if "durable" not in offer.spec.capabilities:
        raise EmosymError(
            "bank.not-durable",
            f"bank {offer.spec.name} of {run} went with the process of its run",
            hint=f"{run / 'ledger.jsonl'} has its history; memory: {{name: sql}} keeps its images",
        )
    finished = "unify" in folder.done()
    if not finished and not steps_of(run / "checkpoints", "unify"):
        raise EmosymError(
            "bank.not-begun",
            f"{run}: stage unify, which fills the bank, has not begun",
            hint=f"go on with: emosym run {folder.spec} --out {run} --resume",
        )
    builder = Builder.of(
        resolved, registry, run=run, run_id=folder.id, device=torch.device("cpu"), precision="fp32"
    )
    with ExitStack() as stack:
        if write:
            stack.enter_context(locked(run))
        stack.enter_context(builder.naming())
        bank = builder.build("memory")
        stack.callback(bank.close)
        yield OpenBank(bank, builder.context.labels, run, finished)


def entries(standing: Standing, names: Sequence[str]) -> list[Entry]:
    """What a ledger says of the images that are held."""
    return [
        Entry(
            image,
            names[line.label] if 0 <= line.label < len(names) else "",
            line.step,
            sum(number > line.number for number, _ in standing.refreshes),
            dict(line.detail.get("scores", {})),
            image in standing.masked,
            line.detail.get("seed"),
            str(line.detail.get("prompt", "")),
            str(line.detail.get("generator", "")),
        )
        for image, line in standing.admitted.items()
    ]


def roll_back(open_bank: OpenBank, step: int | None, reason: str) -> list[int]:
    """Undo the last refresh, or all since the one of ``step`` and that one; their steps, the newest first.

    Errors: ``bank.no-refresh``.
    """
    in_effect = [refreshed for _, refreshed in open_bank.standing().refreshes]
    if not in_effect or (step is not None and step not in in_effect):
        wanted = "no refresh is in effect" if step is None else f"no refresh of step {step} is in effect"
        known = some([str(one) for one in in_effect], 12)
        raise EmosymError(
            "bank.no-refresh", wanted, hint=f"in effect: {known}" if known else "nothing to undo"
        )
    first = len(in_effect) - 1 if step is None else in_effect.index(step)
    for _ in in_effect[first:]:
        open_bank.bank.rollback(reason)
    return in_effect[first:][::-1]


def named(standing: Standing, word: str) -> str:
    """The id of a held image by its id, or by what follows the last slash of it. Errors: ``bank.no-entry``."""
    found = [image for image in standing.admitted if word in (image, image.rpartition("/")[2])]
    if len(found) == 1:
        return found[0]
    held = list(standing.admitted)
    raise EmosymError(
        "bank.no-entry",
        f"the bank holds no image {word!r}",
        hint=did_you_mean(word, held)
        or f"it holds {plural(len(held), 'image')}; emosym bank show lists them",
    )


def agrees(standing: Standing, bank: MemoryBank[Any]) -> bool:
    """Whether the bank shows what its ledger says; False where it cannot be asked without the data.

    Errors: ``bank.disagrees`` where it shows something else.
    """
    try:
        shown = [sample.id for sample in bank.held()]
    except EmosymError as error:
        if error.id == "memory.unserved":
            return False
        raise
    if standing.shown != shown:
        apart = Counter(standing.shown)
        apart.subtract(shown)
        wrong = sorted(image for image, times in apart.items() if times)
        raise EmosymError(
            "bank.disagrees",
            f"the ledger says {plural(len(standing.shown), 'image')}, the bank shows {len(shown)}: "
            f"{some(wrong) or 'another order'}",
            hint="the bank was changed by another program; restore a copy of it",
        )
    return True


def export(open_bank: OpenBank, folder: Path) -> int:
    """Write the images in the training set as PNGs with ``index.jsonl``, whole or not at all; how many. Errors:
    ``bank.not-empty`` where something is in the folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise EmosymError("bank.not-empty", f"{folder} is not empty", hint="name a new folder")
    known = {entry.image: entry for entry in open_bank.entries()}
    samples = open_bank.bank.held()
    with written_whole(folder) as partial:
        partial.mkdir(parents=True)
        lines = []
        for sample in samples:
            entry = known[sample.id]
            name = file_name(f"{entry.emotion}-{sample.id.rpartition('/')[2]}") + ".png"
            source = sample.images[0]
            if isinstance(source, bytes) and source.startswith(b"\x89PNG"):
                (partial / name).write_bytes(source)  # the very file, so that its hash still fits
            else:
                sample.open()[0].save(partial / name)
            about = dataclasses.asdict(entry)
            lines.append(
                {"split": "train", "image": name, "label": about.pop("emotion"), "id": about.pop("image")}
                | about
            )
        write_json_lines(partial / INDEX, lines)
    return len(samples)


def write_ledger(bank: MemoryBank[Any], run: Path) -> None:
    """``ledger.jsonl`` of a run: the bank's history."""
    write_json_lines(run / "ledger.jsonl", [as_json(line) for line in bank.ledger()])


def as_json(line: LedgerEntry) -> dict[str, Any]:
    """A line of a ledger as plain JSON; of what a bank notes there of its own, the words."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(line), default=str))
    return plain
