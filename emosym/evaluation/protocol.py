"""Protocols: what is measured, how, of how many pictures and with which weights, so that the figures of two papers mean
the same. A protocol is a YAML file with those sections of a spec that measuring needs, and one of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError, Registry
from emosym_registry.errors import unknown
from pydantic import Field, ValidationError

from emosym.spec import Origin, Resolved, SpecErrors
from emosym.spec.layers import apply_sets, merge, read_source
from emosym.spec.model import Section
from emosym.spec.nodes import Node, of_plain
from emosym.spec.resolved import resolve
from emosym.spec.validate import problems_of

FOLDER = Path(__file__).parent / "protocols"
BUILT_IN = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))
"""Names of the protocols that emosym brings."""
JUDGE = ("judges", "evaluate")
NOTHING = {
    "emosym": 1,
    "name": "score",
    "data": {"name": "none"},
    "backbone": {"name": "none"},
    "compressor": {"name": "none"},
    "diffusion": {"name": "none"},
    "stages": {"compress": None, "reinforce": None, "unify": None},
}
"""What a spec needs and measuring does not: none of it is looked up."""


class NeededFile(Section):
    """A file of weights that somebody else published and the user brings."""

    file: str
    """Its name, by which it is looked for in the folder of weights."""
    what: str
    """What is in it."""
    source: str
    """Who publishes it, for a sentence that begins with "published"."""


class Facts(Section):
    """The section ``protocol``."""

    version: int = Field(ge=1)
    """Raised whenever figures under the protocol would change."""
    about: str
    """One sentence."""
    pictures: int | None = Field(default=None, ge=1)
    """Pictures of each emotion."""
    size: int | None = Field(default=None, ge=1)
    """Side of the pictures in pixels."""
    files: dict[str, NeededFile] = Field(default_factory=dict)
    """Files to bring, by ``judge.PARAMETER`` or ``METRIC.PARAMETER``."""


@dataclass(frozen=True)
class Protocol:
    """A protocol that is ready to be built. ``absent`` says of ``judge`` and of metrics by name, in one sentence without its
    subject, which file they lack; ``changes`` says what the user has it do otherwise; ``asked`` are the metrics that the user named."""

    name: str
    facts: Facts
    resolved: Resolved
    absent: Mapping[str, str]
    changes: tuple[str, ...]
    asked: tuple[str, ...]


def load_protocol(
    source: str,
    registry: Registry,
    *,
    metrics: Sequence[str] = (),
    judge: str = "",
    labels: Sequence[str] = (),
    sets: Sequence[str] = (),
    weights: Path | None = None,
) -> Protocol:
    """A protocol by name or file, with what the user wants otherwise: ``metrics`` in place of its own (which keep their
    parameters), a ``judge`` as NAME or NAME:MODEL, ``labels``, and ``sets`` such as ``fid.weights=FILE``,
    ``judge.head=FILE`` or any ``key.path=value`` of a spec. ``weights`` is a folder with the files that it asks for.

    Errors: ``score.unknown-protocol``, and :class:`SpecErrors` with everything that is wrong in it.
    """
    root = read_source(_file(source), registry)
    facts = _facts(root)
    root = merge(of_plain(NOTHING, Origin("default")), root.put(("protocol",), None))
    changes = [*(f"metric {name}" for name in metrics if name not in _names(root))]
    if metrics:
        left_out = [name for name in _names(root) if name not in metrics]
        changes += [f"without {', '.join(left_out)}"] if left_out else []
        root = root.put(("metrics",), _chosen(root, metrics))
    if judge:
        name, _, model = judge.partition(":")
        chosen = {"name": name, "params": {"model": model} if model else {}}
        root = merge(root, of_plain({"judges": {"evaluate": None}}, Origin("set", "--judge")))
        root = root.put(JUDGE, of_plain(chosen, Origin("set", "--judge")))
        changes.append(f"judge {judge}")
    if labels:
        root = root.put(("labels",), of_plain(_labels(labels), Origin("set", "--labels")))
        changes.append(f"labels {', '.join(labels)}")
    root = apply_sets(root, [_spelled_out(text, root) for text in sets])
    changes += [text for text in sets if text.partition("=")[0].strip() not in facts.files]
    needed = {key: need for key, need in facts.files.items() if not (judge and key.startswith("judge."))}
    root, absent = _filled_in(root, needed, weights)
    without = "judge" in absent
    resolved = resolve(
        root, registry, (), lambda path, _: path[0] == "metrics" or (path == JUDGE and not without)
    )
    return Protocol(resolved.spec.name, facts, resolved, absent, tuple(changes), tuple(metrics))


def _file(source: str) -> Path:
    if source in BUILT_IN:
        return FOLDER / f"{source}.yaml"
    path = Path(source)
    if path.suffix not in (".yaml", ".yml") and not path.exists():
        raise unknown("score.unknown-protocol", "protocol", source, BUILT_IN, hint=_protocols())
    return path


def _protocols() -> str:
    return f"protocols: {', '.join(BUILT_IN)}, or a YAML file"


def _facts(root: Node) -> Facts:
    node = root.fields.get("protocol")
    if node is None:
        where = root.origin.file
        raise EmosymError(
            "score.no-protocol", f"{where}: expected a section protocol, found none", hint=_protocols()
        )
    try:
        return Facts.model_validate(node.plain())
    except ValidationError as error:
        found = problems_of(error.errors(include_url=False), Facts, node, ("protocol",))
        raise SpecErrors([problem for _, problem in found]) from error


def _labels(labels: Sequence[str]) -> Any:
    return labels[0] if len(labels) == 1 else list(labels)


def _metrics(root: Node) -> list[Node]:
    node = root.fields.get("metrics")
    return node.items if node is not None else []


def _name(metric: Node) -> str:
    name = metric.fields.get("name")
    return str(name.value) if name is not None else ""


def _names(root: Node) -> list[str]:
    return [_name(metric) for metric in _metrics(root)]


def _chosen(root: Node, names: Sequence[str]) -> Node:
    """The metrics of these names, with the protocol's parameters where it has them."""
    origin = Origin("set", "--metric")
    own = {_name(metric): metric for metric in _metrics(root)}
    return Node(
        [own.get(name) or of_plain({"name": name}, origin, origin) for name in dict.fromkeys(names)], origin
    )


