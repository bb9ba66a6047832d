"""Renders the jobs pickled on stdin and writes the raw pixels to stdout; started by `render_many`."""

from __future__ import annotations

import pickle
import sys

from .render import render_jobs


def main() -> None:
    """Read (jobs, size), write uint8 pixels in C order."""
    jobs, size = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
    sys.stdout.buffer.write(render_jobs(jobs, size).tobytes())


if __name__ == "__main__":
    main()
