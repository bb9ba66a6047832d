"""The URL of the SQL bank: what can be no database, and secrets that only the environment holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from emosym_memory.config import SqlConfig
from emosym_memory.engine import resolved
from emosym_memory.sql import SqlBank
from emosym_registry import EmosymError, load_registry
from pydantic import ValidationError
from sqlalchemy import Engine, event

from emosym.contracts import Context, LabelSet
from emosym.spec import SpecErrors, load_spec

LABELS = LabelSet.of(["awe", "fear"])
PASSWORD = "p@ss/wörd?:{run} %41"


@pytest.fixture(autouse=True)
def _allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOSYM_SECRETS", "A,BANK_NAME,BANK_PASSWORD,BANK_USER,D,H,NAME,P,PART,U")


SPEC = "emosym: 1\nextends: preset:tiny\nname: bank\nmemory: {name: sql, params: {url: '%s'}}\n"


@pytest.mark.parametrize(
    ("url", "id"),
    [
        ("nonsense", "memory.bad-url"),
        ("odd://x", "memory.bad-url"),
        ("postgresql://h:port/db", "memory.bad-url"),
        ("sqlite:///{run}/b.db", "memory.no-run-folder"),
    ],
)
def test_urls_that_cannot_be(url: str, id: str) -> None:
    with pytest.raises(EmosymError) as caught:
        SqlBank(SqlConfig(url=url), Context(LABELS))
    assert caught.value.id == id


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@h/db",
        "postgresql+psycopg://u:hunter2/?#@h/db",
        "postgresql://u@x:hunter2@h/db",
        "postgresql://u:hunter2{secret:PART}@h/db",
        "postgresql://u@h/db?password=hunter2",
        "postgresql://u@h/db?sslmode=require&ssl%70assword=hunter2",
        "postgres//u:hunter2@h/db",
    ],
)
def test_a_password_in_a_spec_is_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    spec = tmp_path / "bank.yaml"
    spec.write_text(SPEC % url)
    with pytest.raises(SpecErrors) as caught:
        load_spec(spec, registry=load_registry())
    assert "bank.yaml:4:35 memory.params.url: expected no password" in str(caught.value)
    assert "write {secret:NAME}" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ValidationError) as direct:
        SqlConfig(url=url)
    assert "hunter2" not in str(direct.value)


@pytest.mark.parametrize(
    "url", ["postgresql://u:{secret:}@h/db", "postgresql://u:{secret:A-B}@h/db", "sqlite:///{secret}"]
)
def test_a_secret_that_names_no_variable_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="with the name of an environment variable"):
        SqlConfig(url=url)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////home/a:b@c/bank.db",
        "postgresql://user@host/db",
        "postgresql://user:@host/db?passfile=/home/a/.pgpass",
    ],
)
def test_what_is_no_password_is_allowed(url: str) -> None:
    assert SqlConfig(url=url).url == url


def test_a_spec_keeps_the_name_of_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANK_PASSWORD", PASSWORD)
    url, spec = "postgresql://u:{secret:BANK_PASSWORD}@h/db", tmp_path / "bank.yaml"
    spec.write_text(SPEC % url)
    assert load_spec(spec, registry=load_registry()).data()["memory"]["params"]["url"] == url


def test_secrets_stand_in_any_part_and_are_not_read_again() -> None:
    written = (
        "postgresql://{secret:U}:{secret:P}@{secret:H}/{run}-{secret:D}?sslpassword={secret:P}&opt={secret:U}"
    )
    values = {"U": "a:b@{secret:P}", "P": PASSWORD, "H": "db.house", "D": "x?y=z"}
    url = resolved(written, values, "/run")
    assert (url.username, url.password, url.host) == (values["U"], PASSWORD, "db.house")
    assert url.database == "/run-x?y=z"
    assert dict(url.query) == {"sslpassword": PASSWORD, "opt": values["U"]}
    assert url.drivername == "postgresql+psycopg"


def test_a_missing_secret_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BANK_USER", raising=False)
    monkeypatch.setenv("BANK_PASSWORD", "")
    config = SqlConfig(url="postgresql://{secret:BANK_USER}:{secret:BANK_PASSWORD}@h/db")
    with pytest.raises(EmosymError) as caught:
        SqlBank(config, Context(LABELS, run=tmp_path))
    assert caught.value.id == "memory.missing-secret"
    assert "variables BANK_USER, BANK_PASSWORD must be set" in caught.value.message
    assert caught.value.hint == "export BANK_USER in the shell that starts the run"


@pytest.fixture
def talkative() -> Iterator[None]:
    """A driver whose refusal repeats the secret."""

    def refuse(*_: Any) -> NoReturn:
        raise sqlite3.OperationalError(f"no entry for {PASSWORD!s} here")

    event.listen(Engine, "do_connect", refuse)
    yield
    event.remove(Engine, "do_connect", refuse)


def test_a_bank_opens_by_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANK_NAME", "b@nk: 1?%41")
    bank = SqlBank(SqlConfig(url="sqlite:///{run}/{secret:BANK_NAME}.db"), Context(LABELS, run=tmp_path))
    bank.close()
    assert (tmp_path / "b@nk: 1?%41.db").is_file()


@pytest.mark.usefixtures("talkative")
def test_no_message_shows_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANK_NAME", PASSWORD)
    with pytest.raises(EmosymError) as caught:
        SqlBank(SqlConfig(url="sqlite:///{run}/a/{secret:BANK_NAME}"), Context(LABELS, run=tmp_path))
    assert caught.value.id == "memory.unreachable"
    assert caught.value.message == (
        f"sqlite:///{tmp_path}/a/{{secret:BANK_NAME}} cannot be used: no entry for {{secret:BANK_NAME}} here"
    )
    assert caught.value.__cause__ is None


def test_postgres_takes_a_user_from_the_environment(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.replace("emosym@", "{secret:BANK_USER}:{secret:BANK_PASSWORD}@")
    monkeypatch.setenv("BANK_PASSWORD", PASSWORD)
    monkeypatch.setenv("BANK_USER", "emosym")
    config = SqlConfig(url=url, namespace="by_secret")
    SqlBank(config, Context(LABELS, run=tmp_path)).close()
    monkeypatch.setenv("BANK_USER", "nobody/here")
    with pytest.raises(EmosymError) as caught:
        SqlBank(config, Context(LABELS, run=tmp_path))
    assert caught.value.id == "memory.unreachable"
    assert "nobody/here" not in caught.value.message
    assert "{secret:BANK_USER}" in caught.value.message
