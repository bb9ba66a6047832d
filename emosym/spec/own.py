"""What a preset must leave out or exchange for data and labels of one's own, so that a new spec runs as it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError, Registry

from emosym.contracts.config import ComponentConfig
from emosym.contracts.labels import LABEL_SETS, LabelSet
from emosym.spec.model import COMPONENT_LISTS
from emosym.spec.nodes import bare
from emosym.spec.resolved import Resolved

Labels = str | Sequence[str]
TAUGHT = "within-run"
"""The capability of judges that a run teaches: they fit any labels."""
EMOSET = ("info.json", "train.json", "annotation")
"""Of which a folder in EmoSet's layout has some."""


@dataclass(frozen=True)
class Change:
    """A section of a new spec that is not as in its preset, and why."""

    key: str
    value: Any
    why: str = ""


@dataclass(frozen=True)
class Own:
    """The data of somebody's own: ``root`` as read by ``dataset``, with ``labels`` where they are not the preset's."""

    root: Path | None = None
    dataset: str = ""
    labels: Labels | None = None


def layout_of(folder: Path) -> str:
    """EmoSet's layout has index files beside its pictures; anything else is read as folders of pictures."""
    return "emoset" if any((folder / name).exists() for name in EMOSET) else "image-folder"


def labels_in(folder: Path) -> Labels | None:
    """The emotions by which folders of pictures are called: a label set's name where they are all of it, a list where not."""
    if layout_of(folder) == "emoset":
        return None
    inner = folder / "train" if (folder / "train").is_dir() else folder
    names = sorted(one.name for one in inner.iterdir() if one.is_dir() and not one.name.startswith("."))
    folded = {name.casefold() for name in names}
    named = next((name for name, members in LABEL_SETS.items() if folded == set(members)), None)
    return named or names


def changes(preset: Resolved, registry: Registry, own: Own) -> list[Change]:
    """What a spec that starts from ``preset`` says otherwise for data of one's own."""
    found = [*_data(preset, own)]
    if own.labels is None or LabelSet.of(own.labels) == LabelSet.of(preset.data()["labels"]):
        return found
    labels = LabelSet.of(own.labels)
    listed = own.labels if isinstance(own.labels, str) else list(own.labels)
    signs = "" if labels.signed else "or with their signs, {happy: positive, tired: negative}"
    found.insert(0, Change("labels", listed, signs))
    judge = _taught_judge(preset, registry)
    for key in COMPONENT_LISTS:
        found += _fitting(preset, key, labels, judge is not None)
    why = "the preset's judges know its own emotions alone; this one learns yours from the training pictures"
    without = "no installed judge learns emotions of your own, so that what is painted is not judged"
    found.append(Change("judges", {"bank": None, "evaluate": judge}, why if judge else without))
    return found


def _data(preset: Resolved, own: Own) -> list[Change]:
    if own.root is None:
        return []
    data = {"name": own.dataset, "params": {"root": str(own.root)}}
    found = [Change("data", data)]
    if own.dataset == "emoset" and preset.spec.knowledge is not None:
        template = {"name": "annotations", "params": {"field": None}}
        return [*found, Change("knowledge", template, "a sentence made of each picture's annotations")]
    if preset.spec.knowledge is not None:
        why = "folders of pictures have no texts; docs/how-to/knowledge.md says how to give them some"
        found += [Change("knowledge", None, why), Change("text_encoder", None)]
    return found


def _fitting(preset: Resolved, key: str, labels: LabelSet, judged: bool) -> list[Change]:
    """The elements of a list that fit the labels, where not all do."""
    items, kept, left_out = preset.data()[key], [], []
    for place, item in enumerate(items):
        path = f"{key}.{place}"
        needs = preset.needs(path) if path in preset.offers else ()
        config = preset.configs.get(path)
        if _fits(config, labels) and (judged or "judge" not in needs):
            kept.append(_short(item, config))
        else:
            left_out.append(bare(item["name"]))
    if not left_out:
        return []
    return [Change(key, kept, f"without {', '.join(left_out)}, which these labels do not fit")]


def _short(item: Mapping[str, Any], config: Any) -> Any:
    """An element as a person would write it: without what nobody has set."""
    params = {} if config is None else config.model_dump(mode="json", exclude_defaults=True)
    short = {**item, "params": params}
    short = {name: value for name, value in short.items() if name != "params" or value}
    return short["name"] if set(short) == {"name"} else short


def _fits(config: Any, labels: LabelSet) -> bool:
    try:
        if isinstance(config, ComponentConfig):
            config.check_labels(labels)
    except EmosymError:
        return False
    return True


def _taught_judge(preset: Resolved, registry: Registry) -> Mapping[str, Any] | None:
    """A judge that a run teaches, on the model of the preset's own judge."""
    offers = [one for one in registry.components("judge") if TAUGHT in one.spec.capabilities]
    judges = preset.data()["judges"]
    before = judges["evaluate"] or judges["bank"]
    if not offers or before is None:
        return None
    params = before.get("params", {})
    chosen = {"model": params.get("model") or params.get("clip"), "pretrained": params.get("pretrained")}
    given = {name: value for name, value in chosen.items() if value is not None}
    return {"name": offers[0].spec.name, "params": given}
