"""The command line: ``emosym VERB …``. Verbs import what is heavy only when they run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from emosym.cli.completion import COMPLETING, complete
from emosym.cli.failures import report_failure
from emosym.cli.globals import split
from emosym.cli.saying import speaking

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 (our fault), 2 (the user's mistake) or 130 (stopped)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        settings, words = split(words)
        from emosym.cli.app import app

        if COMPLETING in os.environ:
            return complete(app, settings)
        with speaking(settings):
            status = app(args=words, prog_name="emosym", standalone_mode=False, obj=settings)
    except (Exception, KeyboardInterrupt) as error:
        return report_failure(error, debug=debug)
    status = status if isinstance(status, int) else 0
    if status == 130:
        print("stopped", file=sys.stderr)
    return status
