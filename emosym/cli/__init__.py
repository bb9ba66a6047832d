"""The command line: ``emosym VERB …``. Verbs import what is heavy only when they run."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

from emosym.cli.failures import report_failure
from emosym.cli.globals import split

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 (our fault), 2 (the user's mistake) or 130 (stopped)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # a bar in a log is a thousand lines
    if not debug:
        warnings.simplefilter("ignore")  # libraries speaking to their callers, not to ours
        warnings.filterwarnings("default", module="emosym")
        for library in ("TRANSFORMERS", "DIFFUSERS"):
            os.environ.setdefault(f"{library}_VERBOSITY", "error")
    try:
        settings, words = split(words)
        from emosym.cli.app import app

        status = app(args=words, prog_name="emosym", standalone_mode=False, obj=settings)
    except (Exception, KeyboardInterrupt) as error:
        return report_failure(error, debug=debug)
    status = status if isinstance(status, int) else 0
    if status == 130:
        print("stopped", file=sys.stderr)
    return status
