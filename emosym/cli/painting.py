"""What verbs that paint have in common: the bar over the steps, the names of the files, the files, what is said of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emosym.contracts import Generated
    from emosym.request import Request


def stem(request: Request, emotion: str, seed: int) -> str:
    """What a picture's file is called; ``emotion`` is that of the picture where a reading decided."""
    from emosym.toolkit import file_name

    words = list(request.mixture or [emotion])
    if request.valence is not None:
        words = [f"valence{request.valence:+g}"]
    if request.onto is not None:
        words += ["onto", Path(str(request.onto)).stem]
    return file_name("-".join([*words, str(seed)]))


class steps_shown:  # noqa: N801  a context manager that reads as a phrase
    """A progress bar over denoising steps on a terminal, nothing elsewhere."""

    def __enter__(self) -> Callable[[int, int], None] | None:
        from emosym.experiment.progress import quiet

        self._progress: Any = None
        if not sys.stderr.isatty() or quiet():
            return None
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("denoising"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._progress.start()
        task = self._progress.add_task("denoising", total=None)
        return lambda step, steps: self._progress.update(task, completed=step, total=steps)

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()


def write(
    pictures: Sequence[Generated], request: Request, names: Sequence[str], folder: Path, *, as_json: bool
) -> None:
    """Save pictures of a request and print where they are, or all that is known of them as JSON; ``names`` are the emotions."""
    made = []
    for picture in pictures:
        emotion = names[picture.label]
        file = save_png(folder, stem(request, emotion, picture.seed), picture.png())
        made.append(
            {"file": str(file), "emotion": emotion, "seed": picture.seed, "recipe": dict(picture.recipe)}
        )
        if not as_json:
            print(file)
    if as_json:
        print(json.dumps(made, indent=2, default=str))  # as the recipe in the PNG is written


def save_png(folder: Path, stem: str, content: bytes) -> Path:
    """Write a PNG; a different picture of the same name is kept, not overwritten."""
    number = 1
    while True:
        path = folder / (f"{stem}.png" if number == 1 else f"{stem}-{number}.png")
        if not path.exists():
            partial = path.with_name(f".{path.name}.part")
            partial.write_bytes(content)
            partial.replace(path)
            return path
        if path.read_bytes() == content:
            return path
        number += 1
