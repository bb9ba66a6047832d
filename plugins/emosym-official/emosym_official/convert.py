"""The import: read, settle the spec, build the system, put every tensor in its place, write the folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError, Registry, load_registry
from emosym_registry.errors import some
from torch import Size, Tensor, empty

from emosym import Resolved, System, load_spec, plugins_only
from emosym.contracts import MIKELS_8, LabelSet
from emosym.toolkit import write_json, written_whole
from emosym_official.base import Remainder, sort_out
from emosym_official.checkpoint import Checkpoint, read_checkpoint
from emosym_official.layout import find
from emosym_official.names import by_plain_name
from emosym_official.report import Report
from emosym_official.weights import Weight, Weights

READING = {
    "question": "What is the emotion of the image?\nSummarize above image and sentence in one word: ",
    "positions": "sequential",
}
"""How the authors' code reads an image: its question, and positions that count image tokens like words.
Tokens and adapter were trained so; the files do not say it."""


def import_official(
    folder: Path,
    out: Path,
    *,
    spec: Path | str,
    registry: Registry | None = None,
    sets: Sequence[str] = (),
    labels: Sequence[str] = MIKELS_8,
    mappers: Path | None = None,
    emotion_space: Path | None = None,
    device: str = "auto",
    trust_remote_code: bool = False,
) -> Report:
    """Read a checkpoint of the authors' code into a saved system at ``out``, whole or not at all.

    ``spec`` and ``sets`` say what the checkpoint does not: which backbone and diffusion model, which data.
    ``labels`` are the emotions in the checkpoint's order; ``mappers`` and ``emotion_space`` are the folders
    of what does not lie in ``folder``. Errors: ``official.*``, those of the spec and of loading the models.
    """
    if out.exists():
        raise EmosymError("official.exists", f"{out} exists already", hint="choose another --out")
    registry = registry or load_registry(only=plugins_only(spec, sets))
    wanted = load_spec(spec, registry=registry, sets=sets)
    names = LabelSet.of(wanted.spec.labels).names
    generates = wanted.spec.diffusion is not None
    layout = find(folder, names, mappers=mappers, emotion_space=emotion_space, generates=generates)
    checkpoint = read_checkpoint(layout, names, labels)
    settings = checkpoint.settings() | trained_by(wanted) | reading_of(wanted)
    # As --set takes them; JSON is YAML.
    sets = [*(f"{key}={json.dumps(value)}" for key, value in settings.items()), *sets]
    refuse_contradictions(load_spec(spec, registry=registry, sets=sets), settings)
    system = System.new(
        spec, sets=sets, registry=registry, device=device, trust_remote_code=trust_remote_code
    )
    remainder = sort_out(checkpoint.rest, system.backbone.named_parameters(), layout.rest.name)
    weights = place(checkpoint, system, remainder)
    load(system, weights)
    report = Report(checkpoint, weights, settings, (tuple(labels), names), remainder)
    with written_whole(out) as partial:
        system.save(partial)
        write_json(partial / "import.json", report.data())
    return report


def trained_by(wanted: Resolved) -> dict[str, str]:
    """The checkpoint's adapter acts on the whole prompt, whatever the spec lets its backbone learn."""
    fields = type(wanted.config("backbone")).model_fields
    return {"backbone.params.training": "lora"} if "training" in fields else {}


def reading_of(wanted: Resolved) -> dict[str, str]:
    """:data:`READING` for a backbone that has these parameters, where the spec does not speak of them."""
    fields = type(wanted.config("backbone")).model_fields
    keys = {f"backbone.params.{name}": value for name, value in READING.items() if name in fields}
    return {key: value for key, value in keys.items() if wanted.origin(key).kind == "default"}


