"""``emosym data``: check what a run would read, and write its texts ahead. Plugins add verbs that make data."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from emosym_registry import EmosymError
from emosym_registry.errors import some

from emosym.cli import completion
from emosym.cli.common import (
    DeviceOption,
    JsonOption,
    PrecisionOption,
    SetOption,
    SpecArgument,
    TrustOption,
    registry_for,
    resolve,
)
from emosym.cli.failures import StoppedError
from emosym.cli.group import PluginGroup
from emosym.cli.saying import say
from emosym.cli.spec.new import labels_of

if TYPE_CHECKING:
    from emosym.contracts import Dataset, LabelSet

app = typer.Typer(
    cls=PluginGroup,
    help="Check what a run would read, write its texts ahead, make data.",
    no_args_is_help=True,
)


@app.callback()
def _data() -> None:
    """Check what a run would read, write its texts ahead, make data."""


@app.command("check")
def check(
    context: typer.Context,
    spec: Annotated[
        str | None,
        typer.Argument(metavar="SPEC", help="Check the data of this spec.", autocompletion=completion.specs),
    ] = None,
    folder: Annotated[
        list[Path] | None,
        typer.Option("--folder", metavar="DIR", help="Check this folder instead; repeatable."),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout",
            metavar="NAME",
            help="Dataset that reads --folder: emoset, image-folder …; guessed by default.",
            autocompletion=completion.of_kind("dataset"),
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            metavar="A,B,C",
            help="Emotions of --folder: mikels-8, binary, or names with commas; what its folders are called by default.",
        ),
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(
            "--index",
            metavar="FILE",
            help="Write what can be read as JSON lines, which dataset `index` reads.",
        ),
    ] = None,
    sets: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List everything that is wrong with data, before a run would stumble over it."""
    if index is not None and len(folder or ()) > 1:
        raise EmosymError("cli.what-to-check", "--index is for one dataset, and several are named")
    if (spec is None) == (not folder):
        raise EmosymError(
            "cli.what-to-check", "nothing to check, or two things", hint="give a SPEC or --folder DIR"
        )
    checked = []
    if spec is not None:
        checked.append(_checked(*_from_spec(context, spec, sets)))
    checked += [_checked(*_from_folder(context, path, layout, labels), None) for path in folder or ()]
    if as_json:
        print(json.dumps([one.as_dict() for one in checked], indent=2, ensure_ascii=False))
    for one in checked:
        if not as_json:
            one.show()
        if index is not None:
            _write_index(index, one.dataset, one.labels, sys.stderr if as_json else sys.stdout)
    found = sum(len(one.problems) for one in checked)
    if found:
        print(
            f"error: {found} problem{'s' if found > 1 else ''} found; mend the data or the spec and check again",
            file=sys.stderr,
        )
        raise typer.Exit(2)


@app.command("knowledge")
def knowledge(
    context: typer.Context,
    spec: SpecArgument,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FILE", help="JSON lines with `id` and `text`, which knowledge `jsonl` reads."
        ),
    ],
    sets: SetOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    trust_remote_code: TrustOption = False,
) -> None:
    """Write a spec's texts about its training images to a file, ahead of training.

    Texts that cost time or money are kept one by one: the same command goes on where it stopped.
    """
    resolved, registry = resolve(context.obj, spec, sets)
    if "knowledge" not in resolved.offers:
        raise EmosymError(
            "cli.no-knowledge",
            f"{spec} has no knowledge",
            hint="name one, as in --set knowledge.name=backbone",
        )
    say("loading what makes texts")
    from emosym.assembly import Builder
    from emosym.experiment.knowledge import write_knowledge
    from emosym.precision import choose_device, choose_precision

    chosen = choose_device(device or resolved.spec.compute.device)
    builder = Builder.of(
        resolved,
        registry,
        device=chosen,
        precision=choose_precision(precision or resolved.spec.compute.precision, chosen),
        trust_remote_code=trust_remote_code,
    )
    try:
        with builder.naming():
            facts = write_knowledge(resolved, builder, out)
    except KeyboardInterrupt:
        raise StoppedError(f"stopped; {out} keeps what is made, and the same command goes on") from None
    print(f"{out}: {facts.pop('texts'):,} texts, {facts.pop('without'):,} images without one")
    for name, value in facts.items():
        print(f"{name}: {value:,}" if isinstance(value, int | float) else f"{name}: {value}")


