"""Opening and preparing the next batch's pictures in threads while the present one trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from emosym.contracts import Sample


class Prefetch:
    """``workers`` threads decode pictures ahead, and ``prepare`` the batch; 0 leaves both to whoever needs the picture.

    Which samples make a batch is still asked for at its own step, so a memory bank that changes the training set between
    two steps is never behind.
    """

    def __init__(self, workers: int, prepare: Callable[[Sequence[Sample]], None]) -> None:
        self._pool = ThreadPoolExecutor(workers, "prefetch") if workers else None
        self._prepare = prepare
        self._ahead: dict[str, Future[Sample]] = {}
        self._prepared: Future[None] | None = None

    def announce(self, batch: Sequence[Sample]) -> None:
        """Start with a batch that will probably be needed next."""
        if self._pool is not None:
            self._ahead = {sample.id: self._pool.submit(sample.decoded) for sample in batch}
            # Queued after what it waits for, so that even one thread comes to its end.
            self._prepared = self._pool.submit(lambda: self._prepare(self._decoded(batch)))

    def take(self, batch: Sequence[Sample]) -> list[Sample]:
        """The batch with its pictures decoded where they were announced."""
        if self._prepared is not None:
            wait([self._prepared])  # what went wrong is said by whoever reads the batch
        return self._decoded(batch)

    def _decoded(self, batch: Sequence[Sample]) -> list[Sample]:
        return [self._ahead[s.id].result() if s.id in self._ahead else s for s in batch]

    def close(self) -> None:
        """Stop the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
