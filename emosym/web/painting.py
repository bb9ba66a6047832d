"""Painting while people look: a thread that paints, and a stream of what there is to see, which may be stopped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from tempfile import mkdtemp
from threading import Event, Thread
from typing import Any

import gradio as gr
from PIL import Image
from torch import Tensor

from emosym.cli.painting import save_png
from emosym.contracts import Generated, Watcher
from emosym.request import Request
from emosym.toolkit import file_name, to_image
from emosym.web.markup import note
from emosym.web.room import Room

LOOKS = 8
"""Pictures on their way that are decoded at most; each takes as long as the last one."""
DONE = "Done: "
BLACK = "The diffusion model's safety checker flagged it, so it is black. Take another seed or prompt."
Shown = tuple[Any, str, Any]
"""New values of picture, status and download."""


@dataclass(frozen=True)
class Step:
    """How far a picture is."""

    done: int
    total: int
    picture: Image.Image | None = None


class _StoppedError(Exception):
    """Nobody waits for the picture any more."""


class _Watch(Watcher):
    """Tells of each step, and ends the painting once ``stop`` is set."""

    def __init__(self, events: SimpleQueue[Any], stop: Event) -> None:
        self._events, self._stop, self._at = events, stop, (0, 0)

    def __call__(self, done: int, total: int) -> None:
        if self._stop.is_set():
            raise _StoppedError
        self._at = done, total
        self._events.put(Step(done, total))

    def wants(self, done: int, total: int) -> bool:
        return done < total and done * LOOKS // total > (done - 1) * LOOKS // total

    def see(self, pictures: Tensor) -> None:
        self._events.put(Step(*self._at, to_image(pictures[0])))


def painted(room: Room, request: Request) -> Iterator[Step | Generated]:
    """The steps of the one picture of a request, then the picture. Whoever closes the iterator ends the painting at its next
    step. Errors: those of :meth:`emosym.system.System.paint`."""
    events: SimpleQueue[Step | Generated | BaseException] = SimpleQueue()
    stop = Event()

    def work() -> None:
        try:
            with room.lock:
                if not stop.is_set():
                    events.put(room.system.paint(request, on_step=_Watch(events, stop))[0])
        except BaseException as error:
            events.put(error)

    thread = Thread(target=work, name="painting", daemon=True)
    thread.start()
    try:
        while True:
            event = events.get()
            if isinstance(event, BaseException):
                raise event
            yield event
            if isinstance(event, Generated):
                return
    finally:
        stop.set()
        thread.join()


def looked_at(room: Room, request: Request, words: str) -> Iterator[Shown]:
    """What picture, status and download show while a picture of ``words`` is painted, and at its end."""
    room.system.require_generation()
    yield gr.skip(), note("Waiting for the first step."), None
    for event in painted(room, request):
        if isinstance(event, Generated):
            path = str(kept(room, event, words))
            said = BLACK if event.flagged else "The recipe is inside the PNG."
            yield path, note(f"{DONE}{words}, seed {event.seed}. {said}"), path
            return
        picture = gr.skip() if event.picture is None else event.picture
        yield picture, note(f"Step {event.done} of {event.total}."), gr.skip()


def described(status: str) -> tuple[Any, Any]:
    """What picture and download are told once ``status`` says that the picture is done: an alternative text, and that there is
    something to download. Apart from the painting, whose results programs take too."""
    words = re.sub(r"<[^>]*>", "", status).removeprefix(DONE).partition(". ")[0]
    return gr.update(alt_text=f"A picture made to evoke {words}"), gr.update(interactive=True)


def kept(room: Room, picture: Generated, words: str) -> Path:
    """The PNG with its recipe, in a new folder of the page's own."""
    folder = Path(mkdtemp(dir=room.kept))
    return save_png(folder, file_name(f"{words}-{picture.seed}"), picture.png())
