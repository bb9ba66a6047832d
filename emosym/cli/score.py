"""``emosym score``: measure pictures, or predictions, that anybody made."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from emosym_registry import EmosymError
from emosym_registry.errors import plural, unknown

from emosym.cli import completion
from emosym.cli.columns import columns
from emosym.cli.common import DeviceOption, JsonOption, registry_for
from emosym.cli.saying import say

if TYPE_CHECKING:
    from emosym.evaluation.protocol import Protocol

PicturesArgument = Annotated[
    Path | None,
    typer.Argument(metavar="DIR", help="Pictures, in a folder for each emotion: DIR/awe/1.png …"),
]
LayoutOption = Annotated[
    str,
    typer.Option(
        metavar="emotion-folders|emotion-names",
        help="emotion-names: DIR/awe-017.png, as a run writes its pictures.",
    ),
]
CsvOption = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Pictures as a list: columns path, emotion, perhaps prompt."),
]
RealOption = Annotated[
    Path | None,
    typer.Option("--real", metavar="DIR|CSV", help="Real pictures to compare with, such as EmoSet's image/."),
]
TrainOption = Annotated[
    Path | None,
    typer.Option(
        "--train", metavar="DIR|CSV", help="What the painter learned from, for nearest; --real by default."
    ),
]
PredictionsOption = Annotated[
    Path | None,
    typer.Option(
        "--predictions", metavar="FILE", help="Measure predictions instead: CSV, JSON lines or Parquet."
    ),
]
ProtocolOption = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        metavar="NAME|FILE",
        help="What is measured, and how: emogen (the default), tiny, or a YAML file.",
    ),
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="Measure this in place of the protocol's; repeatable.",
        autocompletion=completion.of_kind("metric"),
    ),
]
JudgeOption = Annotated[
    str | None,
    typer.Option(
        "--judge",
        metavar="NAME[:MODEL]",
        help="Another judge, as in image-classifier:OWNER/NAME.",
        autocompletion=completion.of_kind("judge"),
    ),
]
LabelsOption = Annotated[
    str | None, typer.Option("--labels", metavar="A,B,C", help="The emotions, in order; mikels-8 by default.")
]
WeightsOption = Annotated[
    Path | None,
    typer.Option("--weights", metavar="DIR", help="A folder with the files that the protocol asks for."),
]
SetParameterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A parameter, as in fid.weights=FILE or judge.head=FILE; repeatable.",
    ),
]


def score(
    context: typer.Context,
    pictures: PicturesArgument = None,
    layout: LayoutOption = "emotion-folders",
    csv: CsvOption = None,
    real: RealOption = None,
    train: TrainOption = None,
    predictions: PredictionsOption = None,
    protocol: ProtocolOption = None,
    metrics: MetricOption = None,
    judge: JudgeOption = None,
    labels: LabelsOption = None,
    weights: WeightsOption = None,
    sets: SetParameterOption = None,
    download: Annotated[
        bool, typer.Option("--download", help="Let weights that are not here be downloaded; else none are.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write DIR/score.json.")] = None,
    as_json: JsonOption = False,
    device: DeviceOption = None,
) -> None:
    """Measure pictures, or predictions, that anybody made."""
    say("loading what measures")
    _refuse_several(pictures, csv, predictions)
    if not download:
        os.environ["HF_HUB_OFFLINE"] = "1"
    registry = registry_for(context.obj)
    from emosym.contracts import LabelSet
    from emosym.evaluation.protocol import load_protocol
    from emosym.evaluation.score import score_pictures, score_predictions
    from emosym.evaluation.shown import LAYOUTS
    from emosym.precision import choose_device
    from emosym.toolkit import make_folder, write_json

    if layout not in LAYOUTS:
        raise unknown("score.unknown-layout", "layout", layout, LAYOUTS)
    if out is not None:
        make_folder(out)
    named = _named(labels)

    def load(usual: str) -> Protocol:
        return load_protocol(
            protocol or usual,
            registry,
            metrics=metrics or (),
            judge=judge or "",
            labels=named,
            sets=sets or (),
            weights=weights,
        )

    on = choose_device(device or "auto")
    if predictions is not None:
        own = LabelSet.of(named[0] if len(named) == 1 else named) if named else None
        result = score_predictions(
            predictions,
            lambda by_name: load("predicted-names" if by_name else "predictions"),
            registry,
            labels=own,
            device=on,
            say=say,
        )
    else:
        source = csv or pictures
        assert source is not None
        result = score_pictures(
            source, load("emogen"), registry, layout=layout, real=real, training=train, device=on, say=say
        )
    if out is not None:
        write_json(out / "score.json", result)
    print(json.dumps(result, indent=2) if as_json else page(result))


def _refuse_several(*sources: Path | None) -> None:
    given = [source for source in sources if source is not None]
    if len(given) != 1:
        raise EmosymError(
            "score.no-source" if not given else "score.several-sources",
            "nothing to measure" if not given else "more than one thing to measure",
            hint="emosym score DIR, or --csv FILE, or --predictions FILE",
        )


def _named(labels: str | None) -> list[str]:
    return [name.strip() for name in labels.split(",") if name.strip()] if labels else []


def page(result: Mapping[str, Any]) -> str:
    """What was measured, of what and by what, for people."""
    from emosym.evaluation.score import by_reason

    protocol = result["protocol"]
    lines = [
        _of_what(result),
        f"protocol {protocol['name']}, version {protocol['version']}, seed {protocol['seed']}",
    ]
    judges = [one for one in result["components"] if one["kind"] == "judge"]
    lines += [f"judge {one['name']} {one['version']}: {_parameters(one['params'])}" for one in judges]
    sections = ["\n".join(lines), _table(result)]
    for title, items in (
        ("other than the protocol has it:", protocol["differences"]),
        ("not measured:", by_reason(result["missing"])),
    ):
        if items:
            sections.append("\n".join([title, *(f"  {item}" for item in items)]))
    return "\n\n".join(sections)


def _of_what(result: Mapping[str, Any]) -> str:
    if "predictions" in result:
        about = result["predictions"]
        what = "probabilities" if about["probabilities"] else "names"
        beside = "distributions" if about["targets"] else "labels"
        return f"{plural(about['count'], 'prediction')} of {about['file']}: {what}, beside {beside}"
    return "\n".join(
        f"{plural(about['count'], 'picture')} {name}: {about['source']} ({_spread(about['per_emotion'])}; "
        f"{', '.join(about['sizes'][:3])}{' …' if len(about['sizes']) > 3 else ''})"
        for name, about in result["pictures"].items()
        if about is not None
    )


def _spread(counts: Mapping[str, int]) -> str:
    there = {name: count for name, count in counts.items() if count}
    same = len(set(there.values())) == 1
    each = f"{next(iter(there.values()))} each" if same else ", ".join(f"{n} {c}" for n, c in there.items())
    return f"{plural(len(there), 'emotion')}, {each}"


def _parameters(params: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value}"
        for name, value in params.items()
        if value is not None and not isinstance(value, list)
    )


def _table(result: Mapping[str, Any]) -> str:
    from emosym.report.numbers import NOTHING, Style

    style, figures = Style.of(result), result["results"]
    beside = {style.beside(name) for name in figures} - {""}
    ends = {f"{name}{end}" for name in figures for end in ("_low", "_high")}
    rows = [
        (
            style.title(name),
            style.with_interval(figures, name),
            style.with_interval(figures, style.beside(name)) if style.beside(name) in figures else NOTHING,
            {True: "more", False: "less", None: NOTHING}[style.about(name).higher_is_better],
        )
        for name in figures
        if name not in beside and name not in ends and "/" not in name
    ]
    header = ("figure", "value (95 % interval)", "the same of real pictures", "better")
    if "predictions" in result:
        return columns((header[0], header[1], header[3]), [(a, b, d) for a, b, _, d in rows])
    return columns(header, rows)
