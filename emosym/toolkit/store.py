"""What was computed of a picture or a text once, kept for the next epoch, stage, run and process."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Container, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from emosym.toolkit.spaces import DATA, make_room, make_space, spaces, touch

Named = Mapping[str, Tensor]
PAGE, LEAST = 4096, 2**20
TENDED = 60.0
"""Seconds between notes that a space is in use."""

log = logging.getLogger("emosym.kept")


@dataclass
class Statistics:
    """How often values of a kind were found (``hits``) or had to be made (``misses``), and ``bytes`` newly kept; ``full``
    where some were not kept since the budget was spent."""

    hits: int = 0
    misses: int = 0
    bytes: int = 0
    full: bool = False


_statistics: dict[str, Statistics] = {}
_opened: dict[tuple[int, str], Any] = {}
"""Environments by process and folder: LMDB allows one each, and none to survive a fork."""


def kept_statistics(*, anew: bool = False) -> dict[str, dict[str, Any]]:
    """Statistics of this process by kind; ``anew`` sets them back to nothing."""
    found = {kind: asdict(one) for kind, one in sorted(_statistics.items())}
    if anew:
        _statistics.clear()
    return found


class Store:
    """Named tensors by key, in a memory-mapped file below :func:`emosym.toolkit.cache_folder` that processes share.

    A value depends on its key and on ``about`` alone (weights, precision, whatever else there is): other ``about``, other
    file. What is found is, bit for bit, what was made. Values that do not fit the budget are made again each time; so
    are all of them where the disk is full or may not be written to, which is said once.
    """

    def __init__(self, kind: str, about: Mapping[str, Any], megabytes: int) -> None:
        self.kind, self.about, self.limit = kind, dict(about), megabytes * 2**20
        self._folder: Path | None = None
        self._only: set[bytes] | None = None
        self._tended = time.monotonic()

    @property
    def statistics(self) -> Statistics:
        """Those of all stores of this kind in this process."""
        return _statistics.setdefault(self.kind, Statistics())

    def recall(self, keys: Sequence[bytes], make: Callable[[list[int]], Sequence[Named]]) -> list[Named]:
        """The values of ``keys``; ``make`` gives those of the places that it is asked for, in their order."""
        found = self._read(keys)
        missing = _missing(keys, found)
        self.statistics.hits += len(keys) - len(missing)
        self.statistics.misses += len(missing)
        if missing:
            made = {keys[place]: value for place, value in zip(missing, make(missing), strict=True)}
            self._write(made)
            found |= made
        return [found[key] for key in keys]

    def missing(self, keys: Sequence[bytes]) -> list[int]:
        """The places that :meth:`recall` would ask ``make`` for, as far as is known without opening the file."""
        environment = _opened.get((os.getpid(), str(self._folder)))
        here: set[bytes] = set()
        if environment is not None:
            with environment.begin(buffers=True) as transaction:
                here = {key for key in {*keys} if transaction.get(key) is not None}
        if self._only is not None:
            here &= self._only
        return _missing(keys, here)

    def forget(self) -> None:
        """Make everything again that is asked for from here on, once: for timing. Nothing is deleted."""
        self._only = set()

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, Named]:
        environment = self._environment()
        if environment is None:
            return {}
        import lmdb

        wanted = set(keys) if self._only is None else set(keys) & self._only
        try:
            with environment.begin(buffers=True) as transaction:
                raw = {key: value for key in wanted if (value := transaction.get(key)) is not None}
                return {key: load(bytes(value)) for key, value in raw.items()}
        except (lmdb.Error, SafetensorError) as error:
            self._give_up(error)
            return {}

    def _write(self, made: Mapping[bytes, Named]) -> None:
        import lmdb

        if self._only is not None:
            self._only |= set(made)
        environment = self._environment()
        if environment is None or self.statistics.full:
            return
        rows = {
            key: save({name: one.detach().cpu().contiguous() for name, one in value.items()})
            for key, value in made.items()
        }
        try:
            with environment.begin(write=True) as transaction:
                for key, row in rows.items():
                    transaction.put(key, row, overwrite=False)
        except lmdb.MapFullError:
            self.statistics.full = True
            return
        except lmdb.Error as error:
            self._give_up(error)
            return
        self.statistics.bytes += sum(map(len, rows.values()))

    def _environment(self) -> Any:
        """The opened file; None where nothing can be kept."""
        if self.limit == 0:
            return None
        if self._folder is None:
            try:
                self._folder = make_space(self.kind, self.about)
            except (OSError, EmosymError) as error:
                self._give_up(error)
                return None
        at = os.getpid(), str(self._folder)
        if at not in _opened:
            _opened[at] = self._open(self._folder)
        if time.monotonic() - self._tended > TENDED:
            self._tend(self._folder)
        return _opened[at]

    def _tend(self, folder: Path) -> None:
        """Note that it is in use, and look whether all spaces together have grown beyond the budget."""
        touch(folder)
        self.statistics.full = sum(space.bytes for space in spaces()) > self.limit
        self._tended = time.monotonic()

    def _open(self, folder: Path) -> Any:
        import lmdb

        size = max(make_room(folder, self.limit), LEAST) // PAGE * PAGE
        for attempt in range(2):
            try:
                # What a crash of the machine leaves half-written is made again; that is not worth a flush each time.
                return lmdb.open(str(folder), map_size=size, sync=False, metasync=False, max_readers=512)
            except (lmdb.CorruptedError, lmdb.InvalidError, lmdb.VersionMismatchError) as error:
                if attempt:
                    return self._give_up(error)
                (folder / DATA).unlink(missing_ok=True)
            except (lmdb.Error, OSError) as error:
                return self._give_up(error)
        return None

    def _give_up(self, error: Exception) -> None:
        log.warning("%s are not kept: %s", self.kind, error)
        self.limit = 0


def _missing(keys: Sequence[bytes], found: Container[bytes]) -> list[int]:
    """Where each key that is not among the ``found`` comes first."""
    first = {key: place for place, key in reversed([*enumerate(keys)]) if key not in found}
    return sorted(first.values())


def key_of(*parts: Hashable) -> bytes:
    """A key of 16 bytes for parts whose ``repr`` says all of them."""
    return blake2b(repr(parts).encode(), digest_size=16).digest()


_digests: dict[tuple[str, int, int], bytes] = {}


def picture_key(source: Path | bytes | Image.Image) -> bytes:
    """Equal keys mean equal pictures: a digest of a file's bytes (read once, while size and time of change stay), or of the
    pixels of one that is opened."""
    if isinstance(source, bytes):
        return blake2b(source, digest_size=16).digest()
    if not isinstance(source, Path):
        picture = source.convert("RGB")
        return blake2b(picture.tobytes(), digest_size=16, salt=b"%dx%d" % picture.size).digest()
    try:
        status = source.stat()
        at = str(source), status.st_size, status.st_mtime_ns
        if at not in _digests:
            _digests[at] = blake2b(source.read_bytes(), digest_size=16).digest()
    except OSError:
        return os.urandom(16)  # opening it will say what is wrong
    return _digests[at]
