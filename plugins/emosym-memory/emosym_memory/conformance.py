"""What the conformance kit checks of these banks: with default parameters and with others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from emosym.testing import MemorySuite


class Sql(MemorySuite):
    """Bank ``sql`` on SQLite, in the run folder."""

    component = "emosym-memory/sql"


class SqlPaper(Sql):
    """Bank ``sql`` with the paper's policy, which keeps an image once it is in."""

    params: ClassVar[Mapping[str, Any]] = {"policy": "paper", "fraction": 0.2}
    fraction = 0.2


class InMemory(MemorySuite):
    """Bank ``in-memory``."""

    component = "emosym-memory/in-memory"


class InMemoryRenewing(InMemory):
    """Bank ``in-memory`` whose images give way after one refresh, scores combined by geometric mean."""

    params: ClassVar[Mapping[str, Any]] = {"max_age": 1, "combine": "geometric", "min_distance": 0.0}


class SqlAdding(Sql):
    """Bank ``sql`` whose images join the originals."""

    params: ClassVar[Mapping[str, Any]] = {"mode": "add", "fraction": 0.2}
    fraction = 0.2


class InMemoryAdding(InMemory):
    """Bank ``in-memory`` whose images join the originals, by the paper's policy."""

    params: ClassVar[Mapping[str, Any]] = {"mode": "add", "policy": "paper"}
