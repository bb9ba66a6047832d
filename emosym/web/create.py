"""The tab that paints: an emotion or a mixture, what to show, and the picture as it comes out of the noise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from emosym.cli.generate import parse_mixture
from emosym.request import PROMPT, Request
from emosym.web.markup import note
from emosym.web.painting import Shown, described, looked_at
from emosym.web.room import ONE_AT_A_TIME, PRIVATE, Room

PAINTING: dict[str, Any] = {"show_progress": "hidden", **ONE_AT_A_TIME}
"""How a painting is queued and shown."""


def tab(room: Room) -> None:
    """What the tab shows."""
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
            seed, steps, guidance = numbers()
            with gr.Row():
                start = gr.Button("Paint", variant="primary")
                stop = gr.Button("Stop")
        with gr.Column(scale=1, min_width=280):
            shown = results("Your picture", "create")

    def create(
        emotion: str, mixture: str, prompt: str, seed: int, steps: int, guidance: float
    ) -> Iterator[Shown]:
        wanted: dict[str, Any] = {"emotion": emotion}
        if mixture and mixture.strip():
            wanted = {"mixture": parse_mixture(mixture)}
        request = Request(
            **wanted,
            prompt=prompt or PROMPT,
            seed=seed or 0,
            steps=steps or None,
            guidance_scale=guidance or None,
        )
        words = "-".join(wanted.get("mixture", [emotion]))
        yield from looked_at(room, request, words)

    gr.on(
        [slider.change for slider in sliders], lambda *weights: mixed(dict(zip(names, weights, strict=True))),
        sliders, mixture, queue=False, **PRIVATE,
    )  # fmt: skip
    given = [emotion, mixture, prompt, seed, steps, guidance]
    about = "Paint a picture of an emotion, or of a mixture such as awe=0.7,fear=0.3: the picture, a word, the PNG."
    painting = start.click(
        room.told(create), given, list(shown), api_name="create", api_description=about, **PAINTING
    )
    around(painting, start, stop, shown)


def mixed(weights: dict[str, float]) -> str:
    """Weights as the command line writes a mixture; those of 0 are left out."""
    return ",".join(f"{name}={weight:g}" for name, weight in weights.items() if weight)


def numbers() -> tuple[gr.Number, gr.Number, gr.Number]:
    """Seed, steps and guidance, which every painting takes."""
    seed = gr.Number(0, label="Seed", info="The same seed gives the same picture", precision=0, minimum=0)
    with gr.Row():
        steps = gr.Number(0, label="Steps", info="0: the model's own", precision=0, minimum=0)
        guidance = gr.Number(0, label="Guidance", info="0: the model's own; 1: none", minimum=0)
    return seed, steps, guidance


def results(label: str, name: str) -> tuple[gr.Image, gr.HTML, gr.DownloadButton]:
    """Where a painting appears, what is said of it, and its file."""
    picture = gr.Image(
        label=label, interactive=False, format="png", height=384, buttons=["fullscreen"],
        alt_text="No picture yet", elem_id=f"{name}-picture",
    )  # fmt: skip
    status = gr.HTML(note("Nothing painted yet."), elem_id=f"{name}-status")
    file = gr.DownloadButton("Download PNG with recipe", interactive=False, elem_id=f"{name}-file")
    return picture, status, file


def around(painting: Any, start: gr.Button, stop: gr.Button, shown: tuple[gr.Image, gr.HTML, Any]) -> None:
    """What happens beside a ``painting``: the picture is described, and ``stop`` ends it or takes it out of the queue."""
    picture, status, file = shown
    start.click(lambda: gr.update(alt_text="The picture so far"), None, picture, queue=False, **PRIVATE)
    painting.success(described, status, [picture, file], **PRIVATE)
    stop.click(
        lambda: note("Stopped."), None, status, cancels=[painting], queue=False, api_visibility="private"
    )
