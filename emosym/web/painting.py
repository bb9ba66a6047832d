"""Painting while people look: a thread that paints, and a stream of what there is to see, which may be stopped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from tempfile import mkdtemp
from threading import Event, Thread
from typing import Any

import gradio as gr
from PIL import Image
from torch import Tensor

from emosym.cli.painting import save_png, stem
from emosym.contracts import Generated, Watcher
from emosym.request import Request
from emosym.toolkit import to_image
from emosym.web.markup import note
from emosym.web.room import Room

LOOKS = 8
"""Pictures on their way that are decoded at most; each takes as long as the last one."""
BLACK = "flagged by the safety checker, so it is black: take another seed or prompt"
Shown = tuple[Any, str, Any]
"""New values of pictures, status and files."""


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
    """What pictures, status and files show while the pictures of a request are painted one after the other, and at the end;
    ``words`` say what they are of."""
    room.system.require_generation()
    yield [], note("Waiting for the first step."), None
    done = list[tuple[str, str]]()
    for seed in range(request.seed, request.seed + request.n):
        for event in painted(room, replace(request, n=1, seed=seed)):
            if isinstance(event, Generated):
                done.append((str(kept(room, request, event)), called(room, event)))
                continue
            now = gr.skip() if event.picture is None else [*done, (event.picture, "not yet done")]
            count = f"Picture {len(done) + 1} of {request.n}, step {event.done} of {event.total}."
            yield now, note(count), gr.skip()
        yield list(done), note(f"{len(done)} of {request.n} done."), [path for path, _ in done]
    ends = "Under each picture: what this system itself reads in it. Its recipe is inside the PNG."
    yield done, note(f"Done: {words}. {ends}"), [path for path, _ in done]


def called(room: Room, picture: Generated) -> str:
    """What is said below a picture: its seed, and the emotion that the system reads in it."""
    if picture.flagged:
        return f"seed {picture.seed}: {BLACK}"
    with room.lock:
        reading = room.system.understand(picture.image)
    return f"seed {picture.seed}: {reading.emotion} {reading.probabilities[reading.emotion]:.0%}"


def kept(room: Room, request: Request, picture: Generated) -> Path:
    """The PNG with its recipe, in a new folder of the page's own."""
    folder = Path(mkdtemp(dir=room.kept))
    emotion = room.system.labels.names[picture.label]
    return save_png(folder, stem(request, emotion, picture.seed), picture.png())
