"""What the conformance kit checks of these banks: each with its default parameters, and with the paper's policy."""

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


class Ring(MemorySuite):
    """Bank ``in-memory``."""

    component = "emosym-memory/in-memory"


class RingRenewing(Ring):
    """Bank ``in-memory`` whose images give way after one refresh, with scores combined by their geometric mean."""

    params: ClassVar[Mapping[str, Any]] = {"max_age": 1, "combine": "geometric", "min_distance": 0.0}
