"""The Online Emotional Memory Bank (OEMB) in a database; one refresh is one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from emosym_registry import EmosymError
from sqlalchemy import Connection, Row, insert, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.schema import CreateSchema

from emosym.contracts import Context, LedgerEntry
from emosym_memory import tables
from emosym_memory.bank import Bank, Contents, check_live, opening
from emosym_memory.candidates import Picture
from emosym_memory.config import SqlConfig
from emosym_memory.engine import Database, connect
from emosym_memory.ledger import Held, State
from emosym_memory.policy import Features

BATCH = 500
"""Values in one IN list."""


class SqlBank(Bank[SqlConfig]):
    """Keeps images, ledger and live state in one database; a refresh that dies half-way leaves no trace."""

    def __init__(self, config: SqlConfig, context: Context) -> None:
        super().__init__(config, context)
        self._ready = False
        self._database = connect(config, context)
        self._where, self._engine = self._database.name, self._database.engine
        with opening(self):
            if self._engine.dialect.name == "sqlite":
                self._check_file()
            with self._begin() as connection:
                self._create(connection)
            with self._begin() as connection:
                contents = self._read(connection)
            check_live(contents.state, self._lines())
            self._opened(contents)
            self._ready = True

    # storage

    def _store_originals(self, originals: Mapping[str, int | None]) -> None:
        rows = [{"id": id, "position": i, "label": label} for i, (id, label) in enumerate(originals.items())]
        with self._begin() as connection:
            _insert(connection, tables.originals, rows)
            connection.execute(insert(tables.facts).values(key="originals", value=str(len(rows))))

    def _commit(self, lines: Sequence[LedgerEntry], pictures: Sequence[Picture], state: State) -> None:
        with self._begin() as connection:
            stored = {row.id for row in _images(connection, [one.id for one in pictures])}
            _insert(
                connection, tables.images, [_picture_row(one) for one in pictures if one.id not in stored]
            )
            _insert(connection, tables.ledger, [{**vars(one), "detail": dict(one.detail)} for one in lines])
            connection.execute(tables.hidden.delete())
            connection.execute(tables.entries.delete())
            _insert(connection, tables.entries, [_entry_row(one) for one in state.held])
            _insert(connection, tables.hidden, [{"image": image} for image in sorted(state.hidden)])
            connection.execute(tables.refreshes.delete())
            _insert(connection, tables.refreshes, [{"number": number} for number in state.refreshes])

    def _lines(self) -> list[LedgerEntry]:
        with self._begin() as connection:
            rows = connection.execute(select(tables.ledger).order_by(tables.ledger.c.number)).all()
        return [LedgerEntry(**row._asdict()) for row in rows]

    def _pictures(self, ids: Sequence[str]) -> dict[str, bytes]:
        with self._begin() as connection:
            return {row.id: bytes(row.png) for row in _images(connection, ids, tables.images.c.png)}

    def _features(self, ids: Sequence[str]) -> dict[str, Features]:
        with self._begin() as connection:
            rows = _images(connection, ids, tables.images.c.features)
        return {row.id: np.frombuffer(row.features, "<f4") for row in rows if row.features}

    def _store_snapshot(self, id: str, number: int) -> None:
        if id not in self._snapshots():
            with self._begin() as connection:
                connection.execute(insert(tables.snapshots).values(id=id, number=number))

    def _snapshots(self) -> dict[str, int]:
        with self._begin() as connection:
            rows = connection.execute(select(tables.snapshots).order_by(tables.snapshots.c.number)).all()
        return {row.id: row.number for row in rows}

    def _release(self) -> None:
        self._engine.dispose()

    # details

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        """A transaction; what goes wrong in the database becomes an error that names it."""
        file = self._database.file
        # SQLite would go on in a file without a name.
        if self._ready and file is not None and not file.exists():
            raise EmosymError("memory.gone", f"{self._where} was deleted while the run used it", hint=_HINT)
        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise _database_error(self._database, error) from self._shown(error)
        except SQLAlchemyError as error:
            what = f"{self._where}: {self._database.without_secrets(error)}"
            raise EmosymError("memory.damaged", what, hint=_HINT) from self._shown(error)

    def _shown(self, error: Exception) -> Exception | None:
        """A cause that a traceback may show: it says what the driver says, perhaps with a secret in it."""
        return None if self._database.secrets else error

    def _check_file(self) -> None:
        with self._begin() as connection:
            verdict = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
        if verdict != "ok":
            raise EmosymError("memory.damaged", f"{self._where} is damaged: {verdict}", hint=_HINT)

    def _create(self, connection: Connection) -> None:
        if self.config.namespace and self._engine.dialect.name == "postgresql":
            connection.execute(CreateSchema(self.config.namespace, if_not_exists=True))
        tables.metadata.create_all(connection)
        wanted = {
            "version": tables.VERSION,
            "mode": self.config.mode,
            "policy": self.config.policy,
            "fraction": repr(self.config.fraction),
            "labels": ",".join(self.context.labels.names),
        }
        stored = {row.key: row.value for row in connection.execute(select(tables.facts))}
        if stored:
            stored.setdefault("mode", "replace")  # banks that were made before there was another
        if self.context.run_id:
            wanted["run"] = self.context.run_id
        for key, value in wanted.items():
            if key not in stored:
                connection.execute(insert(tables.facts).values(key=key, value=value))
            elif key == "run" and stored[key] != value:
                raise EmosymError(
                    "memory.other-run",
                    f"{self._where} is the bank of another run ({stored[key]}; this is {value})",
                    hint="give each run a memory url or namespace of its own, such as sqlite:///{run}/bank.db",
                )
            elif stored[key] != value:
                raise EmosymError(
                    "memory.other-bank",
                    f"{self._where} was made with {key} {stored[key]}, this run has {value}",
                    hint="set it back, or use a new run folder or memory url",
                )

    def _read(self, connection: Connection) -> Contents:
        fixed = connection.execute(
            select(tables.facts.c.value).where(tables.facts.c.key == "originals")
        ).scalar()
        rows = connection.execute(select(tables.originals).order_by(tables.originals.c.position)).all()
        held = [
            _held(row._asdict())
            for row in connection.execute(select(tables.entries).order_by(tables.entries.c.number))
        ]
        refreshes = connection.execute(
            select(tables.refreshes.c.number).order_by(tables.refreshes.c.number)
        ).scalars()
        last = connection.execute(
            select(tables.ledger.c.number).order_by(tables.ledger.c.number.desc()).limit(1)
        ).scalar()
        hidden = frozenset(connection.execute(select(tables.hidden.c.image)).scalars())
        originals = None if fixed is None else {row.id: row.label for row in rows}
        return Contents(originals, State(tuple(held), tuple(refreshes), hidden), (last or 0) + 1)


_HINT = "restore a copy of the database, or start the run again in a new folder"


def _database_error(database: Database, error: DBAPIError) -> EmosymError:
    where = database.name
    names = {one.__name__ for one in type(error.orig).__mro__}  # drivers raise subclasses
    # Hidden before it is cut: a secret may hold a line break.
    cause = (database.without_secrets(error.orig).strip() or type(error.orig).__name__).splitlines()[0]
    if "IntegrityError" in names:
        return EmosymError(
            "memory.in-use",
            f"{where}: {cause}; another run writes to this bank",
            hint="give each run a bank of its own",
        )
    if "OperationalError" in names and "malformed" not in cause:
        return EmosymError(
            "memory.unreachable",
            f"{where} cannot be used: {cause}",
            hint="check the url, the server, and the disk",
        )
    return EmosymError("memory.damaged", f"{where} is damaged or no bank: {cause}", hint=_HINT)


def _images(connection: Connection, ids: Sequence[str], *columns: Any) -> list[Row[Any]]:
    """``id`` and ``columns`` of those of the images that are stored."""
    wanted = select(tables.images.c.id, *columns)
    batches = (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
    return [
        row for batch in batches for row in connection.execute(wanted.where(tables.images.c.id.in_(batch)))
    ]


def _insert(connection: Connection, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), list(rows))


def _picture_row(one: Picture) -> dict[str, Any]:
    return {**vars(one), "features": one.features.astype("<f4").tobytes()}


_COLUMNS = ("replaced", "refresh", "score", "scores", "prompt", "generator", "settings", "attributes")


def _entry_row(one: Held) -> dict[str, Any]:
    own = {
        "image": one.id,
        "number": one.number,
        "label": one.label,
        "step": one.step,
        "seed": str(one.detail["seed"]),
    }
    return own | {name: one.detail[name] for name in _COLUMNS}


def _held(row: Mapping[str, Any]) -> Held:
    detail = {name: row[name] for name in _COLUMNS} | {"seed": int(row["seed"])}
    return Held(row["image"], row["label"], row["number"], row["step"], detail)