def _place(root: Node, component: str) -> tuple[str | int, ...] | None:
    """The path of ``judge``, or of the metric of a name; None where there is none."""
    if component == "judge":
        return JUDGE if root.at(JUDGE) is not None else None
    names = _names(root)
    return ("metrics", names.index(component)) if component in names else None


def _spelled_out(text: str, root: Node) -> str:
    """``fid.weights=FILE`` as ``metrics.2.params.weights=FILE``; keys of a spec as they are."""
    key, equals, value = text.partition("=")
    component, dot, parameter = key.strip().partition(".")
    place = _place(root, component)
    if place is None or not dot:
        return text
    return f"{'.'.join(map(str, place))}.params.{parameter}{equals}{value}"


def _filled_in(
    root: Node, needed: Mapping[str, NeededFile], weights: Path | None
) -> tuple[Node, dict[str, str]]:
    """The tree with the needed files that are there, without the metrics whose files are not, and a sentence for each
    component that lacks one."""
    lacking: dict[str, list[NeededFile]] = {}
    for key, need in needed.items():
        component, _, parameter = key.rpartition(".")
        place = _place(root, component)
        if place is None or _given(root, (*place, "params", parameter)):
            continue
        file = weights / need.file if weights is not None else None
        if file is None or not file.is_file():
            lacking.setdefault(component, []).append(need)
            continue
        value = of_plain({"params": {parameter: str(file)}}, Origin("set", "--weights"))
        component_node = root.at(place)
        assert component_node is not None
        root = root.put(place, merge(component_node, value, place))
    for component in lacking:
        place = _place(root, component)
        if component != "judge" and place is not None:
            root = root.put(place, None)
    return root, {component: _sentence(component, needs) for component, needs in lacking.items()}


def _given(root: Node, path: tuple[str | int, ...]) -> bool:
    node = root.at(path)
    return node is not None and node.value is not None


def _sentence(component: str, needs: Sequence[NeededFile]) -> str:
    files = " and ".join(f"{need.file}, {need.what}, published {need.source}" for need in needs)
    it = "it" if len(needs) == 1 else "them"
    return f"{'its judge needs' if component == 'judge' else 'needs'} {files}: put {it} into the folder of --weights"
