"""The tab that gives a photo another emotion, the two side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
from emosym_registry import EmosymError

from emosym.contracts import SUFFIXES, open_image
from emosym.generation import STRENGTH
from emosym.request import Request
from emosym.web.create import PAINTING, around, numbers, results
from emosym.web.markup import figure, note, shown
from emosym.web.painting import Shown, looked_at
from emosym.web.room import PRIVATE, Room


def tab(room: Room) -> None:
    """What the tab shows."""
    names = room.system.labels.names
    with gr.Row():
        photo = gr.File(label="Photo", file_types=list(SUFFIXES), elem_id="transfer-file", height=140)
        with gr.Column():
            emotion = gr.Dropdown(list(names), value=names[0], label="Target emotion")
            strength = gr.Slider(
                0, 1, STRENGTH, step=0.05, label="How far from the photo",
                info="0 keeps its pixels; 1 keeps only what is seen in it, not the pixels",
            )  # fmt: skip
    with gr.Accordion("Seed, steps, guidance", open=False):
        seed, steps, guidance = numbers()
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
    ) -> Iterator[Shown]:
        request = transferring(photo, emotion, strength, seed or 0, steps, guidance)
        yield from looked_at(room, request, emotion)

    photo.change(room.told(original), photo, before, queue=False, **PRIVATE)
    given = [photo, emotion, strength, seed, steps, guidance]
    about = "Paint a photo again with another emotion: the picture, a word, the PNG."
    painting = start.click(
        room.told(transfer), given, list(made), api_name="transfer", api_description=about, **PAINTING
    )
    around(painting, start, stop, made)


def original(photo: str | None) -> str:
    """The photo as the page shows it."""
    if photo is None:
        return note("Your photo appears here.")
    return figure(shown(open_image(Path(photo)), f"Your photo {Path(photo).name}"), Path(photo).name)


def transferring(
    photo: str | None, emotion: str, strength: float, seed: int, steps: int, guidance: float
) -> Request:
    """The request to paint a photo again. Errors: ``generate.no-photo``, those of opening it and of a request."""
    if photo is None:
        raise EmosymError(
            "generate.no-photo", "there is no photo to paint again", hint="add one, then press Transfer"
        )
    open_image(Path(photo))  # a broken one is told before anything is painted
    return Request(
        emotion, onto=Path(photo), seed=seed, steps=steps or None, guidance_scale=guidance or None,
        strength=None if strength >= 1 else strength,
    )  # fmt: skip
