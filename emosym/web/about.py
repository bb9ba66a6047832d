"""The tab of the system: its parts, whose they are, and what it cannot do."""

from __future__ import annotations

import gradio as gr

from emosym.contracts.reading import EMBEDDED
from emosym.spec.explain import Use, uses
from emosym.web.markup import listed, table
from emosym.web.room import Room
from emosym.web.understand import can_say_why


def tab(room: Room) -> None:
    """What the tab shows."""
    gr.HTML(about(room), elem_id="system-about")


def parts(room: Room) -> list[Use]:
    """The components of the system."""
    return uses(room.system.resolved, room.registry)


def embedded(room: Room) -> bool:
    """Whether the weights that read or paint are the small ones inside a plugin (``model: tiny``)."""
    return room.system.resolved.embedded("backbone", "diffusion")


def about(room: Room) -> str:
    """Parts with licences, facts and limits."""
    rows = [
        (use.path, use.component, f"{use.plugin} {use.version}", use.licence or "not known", _weights(use))
        for use in parts(room)
    ]
    header = ("part", "component", "plugin", "plugin's licence", "weights and their licence")
    return "".join(
        [
            table("Parts and licences", header, rows),
            table("Facts", ("fact", "value"), facts(room)),
            f"<h2>Limits</h2>{listed(limits(room))}",
        ]
    )


def facts(room: Room) -> list[tuple[str, str]]:
    """What else is known of the system."""
    system = room.system
    size = None if system.generation is None else system.generation.diffusion.image_size
    kept = 0 if system.knowledge is None else len(system.knowledge.texts)
    return [
        ("run", "none" if room.run is None else room.run.resolve().name),
        ("spec", system.resolved.spec.name),
        ("emotions", ", ".join(system.labels.names)),
        ("reads by", "words that it writes" if system.explicit else "reasoning tokens"),
        ("paints", "nothing" if size is None else f"pictures of {size[0]} × {size[1]} pixels"),
        ("texts kept", f"{kept:,}"),
        ("device", f"{system.device}, {system.precision}"),
    ]


def limits(room: Room) -> list[str]:
    """What nobody should expect of it."""
    said = [EMBEDDED] if embedded(room) else []
    said += [
        "A reading says what its training data say that a picture evokes in people. It does not know what you feel, and it does "
        "not read faces to judge a person.",
        "It chooses among its own emotions alone, and a probability is no certainty.",
        "Pictures that are painted pass no safety filter but the one that a diffusion model brings, as Stable Diffusion 1.x does. It "
        "misses much.",
    ]
    said += [] if can_say_why(room) else ["It keeps no knowledge, so it gives no reasons."]
    return said


def _weights(use: Use) -> str:
    if not use.weights:
        return ""
    if use.weights_from:  # its whole name is alias:PLUGIN/NAME
        return f"{use.weights.rpartition('/')[2]}, inside {use.weights_from} ({use.weights_licence})"
    return f"{use.weights} ({use.weights_licence or 'licence: see the page of the model'})"
