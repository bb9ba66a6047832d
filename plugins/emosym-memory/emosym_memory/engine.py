"""The engine of a bank's URL: drivers, transactions, and names that show no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from emosym.contracts import Context
from emosym.toolkit import without_secrets
from emosym_memory import address
from emosym_memory.config import SqlConfig


@dataclass(frozen=True)
class Database:
    """An engine, the URL as written, by which messages call it, and the secrets that none may show."""

    engine: Engine
    name: str
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database; None for one in memory or on a server."""
        name = self.engine.url.database if self.engine.dialect.name == "sqlite" else None
        return Path(name) if name and name != ":memory:" else None

    def without_secrets(self, words: object) -> str:
        """``words`` with every secret replaced by its name."""
        return without_secrets(str(words), self.secrets)


def connect(config: SqlConfig, context: Context) -> Database:
    """Errors: ``memory.bad-url``, ``.no-run-folder``, ``.secret-not-allowed``, ``.missing-secret``, ``.no-driver``."""
    if "{run}" in config.url and context.run is None:
        raise EmosymError(
            "memory.no-run-folder",
            f"memory url {config.url!r} needs a run folder",
            hint="give a url without {run}",
        )
    run = str(context.run)
    values = address.secrets(config.url)
    try:
        url = resolved(config.url, values, run)
        if url.get_backend_name() == "sqlite" and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, pool_pre_ping=True)  # a server that was started again is asked anew
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise EmosymError(
            "memory.bad-url",
            f"{config.url!r} is no database url: {without_secrets(str(error), values)}",
            hint="sqlite:///folder/bank.db or postgresql://user:{secret:NAME}@host/name",
        ) from (None if values else error)
    except ModuleNotFoundError as error:
        raise EmosymError(
            "memory.no-driver",
            f"{error.name} is not installed, which {url.get_backend_name()} needs",
            hint="pip install 'emosym-memory[postgres]'",
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif config.namespace:
        engine = engine.execution_options(schema_translate_map={None: config.namespace})
    return Database(engine, config.url.replace("{run}", run), values)


def resolved(written: str, values: Mapping[str, str], run: str) -> URL:
    """The URL with its secrets in their parts, where any character may stand for itself."""
    url = make_url(address.mark(written))
    parts: dict[str, Any] = {
        part: address.fill(str(value), values, run)
        for part in ("username", "password", "host", "database")
        if (value := getattr(url, part)) is not None
    }
    query = {
        key: tuple(address.fill(one, values, run) for one in value)
        if isinstance(value, tuple)
        else address.fill(value, values, run)
        for key, value in url.query.items()
    }
    if url.get_backend_name() == "postgresql" and "+" not in url.drivername:
        parts["drivername"] = "postgresql+psycopg"
    return url.set(**parts, query=query)


def _prepare_sqlite(connection: Any, _: Any) -> None:
    """Real transactions (the driver would open them late), write-ahead log, foreign keys, and a commit that
    survives a power cut."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
