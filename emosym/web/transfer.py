"""The tab that gives a photo another emotion, the two side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
from emosym_registry import EmosymError

from emosym.contracts import SUFFIXES, open_image
from emosym.generation import STRENGTH
from emosym.request import Request
from emosym.web.create import PAINTING, ends, numbers, opposite, results, size_of
from emosym.web.markup import figure, note, shown
from emosym.web.painting import Shown, looked_at
from emosym.web.room import PRIVATE, Room

TAB = "transfer"
OPPOSITE = "opposite"
"""In place of a target emotion: the opposite of what the photo evokes."""

CONTENT = (
    "Of a photo of another shape they keep the middle. What a photo shows often is what moves people: the more of it stays, the "
    "less its emotion changes."
)


def tab(room: Room) -> None:
    """What the tab shows."""
    names = room.system.labels.names
    with gr.Row():
        photo = gr.File(label="Photo", file_types=list(SUFFIXES), elem_id="transfer-file", height=140)
        with gr.Column():
            targets = [("the opposite of what it evokes", OPPOSITE), *((name, name) for name in names)]
            emotion = gr.Dropdown(targets, value=OPPOSITE, label="Target emotion")
            strength = gr.Slider(
                0, 1, STRENGTH, step=0.05, label="How far from the photo",
                info="0 keeps its pixels; 1 keeps only what is seen in it, not the pixels",
            )  # fmt: skip
            gr.HTML(note(f"{size_of(room)} {CONTENT}"))
    with gr.Accordion("How many, seed, steps, guidance", open=False):
        count, seed, steps, guidance = numbers()
    with gr.Row():
        start = gr.Button("Transfer", variant="primary")
        stop = gr.Button("Stop")
    with gr.Row():
        with gr.Column(min_width=280):
            before = gr.HTML(note("Your photo appears here."), elem_id="transfer-before")
        with gr.Column(min_width=280):
            made = results("With the other emotion", "transfer")

    def transfer(
        photo: str | None,
        emotion: str,
        strength: float,
        seed: int,
        steps: int,
        guidance: float,
        count: int,
        by: gr.Request,
    ) -> Iterator[Shown]:
        wanted, words = transferring(room, photo, emotion, strength, seed or 0, steps, guidance, int(count))
        yield from looked_at(room, wanted, words, (str(by.session_hash), TAB))

    photo.change(room.told(original), photo, before, queue=False, **PRIVATE)
    given = [photo, emotion, strength, seed, steps, guidance, count]
    about = "Paint a photo again with another emotion, or the opposite: pictures with what is read in them, a word, PNGs."
    painting = start.click(
        room.told(transfer), given, list(made), api_name="transfer", api_description=about, **PAINTING
    )
    ends(room, TAB, stop, [painting], made)


def original(photo: str | None) -> str:
    """The photo as the page shows it."""
    if photo is None:
        return note("Your photo appears here.")
    return figure(shown(open_image(Path(photo)), f"Your photo {Path(photo).name}"), Path(photo).name)


def transferring(
    room: Room,
    photo: str | None,
    emotion: str,
    strength: float,
    seed: int,
    steps: int,
    guidance: float,
    count: int,
) -> tuple[Request, str]:
    """The request to paint a photo again, and what it is of. Errors: ``generate.no-photo``, those of opening it, of a request
    and of :meth:`emosym.contracts.LabelSet.opposite`."""
    if photo is None:
        raise EmosymError(
            "generate.no-photo", "there is no photo to paint again", hint="add one, then press Transfer"
        )
    open_image(Path(photo))  # a broken one is told before anything is painted
    wanted, words = {emotion: 1.0}, emotion
    if emotion == OPPOSITE:
        evoked, wanted = opposite(room, photo)
        words = f"{' and '.join(wanted)}, the opposite of {evoked} in {Path(photo).name}"
    only = next(iter(wanted)) if len(wanted) == 1 else None
    request = Request(
        only, None if only else wanted, onto=Path(photo), n=count, seed=seed, steps=steps or None,
        guidance_scale=guidance or None, strength=None if strength >= 1 else strength,
    )  # fmt: skip
    return request, words
