"""What ``emosym spec explain`` prints: sections, each a text for people and data for programs."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from emosym.cli.columns import columns

if TYPE_CHECKING:
    from emosym_registry import Registry

    from emosym.spec import Origin, Resolved
    from emosym.spec.explain import Use

WIDEST, NARROW = 46, 20
"""Characters of a value that a terminal shows, alone and beside another; a pipe gets all of them."""


@dataclass(frozen=True)
class Section:
    """One part of the explanation. ``key`` names ``data`` in the JSON."""

    key: str
    text: str
    data: Any


def headline(resolved: Resolved) -> str:
    """A spec in one line: name, backbone, diffusion head, stages."""
    spec = resolved.spec
    stages = [name for name in ("compress", "reinforce", "unify") if getattr(spec.stages, name) is not None]
    diffusion = f" · {resolved.component('diffusion')}" if spec.diffusion is not None else ""
    return f"{spec.name} ({resolved.component('backbone')}{diffusion}; {', '.join(stages) or 'no stage'})"


def values_section(resolved: Resolved, every: bool) -> Section:
    """Every value and where it was written; those that nobody wrote only with ``every``."""
    from emosym.spec import explain

    rows = explain(resolved)
    shown = [row for row in rows if every or row.source.kind != "default"]
    table = columns(
        ("key", "value", "from"), [(row.path, _shown(row.value), _place(row.source)) for row in shown]
    )
    counts = Counter(_layer(row.source, every) for row in rows)
    layers = "".join(f"\n{number:5}  {layer}" for layer, number in sorted(counts.items(), key=_defaults_last))
    data = [{"path": row.path, "value": row.value, "from": asdict(row.source)} for row in shown]
    return Section("values", f"{_count(len(rows), 'value')}{layers}\n\n{table}", data)


def _defaults_last(count: tuple[str, int]) -> bool:
    return not count[0].startswith("from")


def deviations_section(resolved: Resolved, registry: Registry, against: str) -> Section:
    """What differs from the method of a preset or a file."""
    from emosym.spec import deviations

    against = against.removeprefix("preset:")
    found = deviations(resolved, registry, against)
    what = "the paper" if against == "paper" else against
    rows = [
        (one.path, _shown(one.value, NARROW), _shown(one.reference, NARROW), _place(one.source))
        for one in found
    ]
    table = columns(("key", "value", against, "from"), rows)
    text = f"{_count(len(found), 'deviation')} from {what}\n{table}" if found else f"no deviation from {what}"
    data = [
        {"path": one.path, "value": one.value, "reference": one.reference, "from": asdict(one.source)}
        for one in found
    ]
    return Section("deviations", text, data)


def components_section(resolved: Resolved, registry: Registry) -> Section:
    """Plugins, versions and licences, those of weights too."""
    from emosym.spec.explain import uses

    found = uses(resolved, registry)
    rows = [
        (use.path, use.component, f"{use.plugin} {use.version}", use.licence or "not known", _weights(use))
        for use in found
    ]
    plugins = sorted({use.plugin for use in found})
    text = f"{_count(len(found), 'component')} of {_count(len(plugins), 'plugin')}\n" + columns(
        ("key", "component", "plugin", "plugin's licence", "weights and theirs"), rows
    )
    return Section("components", text, [asdict(use) for use in found])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _weights(use: Use) -> str:
    if not use.weights:
        return ""
    if not use.weights_from:
        return f"{use.weights} (see the model's page)"
    return f"{use.weights} ({use.weights_licence or 'licence not known'}, {use.weights_from})"


def _shown(value: Any, widest: int = WIDEST) -> str:
    from emosym.spec.text import inline

    text = inline(value)
    return text if len(text) <= widest or not sys.stdout.isatty() else text[: widest - 1] + "…"


def _place(origin: Origin) -> str:
    match origin.kind:
        case "preset" | "stage-preset":
            kind = "preset:" if origin.kind == "preset" else "stage-preset "
            return f"{kind}{origin.name}:{origin.line}:{origin.column}"
        case "file":
            return f"{_relative(origin.file)}:{origin.line}:{origin.column}"
        case "set":
            return "--set"
    return str(origin)


def _layer(origin: Origin, every: bool) -> str:
    match origin.kind:
        case "preset":
            return f"from preset:{origin.name}, {_relative(origin.file)}"
        case "file":
            return f"from {_relative(origin.file)}"
        case "set":
            return "from --set"
        case "stage-preset":
            return f"from stage-preset {origin.name}, {_relative(origin.file)}"
    return "untouched defaults" if every else "untouched defaults, left out below; --all lists them"


def _relative(file: str) -> str:
    """The file as seen from here, where that is not longer."""
    near = os.path.relpath(file)
    return near if len(near) < len(file) else file
