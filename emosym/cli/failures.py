"""From an exception to one message and an exit status."""

from __future__ import annotations

import shutil
import sys
import textwrap
import traceback

from emosym_registry import EmosymError

INTERRUPTED, TERMINATED = 130, 75
"""Exit statuses: Ctrl-C, and a temporary failure as schedulers understand it (``EX_TEMPFAIL``): run it again."""


class StoppedError(Exception):
    """Somebody stopped a run; the message says how to go on."""

    def __init__(self, message: str, status: int = INTERRUPTED) -> None:
        super().__init__(message)
        self.status = status


def report_failure(error: BaseException, *, debug: bool) -> int:
    """Print what went wrong on stderr, a traceback only under ``--debug``, and return the exit status."""
    if debug and not _is_usage(error):
        traceback.print_exception(error)
    if isinstance(error, StoppedError):
        return _say(str(error), error.status)
    if isinstance(error, KeyboardInterrupt):
        return _say("stopped", INTERRUPTED)
    if _is_usage(error):
        return _show_usage(error)
    notes = "".join(f"\n  {note}" for note in getattr(error, "__notes__", ()))
    if len(getattr(error, "problems", ())) > 1:
        return _list_problems(error, notes)
    if isinstance(error, EmosymError):
        return _say(f"error: {error}{notes}", 1 if error.ours else 2)
    if isinstance(error, BrokenPipeError):
        return 1
    advice = "" if debug else "\n  run again with --debug for the traceback"
    return _say(f"error: {type(error).__name__}: {_first_line(error)}{notes}{advice}", 1)


def _say(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status


def _list_problems(error: BaseException, notes: str) -> int:
    """Every mistake of a spec on a line of its own, as tools that jump to places read them; wrapped on a terminal."""
    lines, count = str(error).splitlines(), len(error.problems)  # type: ignore[attr-defined]
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        lines = [
            textwrap.fill(
                line, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
            )
            for line in lines
        ]
    return _say("\n".join([f"error: {count:,} mistakes in the spec", *lines]) + notes, 2)


def _is_usage(error: BaseException) -> bool:
    """Whether typer raised it for a command line that it cannot read."""
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def _show_usage(error: BaseException) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # of the click inside typer; its message is the help
        print(error.format_message())  # type: ignore[attr-defined]
        return 0
    if context is not None:
        print(context.get_usage(), file=sys.stderr)
    print(f"error: {error.format_message()}", file=sys.stderr)  # type: ignore[attr-defined]
    if context is not None:
        print(f"  {context.command_path} --help", file=sys.stderr)
    return int(error.exit_code)  # type: ignore[attr-defined]


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or "no message").splitlines()[0]