def refuse_contradictions(resolved: Resolved, settings: Mapping[str, Any]) -> None:
    """``--set`` may say everything but what the checkpoint says. Errors: ``official.contradicted``."""
    wrong = []
    for key, value in settings.items():
        part, kind, *path = key.split(".")
        offer = resolved.offers.get(part)
        if kind == "params":
            said: Any = resolved.config(part).model_dump(mode="json").get(path[0])
        else:
            said = getattr(getattr(resolved.spec, part), kind) if offer is None else offer.qualified
        if not _agrees(said, value):
            wrong.append(f"{key}: the checkpoint says {json.dumps(value)}, --set says {json.dumps(said)}")
    if wrong:
        raise EmosymError(
            "official.contradicted",
            "\n  ".join(["--set contradicts the checkpoint:", *wrong]),
            hint="leave these out; they are read from the checkpoint",
        )


def _agrees(said: Any, value: Any) -> bool:
    if isinstance(value, dict):
        return isinstance(said, dict) and all(_agrees(said.get(key), item) for key, item in value.items())
    return bool(said == value)


def place(checkpoint: Checkpoint, system: System, remainder: Remainder) -> Weights:
    """Every tensor by its place in ``system``. Errors: ``official.does-not-fit`` with all that does not."""
    adapter, problems = _place_adapter(checkpoint, system.backbone.adapters())
    weights = adapter | checkpoint.weights
    problems = [*checkpoint.problems, *problems, *misfits(weights, shapes(system)), *remainder.problems]
    if problems:
        raise EmosymError(
            "official.does-not-fit",
            "\n  ".join([f"the checkpoint does not fit, {len(problems)} problems:", *problems]),
            hint="name the models it was trained with: --backbone and --diffusion",
        )
    return weights


def _place_adapter(checkpoint: Checkpoint, own: Mapping[str, Tensor]) -> tuple[Weights, list[str]]:
    """The adapter's tensors by our names, one to one; those without a place are problems."""
    file, tensors = checkpoint.layout.adapter, checkpoint.adapter.tensors
    theirs, problems = by_plain_name(tensors)
    ours, _ = by_plain_name(own)
    placed = {
        f"adapters.{ours[form]}": Weight(tensors[name].float(), ((file, name),))
        for form, name in theirs.items()
        if form in ours
    }
    if left := sorted(name for form, name in theirs.items() if form not in ours):
        problems.append(f"{file.name}: {some(left)} have no place in the backbone")
    return placed, problems


def shapes(system: System) -> dict[str, Size]:
    """The shape of every tensor that an import must give, by part and name."""
    tokens = system.compressor.tokens(1)[0]
    parts: dict[str, Mapping[str, Tensor]] = {
        "adapters": system.backbone.adapters(),
        "compressor": {"tokens": tokens},
        "head": system.head.state_dict(),
    }
    if system.generation is not None:
        statistic = empty(len(system.labels), *tokens.shape, device="meta")
        parts["fusion"] = system.generation.fusion.state_dict()
        parts["emotion_space"] = {"mean": statistic, "std": statistic}
        parts["diffusion"] = system.generation.diffusion.adapters()
    return {f"{part}.{name}": tensor.shape for part, own in parts.items() for name, tensor in own.items()}


def misfits(weights: Weights, wanted: Mapping[str, Size]) -> Iterator[str]:
    """What is ``wanted`` and missing, or there in another shape."""
    if missing := sorted(wanted.keys() - weights.keys()):
        yield f"nothing in the checkpoint for {some(missing)}"
    for name, weight in weights.items():
        if wanted.get(name) != weight.tensor.shape:
            here = str(list(wanted[name])) if name in wanted else "no place"
            yield f"{name}: {list(weight.tensor.shape)} in {weight.sources[0][0].name}, {here} in the system"


def load(system: System, weights: Weights) -> None:
    """Give the system's parts their tensors."""
    parts: dict[str, dict[str, Tensor]] = {}
    for target, weight in weights.items():
        part, _, name = target.partition(".")
        parts.setdefault(part, {})[name] = weight.tensor
    system.backbone.load_adapter_state(parts["adapters"])
    system.compressor.set_tokens(parts["compressor"]["tokens"])
    system.head.load_state_dict(parts["head"])
    if system.generation is not None:
        system.generation.fusion.load_state_dict(parts["fusion"])
        system.generation.emotion_space.set_gaussians(**parts["emotion_space"])
