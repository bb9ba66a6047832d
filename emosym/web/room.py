"""What every tab works with: the system, its run, and the one way in which errors reach the page."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from threading import Event, Lock
from typing import Any

import gradio as gr
from emosym_registry import EmosymError, Registry
from emosym_registry.errors import first_line

from emosym.system import System

ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "system", "concurrency_limit": 1}
"""Options of every event that reads or paints: all people who use the page share one model."""
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Options of events that only keep the page up to date."""
FAULT = "this is a fault of emosym or of a component; the terminal in which the page runs says more"


Who = tuple[str, str]
"""Somebody's session, and the tab where they are."""


@dataclass
class UnderWay:
    """A painting: ``stop`` asks it to end, ``over`` is set once it has."""

    stop: Event = field(default_factory=Event)
    over: Event = field(default_factory=Event)


@dataclass(frozen=True)
class Room:
    """A system that a page shows. ``run`` is its run folder, None where it is a saved system alone; ``folders`` are looked
    through for runs and studies; ``kept`` holds what people upload and what is painted for them."""

    system: System
    registry: Registry
    run: Path | None
    folders: tuple[Path, ...]
    kept: Path
    lock: Lock = field(default_factory=Lock)
    """Held while the model works."""
    under_way: dict[Who, UnderWay] = field(default_factory=dict)
    """What is painted for whom."""

    def plain(self, text: str) -> str:
        """A message in which uploaded files are called as their owners call them."""
        return re.sub(re.escape(str(self.kept)) + r"(/[^/\s:]+)*/", "", text)

    def said(self, error: EmosymError) -> str:
        """What an error says and what to do, in plain text."""
        return self.plain(f"{error.message}. {error.hint}" if error.hint else error.message)

    def told(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, or a function that yields, whose errors become messages of the page."""
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def each(*given: Any) -> Iterator[Any]:
                try:
                    yield from function(*given)
                except Exception as error:
                    raise self._message(error) from error

            return each

        @functools.wraps(function)
        def once(*given: Any) -> Any:
            try:
                return function(*given)
            except Exception as error:
                raise self._message(error) from error

        return once

    def _message(self, error: Exception) -> gr.Error:
        if isinstance(error, EmosymError) and not error.ours:
            return gr.Error(escape(self.said(error), quote=False), title="Not done", print_exception=False)
        what = self.plain(f"{type(error).__name__}: {first_line(error)}")
        return gr.Error(escape(f"{what}. {FAULT}", quote=False), title="A fault")
