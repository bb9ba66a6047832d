"""The tab that paints: an emotion or a mixture, what to show, and the picture as it comes out of the noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from emosym_registry import EmosymError

from emosym.cli.generate import parse_mixture
from emosym.request import PROMPT, Request
from emosym.web.markup import note
from emosym.web.painting import STOPPED, Shown, halt, looked_at
from emosym.web.room import ONE_AT_A_TIME, PRIVATE, Room

PAINTING: dict[str, Any] = {"show_progress": "hidden", **ONE_AT_A_TIME}
"""How a painting is queued and shown."""
FIRST, MOST = 4, 8
"""How many pictures are painted where nobody says, and at most."""
TAB = "create"
"""What other tabs call this one."""


def tab(room: Room, tabs: gr.Tabs, pictures: gr.File, onward: gr.Button) -> None:
    """What the tab shows; the button ``onward`` of another of the ``tabs`` paints the opposite of the first of its
    ``pictures`` here."""
    names = room.system.labels.names
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            emotion = gr.Dropdown(list(names), value=names[0], label="Emotion")
            with gr.Accordion("Mix several emotions", open=False):
                sliders = [gr.Slider(0, 1, 0, step=0.05, label=name) for name in names]
                mixture = gr.Textbox(
                    label="Mixture",
                    info="Takes the place of the emotion where it is not empty",
                    placeholder=f"{names[0]}=0.7, {names[-1]}=0.3",
                )
            prompt = gr.Textbox(PROMPT, label="What to show", info="{emotion} is where the emotion goes")
            count, seed, steps, guidance = numbers()
            gr.HTML(note(size_of(room)))
            with gr.Row():
                start = gr.Button("Paint", variant="primary")
                stop = gr.Button("Stop")
        with gr.Column(scale=1, min_width=280):
            shown = results("Your pictures", "create")

    def create(
        emotion: str,
        mixture: str,
        prompt: str,
        seed: int,
        steps: int,
        guidance: float,
        count: int,
        why: str,
        by: gr.Request,
    ) -> Iterator[Shown]:
        wanted, words = asked(emotion, mixture, prompt, seed, steps, guidance, count)
        yield from looked_at(room, wanted, f"{words}{why}", (str(by.session_hash), TAB))

    gr.on(
        [slider.change for slider in sliders], lambda *weights: mixed(dict(zip(names, weights, strict=True))),
        sliders, mixture, queue=False, **PRIVATE,
    )  # fmt: skip
    given = [emotion, mixture, prompt, seed, steps, guidance, count]
    about = "Paint an emotion, or a mixture such as awe=0.7,fear=0.3: pictures with what is read in them, a word, PNGs."
    painting = start.click(
        room.told(create),
        [*given, gr.State("")],
        list(shown),
        api_name="create",
        api_description=about,
        **PAINTING,
    )

    def turn(pictures: list[str] | None) -> tuple[str | None, str, str, Any]:
        return turned(room, pictures or [])

    why = gr.State("")
    wanted = onward.click(
        room.told(turn), pictures, [emotion, mixture, why, tabs], api_visibility="private", **PAINTING
    )
    turning = wanted.success(
        room.told(create), [*given, why], list(shown), api_visibility="private", **PAINTING
    )
    ends(room, TAB, stop, [painting, turning], shown)


def asked(
    emotion: str, mixture: str, prompt: str, seed: int, steps: int, guidance: float, count: int
) -> tuple[Request, str]:
    """A request of what somebody has filled in, and what it is of. Errors: those of a mixture and of a request."""
    weights = parse_mixture(mixture) if mixture and mixture.strip() else None
    request = Request(
        emotion if weights is None else None,
        weights,
        n=int(count),
        prompt=prompt or PROMPT,
        seed=seed or 0,
        steps=steps or None,
        guidance_scale=guidance or None,
    )
    return request, emotion if weights is None else " + ".join(f"{w:g} {name}" for name, w in weights.items())


def turned(room: Room, pictures: Sequence[str]) -> tuple[str | None, str, str, Any]:
    """New values of emotion, mixture and tabs to paint the opposite of the first picture; before the tabs stand the words that say so. Errors:
    ``data.nothing-to-read``, and those of :func:`opposite`."""
    if not pictures:
        raise EmosymError("data.nothing-to-read", "there is no picture", hint="add one first")
    evoked, wanted = opposite(room, pictures[0])
    why = f", the opposite of {evoked} in {Path(pictures[0]).name}"
    here = gr.update(selected=TAB)
    if len(wanted) == 1:
        return next(iter(wanted)), "", why, here
    return gr.skip(), mixed(wanted), why, here


def opposite(room: Room, picture: str) -> tuple[str, dict[str, float]]:
    """What a picture evokes with how much of it, and the opposite of that. Errors: those of opening it and of
    :meth:`emosym.contracts.labels.LabelSet.opposite`."""
    with room.lock:
        reading = room.system.understand(Path(picture))
    evoked = f"{reading.emotion} ({reading.probabilities[reading.emotion]:.0%})"
    return evoked, room.system.labels.opposite(reading.emotion)


def mixed(weights: dict[str, float]) -> str:
    """Weights as the command line writes a mixture; those of 0 are left out."""
    return ",".join(f"{name}={weight:g}" for name, weight in weights.items() if weight)


def numbers() -> tuple[gr.Slider, gr.Number, gr.Number, gr.Number]:
    """How many, seed, steps and guidance, which every painting takes."""
    count = gr.Slider(1, MOST, FIRST, step=1, label="How many pictures", info="Picture i has seed + i")
    seed = gr.Number(0, label="Seed", info="The same seed gives the same picture", precision=0)
    with gr.Row():
        steps = gr.Number(0, label="Steps", info="0: the model's own", precision=0)
        guidance = gr.Number(0, label="Guidance", info="0: the model's own; 1: none")
    return count, seed, steps, guidance


def size_of(room: Room) -> str:
    """What size the pictures have."""
    width, height = room.system.require_generation().diffusion.image_size
    return f"This system paints pictures of {width} × {height} pixels."


def results(label: str, name: str) -> tuple[gr.Gallery, gr.HTML, gr.File]:
    """Where paintings appear, what is said of them, and their files."""
    status = gr.HTML(note("Nothing painted yet."), elem_id=f"{name}-status")
    pictures = gr.Gallery(
        label=label, show_label=False, interactive=False, columns=2, object_fit="contain", height="auto",
        buttons=["fullscreen"], elem_id=f"{name}-pictures",
    )  # fmt: skip
    files = gr.File(
        label="PNGs with their recipes", file_count="multiple", interactive=False, elem_id=f"{name}-files"
    )
    return pictures, status, files


def ends(
    room: Room, tab: str, stop: gr.Button, paintings: list[Any], shown: tuple[gr.Gallery, gr.HTML, gr.File]
) -> None:
    """``stop`` ends a painting of its ``tab``, or takes it out of the queue."""

    def ended(by: gr.Request) -> None:
        halt(room, (str(by.session_hash), tab))

    # Cancelled after its own end alone: what a painting still had to say would else come after.
    stop.click(ended, None, None, queue=False, **PRIVATE).then(
        lambda: note(STOPPED), None, shown[1], cancels=paintings, queue=False, **PRIVATE
    )
