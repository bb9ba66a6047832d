"""``emosym data``: check what a run would read, and write its texts ahead. Plugins add verbs that make data."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from emosym_registry import EmosymError

from emosym.cli.common import (
    DeviceOption,
    PrecisionOption,
    SetOption,
    SpecArgument,
    TrustOption,
    registry_for,
    resolve,
)
from emosym.cli.failures import StoppedError
from emosym.cli.group import PluginGroup

if TYPE_CHECKING:
    from emosym_registry import RegisteredComponent

    from emosym.contracts import Dataset, LabelSet

app = typer.Typer(cls=PluginGroup, help="Check data, or make some.", no_args_is_help=True)


@app.callback()
def _data() -> None:
    """Check data, or make some."""


@app.command("check")
def check(
    context: typer.Context,
    spec: Annotated[str | None, typer.Argument(metavar="[SPEC]", help="Check the data of this spec.")] = None,
    folder: Annotated[
        list[Path] | None,
        typer.Option("--folder", metavar="DIR", help="Check this folder instead; repeatable."),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout", help="Dataset that reads --folder: emoset, image-folder …; guessed by default."
        ),
    ] = None,
    labels: Annotated[
        str, typer.Option("--labels", help="Label set of --folder: mikels-8, binary, or names with commas.")
    ] = ("mikels-8"),
    index: Annotated[
        Path | None,
        typer.Option(
            "--index",
            metavar="FILE",
            help="Write what can be read as JSON lines, which dataset `index` reads.",
        ),
    ] = None,
    sets: SetOption = None,
) -> None:
    """List everything that is wrong with data, before a run would stumble over it."""

    if index is not None and len(folder or ()) > 1:
        raise EmosymError("cli.what-to-check", "--index is for one dataset, and several are named")
    if (spec is None) == (not folder):
        raise EmosymError(
            "cli.what-to-check", "nothing to check, or two things", hint="give a SPEC or --folder DIR"
        )
    found = 0
    if spec is not None:
        found += _report(*_from_spec(context, spec, sets), index=index)
    for path in folder or ():
        found += _report(*_from_folder(context, path, layout, labels), None, index=index)
    if found:
        print(
            f"error: {found} problem{'s' if found > 1 else ''} found; mend the files and check again",
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
) -> tuple[str, Dataset, LabelSet, RegisteredComponent]:
    """What the spec's data are called, the data, their labels, and the backbone that will read them."""
    import torch

    from emosym.assembly import Builder

    resolved, registry = resolve(context.obj, source, sets)
    builder = Builder.of(resolved, registry, device=torch.device("cpu"), precision="fp32")
    dataset, backbone = builder.build("data"), resolved.offers["backbone"]
    return resolved.component("data"), dataset, builder.context.labels, backbone


def _from_folder(
    context: typer.Context, path: Path, layout: str | None, labels: str
) -> tuple[str, Dataset, LabelSet]:
    if not path.is_dir():
        raise EmosymError("data.no-folder", f"{path}: no such folder", hint="check the path")
    name = layout or guess_layout(path)
    offer = registry_for(context.obj).find("dataset", name)
    from emosym.contracts import Context, LabelSet

    names = LabelSet.of(labels if labels in ("mikels-8", "binary") else labels.split(","))
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


def guess_layout(path: Path) -> str:
    """EmoSet's layout has index files beside its pictures; anything else is read as folders of pictures."""
    return (
        "emoset"
        if any((path / name).exists() for name in ("info.json", "train.json", "annotation"))
        else "image-folder"
    )


def write_index(file: Path, dataset: Dataset, labels: LabelSet) -> int:
    """One JSON object for each sample whose picture can be read, whole or not at all; returns how many are left out.

    ``image`` is a path, or null where the picture is in a database.
    """
    import json

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


def _report(
    name: str,
    dataset: Dataset,
    labels: LabelSet,
    backbone: RegisteredComponent | None,
    *,
    index: Path | None,
) -> int:
    """Print the problems on stderr, or what is there; returns how many problems there are."""
    problems = dataset.problems()
    if not problems and backbone is not None:
        from emosym.experiment.preflight import too_long

        problems = too_long(dataset, backbone)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        if index is not None:
            _write_index(index, dataset, labels)
        return len(problems)
    from emosym.contracts import SPLITS

    sizes, facts = {split: dataset.split(split) for split in SPLITS}, dataset.facts()
    print(f"ok: {name}: " + ", ".join(f"{split} {len(samples)}" for split, samples in sizes.items()))
    counts: Counter[Any] = Counter(sample.label for sample in sizes["train"])
    print("train: " + ", ".join(f"{label} {counts[index]}" for index, label in enumerate(labels.names)))
    for key, value in facts.items():
        print(f"{key}: {value}")
    if index is not None:
        _write_index(index, dataset, labels)
    return 0


def _write_index(file: Path, dataset: Dataset, labels: LabelSet) -> None:
    try:
        left_out = write_index(file, dataset, labels)
    except EmosymError as error:
        if error.id != "data.unsound":
            raise
        print(f"no index: {error.message}", file=sys.stderr)
        return
    print(f"index: {file}" + (f", without {left_out} that cannot be read" if left_out else ""))
