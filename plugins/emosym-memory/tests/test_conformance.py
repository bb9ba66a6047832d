"""Both banks keep the promises of their kind, whatever their policy."""

from __future__ import annotations

from emosym_memory.conformance import (
    InMemory as TestInMemory,  # noqa: F401
    InMemoryAdding as TestInMemoryAdding,  # noqa: F401
    InMemoryRenewing as TestInMemoryRenewing,  # noqa: F401
    Sql as TestSql,  # noqa: F401
    SqlAdding as TestSqlAdding,  # noqa: F401
    SqlPaper as TestSqlPaper,  # noqa: F401
)
