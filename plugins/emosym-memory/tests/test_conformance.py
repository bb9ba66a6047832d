"""Both banks keep the promises of their kind, whatever their policy."""

from __future__ import annotations

from emosym_memory.conformance import (
    Ring as TestRing,  # noqa: F401
    RingRenewing as TestRingRenewing,  # noqa: F401
    Sql as TestSql,  # noqa: F401
    SqlPaper as TestSqlPaper,  # noqa: F401
)
