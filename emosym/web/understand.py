"""The tab that reads pictures: emotions, valence, the nearest knowledge, where the tokens look."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from emosym_registry import EmosymError

from emosym.cli.pictures import Picture, read
from emosym.cli.readings import as_dict
from emosym.cli.understand import REASONS
from emosym.contracts import SUFFIXES, Reading
from emosym.web.gaze import gazes
from emosym.web.markup import note, shown
from emosym.web.room import ONE_AT_A_TIME, Room
from emosym.web.wheel import in_words, wheel

SCALE = "Texts are ranked, not judged: at a cosine of 1 a text says just what is seen, near 0 it has nothing to do with it."
LOOKS = (
    "Orange is where the tokens look, on average over layers and heads: those of context, [CTX], which hold what the picture shows, "
    "and that of emotion, [EMO], which holds what it evokes."
)
AT_ONCE = 8
"""Pictures that are read together."""


def tab(room: Room) -> tuple[gr.File, gr.Button]:
    """What the tab shows; where its pictures are, and the button that paints the opposite of the first of them."""
    says_why = can_say_why(room)
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            files = gr.File(
                label="Pictures", file_count="multiple", file_types=list(SUFFIXES), elem_id="understand-files"
            )
            why = gr.Slider(
                0, 10, REASONS if says_why else 0, step=1, label="Reasons for each picture", interactive=says_why,
                info="Texts that the system was trained with, nearest to what it sees"
                if says_why
                else "This system keeps no knowledge that could say why",
            )  # fmt: skip
            look = gr.Checkbox(False, label="Show where the tokens look")
            with gr.Row():
                start = gr.Button("Read", variant="primary")
                stop = gr.Button("Stop")
            onward = gr.Button("Paint the opposite", visible=room.system.generation is not None)
        with gr.Column(scale=2, min_width=280):
            cards = gr.HTML(note("Add pictures, then press Read."), elem_id="understand-cards")
            with gr.Accordion("The same as JSON", open=False):
                plain = gr.JSON(label="Readings", show_label=False)

    def understand(pictures: list[str] | None, reasons: int, attention: bool) -> tuple[list[Any], str]:
        return readings(room, pictures or [], int(reasons), attention)

    reading = start.click(
        room.told(understand),
        [files, why, look],
        [plain, cards],
        api_name="understand",
        api_description="Read pictures: a list of readings, and the same as HTML.",
        **ONE_AT_A_TIME,
    )
    stop.click(
        lambda: note("Stopped."), None, cards, cancels=[reading], queue=False, api_visibility="private"
    )
    return files, onward


def can_say_why(room: Room) -> bool:
    """Whether the system keeps knowledge."""
    try:
        room.system.require_knowledge()
    except EmosymError:
        return False
    return True


def readings(
    room: Room, paths: Sequence[str], reasons: int, attention: bool
) -> tuple[list[dict[str, object]], str]:
    """Readings as JSON and as cards; a picture that cannot be read is a card that says why.

    Errors: ``data.nothing-to-read``, that of the picture where none can be read, and those of
    :meth:`emosym.system.System.understand`.
    """
    if not paths:
        raise EmosymError(
            "data.nothing-to-read", "there is no picture to read", hint="add one or more, then press Read"
        )
    found, cards, errors = list[dict[str, object]](), list[str](), list[EmosymError]()
    with room.lock:
        for picture, reading in read(
            room.system, [Picture(Path(path), named=False) for path in paths], AT_ONCE, why=reasons
        ):
            if isinstance(reading, EmosymError):
                errors.append(reading)
                cards.append(note(room.said(reading), bad=True))
                continue
            found.append(as_dict(Path(picture.path.name), reading))
            cards.append(card(room, picture, reading, attention))
    if not found:
        raise errors[0]
    return found, "".join(cards)


def card(room: Room, picture: Picture, reading: Reading, attention: bool) -> str:
    """All that is said of one picture."""
    sample, name = picture.sample(), picture.path.name
    parts = [
        f'<article class="es-card" aria-label="{escape(name)}"><div class="es-picture">',
        shown(sample.open()[0], f"{name}, read as {reading.emotion}"),
        f"</div><div><h2>{escape(reading.emotion)}</h2><p class='es-file'>{escape(name)}</p>",
        wheel(reading.probabilities),
        valence(reading.positive),
        "</div>",
    ]
    if reading.text:
        parts.append(f'<div class="es-wide"><h3>What it wrote</h3><p>{escape(reading.text)}</p></div>')
    if reading.reasons:
        items = "".join(
            f"<li>{escape(reason.text)} {nearness(reason.similarity)}</li>" for reason in reading.reasons
        )
        parts.append(
            f'<div class="es-wide"><h3>Reasons: the nearest knowledge</h3><p class="es-soft">{SCALE}</p><ol>{items}</ol></div>'
        )
    looks = gazes(room.system, sample) if attention else []
    if attention:
        told = "".join(looks) or "<p>This backbone cannot say it of this picture.</p>"
        told = f"<p class='es-soft'>{LOOKS}</p>{told}" if looks else told
        parts.append(
            f'<div class="es-wide"><h3>Where the tokens look</h3><div class="es-row">{told}</div></div>'
        )
    details = f"<details><summary>All probabilities</summary><p>{escape(in_words(reading.probabilities))}</p></details>"
    return "".join([*parts, f'<div class="es-wide">{details}</div></article>'])


def nearness(cosine: float) -> str:
    """How near a text is, as a bar and a number."""
    words = f"cosine {cosine:.2f}"
    return f'<small><meter min="0" max="1" value="{max(cosine, 0):.2f}" aria-label="{words}"></meter> {words}</small>'


def valence(positive: float | None) -> str:
    """The valence from -1 to 1 as a bar with its number; nothing where the signs of emotions are not known."""
    if positive is None:
        return ""
    value = 2 * positive - 1
    signed = f"{value:+.2f}".replace("-", "−")
    return (
        f'<p class="es-valence">Valence {signed} <small>({positive:.0%} positive)</small></p>'
        f'<div class="es-bar" aria-hidden="true"><span style="left:{100 * positive:.1f}%"></span></div>'
    )
