"""Opening the next batch's pictures in threads while the present one trains."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from emosym.contracts import Sample


class Prefetch:
    """``workers`` threads decode pictures ahead; 0 leaves decoding to whoever needs the picture.

    Only decoding moves: which samples make a batch is still asked for at its own step, so a memory bank that changes
    the training set between two steps is never behind.
    """

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, "decode") if workers else None
        self._ahead: dict[str, Future[Sample]] = {}

    def announce(self, batch: Sequence[Sample]) -> None:
        """Start decoding a batch that will probably be needed next."""
        if self._pool is not None:
            self._ahead = {sample.id: self._pool.submit(sample.decoded) for sample in batch}

    def take(self, batch: Sequence[Sample]) -> list[Sample]:
        """The batch with its pictures decoded where they were announced."""
        return [self._ahead[s.id].result() if s.id in self._ahead else s for s in batch]

    def close(self) -> None:
        """Stop the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