def _from_spec(
    context: typer.Context, source: str, sets: list[str] | None
) -> tuple[str, Dataset, LabelSet, Callable[[], list[str]]]:
    """What the spec's data are called, the data, their labels, and what a run would refuse of them."""
    resolved, registry = resolve(context.obj, source, sets)
    say("looking at the data")
    import torch

    from emosym.assembly import Builder
    from emosym.experiment.foreseen import refusals

    builder = Builder.of(resolved, registry, device=torch.device("cpu"), precision="fp32")
    dataset = builder.build("data")
    return (
        resolved.component("data"),
        dataset,
        builder.context.labels,
        lambda: refusals(resolved, builder, dataset),
    )


def _from_folder(
    context: typer.Context, path: Path, layout: str | None, labels: str | None
) -> tuple[str, Dataset, LabelSet]:
    if not path.is_dir():
        raise EmosymError("data.no-folder", f"{path}: no such folder", hint="check the path")
    from emosym.spec.own import labels_in, layout_of

    name = layout or layout_of(path)
    offer = registry_for(context.obj).find("dataset", name)
    from emosym.contracts import Context, LabelSet

    of_folders = labels_in(path) if labels is None and name == "image-folder" else None
    names = LabelSet.of(of_folders or labels_of(labels or "mikels-8"))
    say(
        f"looking at {path}"
        + (f", for the emotions of its folders: {some(names.names, 8)}" if of_folders else "")
    )
    config = offer.load_config()
    key = next((key for key in ("folder", "root", "path") if key in config.model_fields), None)
    if key is None:
        raise EmosymError(
            "data.no-folder-parameter",
            f"dataset {name!r} does not read a folder",
            hint="use --layout emoset or image-folder",
        )
    given = Context(labels=names, kind="dataset", component=offer.spec.name)
    return f"{path} ({name})", offer.load()(config(**{key: str(path)}), given), names


def write_index(file: Path, dataset: Dataset, labels: LabelSet) -> int:
    """One JSON object for each sample whose picture can be read, whole or not at all; returns how many are left out.

    ``image`` is a path, or null where the picture is in a database.
    """
    from emosym.contracts import SPLITS, picture_size
    from emosym.toolkit import written_whole

    left_out = 0
    with written_whole(file) as partial, partial.open("w", encoding="utf-8") as lines:
        for split in SPLITS:
            for sample in dataset.split(split):
                source = sample.images[sample.target_image]
                try:
                    size = picture_size(source)
                except EmosymError:
                    left_out += 1
                    continue
                line = {
                    "id": sample.id,
                    "split": split,
                    "label": None if sample.label is None else labels.names[sample.label],
                    "image": str(source.absolute()) if isinstance(source, Path) else None,
                    "size": size,
                    **({"attributes": dict(sample.attributes)} if sample.attributes else {}),
                }
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
    return left_out


@dataclass(frozen=True)
class Checked:
    """Data that were looked at, and what is wrong with them."""

    name: str
    dataset: Dataset
    labels: LabelSet
    problems: Sequence[str]

    def sizes(self) -> dict[str, int]:
        """Samples of each split."""
        from emosym.contracts import SPLITS

        return {split: len(self.dataset.split(split)) for split in SPLITS}

    def counts(self) -> dict[str, int]:
        """Training samples of each emotion."""
        counts: Counter[Any] = Counter(sample.label for sample in self.dataset.split("train"))
        return {label: counts[index] for index, label in enumerate(self.labels.names)}

    def show(self) -> None:
        """Print the problems on stderr, or what is there."""
        for problem in self.problems:
            print(problem, file=sys.stderr)
        if self.problems:
            return
        print(f"ok: {self.name}: " + ", ".join(f"{split} {size}" for split, size in self.sizes().items()))
        print("train: " + ", ".join(f"{label} {count}" for label, count in self.counts().items()))
        for key, value in self.dataset.facts().items():
            print(f"{key}: {value}")

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON shows it."""
        if self.problems:
            return {"data": self.name, "ok": False, "problems": list(self.problems)}
        facts = dict(self.dataset.facts())
        return {"data": self.name, "ok": True, "splits": self.sizes(), "train": self.counts(), "facts": facts}


def _checked(
    name: str, dataset: Dataset, labels: LabelSet, refusals: Callable[[], list[str]] | None
) -> Checked:
    problems = list(dataset.problems())
    if not problems and refusals is not None:
        problems = refusals()
    return Checked(name, dataset, labels, problems)


def _write_index(file: Path, dataset: Dataset, labels: LabelSet, out: TextIO) -> None:
    try:
        left_out = write_index(file, dataset, labels)
    except EmosymError as error:
        if error.id != "data.unsound":
            raise
        print(f"no index: {error.message}", file=sys.stderr)
        return
    print(f"index: {file}" + (f", without {left_out} that cannot be read" if left_out else ""), file=out)
