"""Painting while people look: a thread that paints, and a stream of what there is to see, which may be stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from emosym.web.room import Room, UnderWay, Who

LOOKS = 8
"""Pictures on their way that are decoded at most; each takes as long as the last one."""
BLACK = "flagged by the safety checker, so it is black: take another seed or prompt"
STOPPED = "Stopped."
READ = "Under each picture: what this system itself reads in it"
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


def halt(room: Room, who: Who) -> None:
    """End what is painted for somebody, and wait until it has ended."""
    if (painting := room.under_way.get(who)) is not None:
        painting.stop.set()
        painting.over.wait()


class _Watch(Watcher):
    """Tells of each step, and ends the painting once it ``ends``."""

    def __init__(self, events: SimpleQueue[Any], ends: Callable[[], bool]) -> None:
        self._events, self._ends, self._at = events, ends, (0, 0)

    def __call__(self, done: int, total: int) -> None:
        if self._ends():
            raise _StoppedError
        self._at = done, total
        self._events.put(Step(done, total))

    def wants(self, done: int, total: int) -> bool:
        return done < total and done * LOOKS // total > (done - 1) * LOOKS // total

    def see(self, pictures: Tensor) -> None:
        self._events.put(Step(*self._at, to_image(pictures[0])))


def painted(room: Room, request: Request, stop: Event) -> Iterator[Step | Generated]:
    """The steps of the one picture of a request, then the picture. Whoever sets ``stop`` or closes the iterator ends the
    painting at its next step. Errors: those of :meth:`emosym.system.System.paint`."""
    events: SimpleQueue[Step | Generated | BaseException] = SimpleQueue()
    left = Event()

    def ends() -> bool:
        return stop.is_set() or left.is_set()

    def work() -> None:
        try:
            with room.lock:
                if ends():
                    raise _StoppedError
                events.put(room.system.paint(request, on_step=_Watch(events, ends))[0])
        except BaseException as error:  # the system takes what ends it for a fault of its diffusion model
            events.put(_StoppedError() if ends() else error)

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
        left.set()
        thread.join()


def looked_at(room: Room, request: Request, words: str, who: Who = ("", "")) -> Iterator[Shown]:
    """What pictures, status and files show while the pictures of a request are painted one after the other, and at the end;
    ``words`` say what they are of, ``who`` may :func:`halt` it."""
    room.system.require_generation()
    if request.image is None:
        request.weights(room.system.labels)  # an unknown emotion is told before anybody waits
    yield [], note("Waiting for the first step."), None
    done, right = list[tuple[str, str]](), 0
    painting = room.under_way[who] = UnderWay()
    try:
        for seed in range(request.seed, request.seed + request.n):
            for event in painted(room, replace(request, n=1, seed=seed), painting.stop):
                if isinstance(event, Generated):
                    read, said = called(room, event)
                    done.append((str(kept(room, request, event)), said))
                    right += read == request.emotion
                    continue
                now = gr.skip() if event.picture is None else [*done, (event.picture, "not yet done")]
                count = f"Picture {len(done) + 1} of {request.n}, step {event.done} of {event.total}."
                yield now, note(count), gr.skip()
            yield list(done), note(f"{len(done)} of {request.n} done."), [path for path, _ in done]
    except _StoppedError:
        yield list(done), note(STOPPED), [path for path, _ in done]
        return
    finally:
        room.under_way.pop(who, None)
        painting.over.set()
    held = (
        f"{right} of {request.n} read as {request.emotion} by this system itself" if request.emotion else READ
    )
    yield done, note(f"Done: {words}. {held}. Each PNG holds its recipe."), [path for path, _ in done]


def called(room: Room, picture: Generated) -> tuple[str, str]:
    """The emotion that the system reads in a picture, none in one that is flagged, and what is said below it."""
    if picture.flagged:
        return "", f"seed {picture.seed}: {BLACK}"
    with room.lock:
        reading = room.system.understand(picture.image)
    said = f"seed {picture.seed}: {reading.emotion} {reading.probabilities[reading.emotion]:.0%}"
    return reading.emotion, said


def kept(room: Room, request: Request, picture: Generated) -> Path:
    """The PNG with its recipe, in a new folder of the page's own."""
    folder = Path(mkdtemp(dir=room.kept))
    emotion = room.system.labels.names[picture.label]
    return save_png(folder, stem(request, emotion, picture.seed), picture.png())
