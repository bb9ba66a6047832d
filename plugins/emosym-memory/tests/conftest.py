"""Both banks, and the SQL bank on both databases: every test that asks for ``make`` runs on all of them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from emosym_memory.bank import Bank
from emosym_memory.config import InMemoryConfig, SqlConfig
from emosym_memory.in_memory import InMemoryBank
from emosym_memory.sql import SqlBank

from emosym.contracts import Context

from .banks import LABELS, ORIGINALS, Make


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of our own, gone after the tests."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (emosym-memory[postgres])")
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        pytest.skip("no initdb and pg_ctl on this machine")
    user = "nobody" if os.geteuid() == 0 else None  # the server refuses to run as root
    # Not in pytest's folder, which only its owner may enter.
    with tempfile.TemporaryDirectory(prefix="emosym-postgres-") as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        data = ["-D", str(folder / "data")]

        def call(*command: str) -> None:
            # Output goes to a file: the server would keep a pipe open.
            with (folder / "out").open("a") as out:
                done = subprocess.run(command, user=user, cwd=folder, stdout=out, stderr=out, timeout=120)
            assert done.returncode == 0, (folder / "out").read_text()

        call("initdb", *data, "-U", "emosym", "-A", "trust", "--no-sync")
        call("pg_ctl", *data, "-o", options, "-w", "start")
        try:
            yield f"postgresql://emosym@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", *data, "-m", "immediate", "stop")


@pytest.fixture(params=["in-memory", "sqlite", "postgres"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes a bank; the same database when called again."""
    context = Context(LABELS, run=tmp_path)
    url = request.getfixturevalue("postgres") if request.param == "postgres" else "sqlite:///{run}/bank.db"
    namespace = (
        "t" + "".join(c for c in str(tmp_path).lower() if c.isalnum())[-40:]
        if request.param == "postgres"
        else None
    )
    banks: list[Bank] = []

    def build(**params: object) -> Bank:
        if request.param == "in-memory":
            bank: Bank = InMemoryBank(InMemoryConfig.model_validate(params), context)
        else:
            bank = SqlBank(SqlConfig.model_validate({"url": url, "namespace": namespace, **params}), context)
        bank.view(ORIGINALS)
        banks.append(bank)
        return bank

    yield build
    for bank in banks:
        bank.close()
