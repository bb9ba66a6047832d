"""The database of the SQL bank: killed, damaged, used by two, made for another policy."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from emosym_memory.config import SqlConfig
from emosym_memory.sql import SqlBank
from emosym_registry import EmosymError

from emosym.contracts import Context

from .banks import CONFIDENCES, LABELS, ORIGINALS, candidate

KILLED = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import banks as t
    from emosym_memory.config import SqlConfig
    from emosym_memory.sql import SqlBank
    from sqlalchemy import Engine, event
    from emosym.contracts import Context

    bank = SqlBank(SqlConfig(fraction=0.4), Context(t.LABELS, run=Path({run!r})))
    bank.view(t.ORIGINALS)
    bank.refresh(1, [t.candidate(1, 0, 0.9)], t.CONFIDENCES)
    writes = []

    @event.listens_for(Engine, "after_cursor_execute")
    def count(connection, cursor, statement, *rest):
        if statement.startswith(("INSERT", "DELETE")):
            writes.append(statement)
            if len(writes) == {after}:
                os.kill(os.getpid(), signal.SIGKILL)

    bank.refresh(2, [t.candidate(2, 0, 0.8), t.candidate(3, 1, 0.8)], t.CONFIDENCES)
    print("finished")
"""


@pytest.mark.parametrize("after", [1, 3, 6])
def test_a_kill_in_the_middle_of_a_refresh_leaves_the_state_before_it(tmp_path: Path, after: int) -> None:
    script = textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent), run=str(tmp_path), after=after)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    bank = SqlBank(SqlConfig(fraction=0.4), Context(LABELS, run=tmp_path))
    assert [held.detail["seed"] for held in bank.state().held] == [1]
    assert [line.step for line in bank.ledger()] == [1, 1, 1]
    assert len(bank.refresh(2, [candidate(2, 0, 0.8)], CONFIDENCES).admitted) == 1
    bank.close()


def filled(folder: Path) -> Path:
    bank = SqlBank(SqlConfig(fraction=0.4), Context(LABELS, run=folder))
    bank.view(ORIGINALS)
    bank.refresh(1, [candidate(i, i % 2, 0.9) for i in range(6)], CONFIDENCES)
    bank.close()
    return folder / "bank.db"


def overwrite(file: Path) -> None:
    file.write_bytes(b"not a database " * 1000)


def tear(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    file.write_bytes(bytes(content))


def forge(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute(
            "UPDATE entries SET replaced = 'o19' WHERE number = (SELECT MIN(number) FROM entries)"
        )


@pytest.mark.parametrize("damage", [overwrite, tear, forge])
def test_a_damaged_database_is_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    file = filled(tmp_path)
    damage(file)
    with pytest.raises(EmosymError) as caught:
        SqlBank(SqlConfig(fraction=0.4), Context(LABELS, run=tmp_path))
    assert caught.value.id == "memory.damaged"
    assert caught.value.hint


def test_originals_are_kept_in_the_database(tmp_path: Path) -> None:
    with sqlite3.connect(filled(tmp_path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM originals").fetchone() == (20,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_second_writer_is_told_apart(tmp_path: Path) -> None:
    filled(tmp_path)
    one, two = (SqlBank(SqlConfig(fraction=0.4), Context(LABELS, run=tmp_path)) for _ in range(2))
    one.refresh(2, [candidate(20, 0, 0.95)], CONFIDENCES)
    with pytest.raises(EmosymError) as caught:
        two.refresh(2, [candidate(21, 0, 0.95)], CONFIDENCES)
    assert caught.value.id == "memory.in-use"
    one.close()
    two.close()


def test_another_policy_on_the_same_database_is_refused(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(EmosymError, match="made with policy emosym, this run has paper"):
        SqlBank(SqlConfig(fraction=0.4, policy="paper"), Context(LABELS, run=tmp_path))
