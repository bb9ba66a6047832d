"""Both banks, and the SQL bank on both databases, held to one behaviour."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from emosym_memory.bank import Bank
from emosym_memory.config import RingConfig, SqlConfig
from emosym_memory.ledger import replay
from emosym_memory.ring import RingBank
from emosym_memory.sql import SqlBank
from emosym_registry import EmosymError
from PIL import Image

from emosym.contracts import Candidate, Context, Generated, LabelSet, Sample, open_image

LABELS = LabelSet.of(["awe", "fear"])
ORIGINALS = [Sample(f"o{i:02d}", (Path(f"{i}.jpg"),), i % 2) for i in range(20)]
CONFIDENCES = {sample.id: 0.2 + i / 40 for i, sample in enumerate(ORIGINALS)}
"""o00 is the least confident, then o01 and so on."""


def candidate(
    seed: int, label: int, model: float, judge: float | None = None, features: Sequence[float] = ()
) -> Candidate:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    generated = Generated(
        Image.fromarray(pixels), label, seed, f"a picture {seed}", {"steps": 4, "scale": np.float32(1.5)}
    )
    scores = {"model": model} if judge is None else {"model": model, "judge": judge}
    return Candidate(generated, scores, features, "abc", {"scene": "beach"})


def mapped(bank: Bank) -> dict[str, str]:
    return bank.state().masked


Make = Callable[..., Bank]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of our own, gone after the tests."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (emosym[postgres])")
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


@pytest.fixture(params=["ring", "sqlite", "postgres"])
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
        if request.param == "ring":
            bank: Bank = RingBank(RingConfig.model_validate(params), context)
        else:
            bank = SqlBank(SqlConfig.model_validate({"url": url, "namespace": namespace, **params}), context)
        bank.view(ORIGINALS)
        banks.append(bank)
        return bank

    yield build
    for bank in banks:
        bank.close()


def test_paper_policy_takes_the_most_confident_images_for_the_least_confident_originals(make: Make) -> None:
    bank = make(policy="paper", fraction=0.1)
    done = bank.refresh(5, [candidate(1, 0, 0.4), candidate(2, 1, 0.9), candidate(3, 0, 0.7)], CONFIDENCES)
    assert [(held.label, held.score) for held in bank.state().held] == [(1, 0.9), (0, 0.7)]
    assert list(done.replaced) == ["o00", "o01"]
    assert [reason for _, reason in done.refused] == ["full: 2 originals are replaced"]
    assert (done.size, done.fraction) == (2, 0.1)
    later = bank.refresh(6, [candidate(4, 0, 1.0)], CONFIDENCES)
    assert list(later.admitted) == []


def test_view_is_the_unmasked_originals_then_the_admitted_images(make: Make) -> None:
    bank = make(policy="paper", fraction=0.1)
    offered = [candidate(1, 0, 0.9), candidate(2, 1, 0.8)]
    bank.refresh(5, offered, CONFIDENCES)
    view = bank.view(ORIGINALS)
    assert [sample.id for sample in view[:18]] == [f"o{i:02d}" for i in range(2, 20)]
    assert [(sample.label, sample.generated) for sample in view[18:]] == [(0, True), (1, True)]
    for sample, one in zip(view[18:], offered, strict=True):
        assert sample.id.startswith("bank/")
        assert np.array_equal(np.asarray(sample.open()[0]), np.asarray(one.generated.image))
        assert isinstance(sample.images[0], bytes)
        assert open_image(sample.images[0]).size == (8, 8)
        assert sample.attributes["scene"] == "beach"
        assert sample.attributes["generated"]["seed"] == one.generated.seed
        assert sample.attributes["generated"]["settings"] == {"steps": 4, "scale": 1.5}
        assert sample.attributes["generated"]["age"] == 0


def test_emosym_policy_keeps_the_class_balance(make: Make) -> None:
    bank = make(fraction=0.2)
    bank.refresh(1, [candidate(i, 0, 0.9, 0.9) for i in range(5)] + [candidate(9, 1, 0.9, 0.8)], CONFIDENCES)
    labels = [sample.label for sample in bank.view(ORIGINALS)]
    assert (labels.count(0), labels.count(1)) == (10, 10)
    assert sorted(mapped(bank)) == ["o00", "o01", "o02"]


def test_emosym_policy_wants_model_and_judge_to_agree(make: Make) -> None:
    bank = make(fraction=0.2, min_score=0.5)
    done = bank.refresh(1, [candidate(1, 0, 1.0, 0.4), candidate(2, 0, 0.6, 0.6)], CONFIDENCES)
    assert [held.detail["seed"] for held in bank.state().held] == [2]
    assert [reason for _, reason in done.refused] == ["score 0.4000 is below 0.5"]
    geometric = make(fraction=0.2, min_score=0.5, combine="geometric") if isinstance(bank, RingBank) else None
    if geometric is not None:
        assert (
            len(geometric.refresh(1, [candidate(1, 0, 1.0, 0.4)], CONFIDENCES).admitted) == 1
        )  # sqrt(0.4) = 0.63


def test_emosym_policy_refuses_a_near_copy(make: Make) -> None:
    bank = make(fraction=0.4, min_distance=0.5)
    offered = [
        candidate(1, 0, 0.9, features=(0.0, 0.0)), candidate(2, 0, 0.8, features=(0.1, 0.0)), candidate(3, 0, 0.7, features=(5.0, 0.0)),
    ]  # fmt: skip
    bank.refresh(1, offered, CONFIDENCES)
    assert [held.detail["seed"] for held in bank.state().held] == [1, 3]
    again = bank.refresh(
        2,
        [candidate(4, 0, 0.99, features=(5.1, 0.0)), candidate(5, 0, 0.6, features=(0.0, 9.0))],
        CONFIDENCES,
    )
    assert len(again.admitted) == 1
    assert again.refused[0][1].startswith("too near to bank/")


def test_a_better_newcomer_takes_the_place_of_the_worst(make: Make) -> None:
    bank = make(fraction=0.1, max_age=None)
    first = bank.refresh(1, [candidate(1, 0, 0.7)], CONFIDENCES)
    worse = bank.refresh(2, [candidate(2, 0, 0.6)], CONFIDENCES)
    assert list(worse.admitted) == []
    better = bank.refresh(3, [candidate(3, 0, 0.8)], CONFIDENCES)
    assert len(better.admitted) == 1
    assert list(better.replaced) == []
    assert mapped(bank) == {first.replaced[0]: better.admitted[0]}


def test_an_old_image_gives_way_even_to_a_worse_one(make: Make) -> None:
    bank = make(fraction=0.1, max_age=2)
    bank.refresh(1, [candidate(1, 0, 0.9)], CONFIDENCES)
    assert list(bank.refresh(2, [candidate(2, 0, 0.6)], CONFIDENCES).admitted) == []
    assert len(bank.refresh(3, [candidate(3, 0, 0.6)], CONFIDENCES).admitted) == 1


def test_never_more_than_the_fraction_is_masked(make: Make) -> None:
    bank = make(fraction=0.25)
    for step in range(4):
        done = bank.refresh(
            step, [candidate(10 * step + i, i % 2, 0.5 + i / 20) for i in range(8)], CONFIDENCES
        )
        assert done.size == len(mapped(bank)) <= 5
        assert len(bank.view(ORIGINALS)) == len(ORIGINALS)


def test_the_order_of_candidates_does_not_matter() -> None:
    offered = [
        candidate(i, i % 2, 0.6 + (i % 3) / 10, features=(float(i), float(i * i % 7))) for i in range(12)
    ]
    states = []
    for order in (offered, offered[::-1]):
        bank = RingBank(RingConfig(fraction=0.4), Context(LABELS))
        bank.view(ORIGINALS)
        bank.refresh(1, order, CONFIDENCES)
        states.append(mapped(bank))
    assert states[0] == states[1]
    assert states[0]


def test_an_unlabelled_original_is_never_masked() -> None:
    bank = RingBank(RingConfig(policy="paper", fraction=0.5), Context(LABELS))
    originals = [replace(sample, label=None) if i < 10 else sample for i, sample in enumerate(ORIGINALS)]
    bank.view(originals)
    labelled = {sample.id: CONFIDENCES[sample.id] for sample in originals if sample.label is not None}
    done = bank.refresh(1, [candidate(i, 0, 0.9) for i in range(9)], labelled)
    assert list(done.replaced) == ["o10", "o11", "o12", "o13", "o14"]


def test_the_replayed_ledger_is_the_live_state(make: Make) -> None:
    bank = make(fraction=0.2, max_age=2)
    marks = []
    for step in range(5):
        bank.refresh(
            step,
            [candidate(10 * step + i, i % 2, 0.5 + ((i + step) % 5) / 10) for i in range(6)],
            CONFIDENCES,
        )
        marks.append(bank.snapshot())
        if step == 2:
            bank.rollback("validation accuracy fell")
        if step == 3:
            bank.restore(marks[0])
    ledger = bank.ledger()
    assert [line.number for line in ledger] == list(range(1, len(ledger) + 1))
    assert replay(ledger) == bank.state()
    assert {line.action for line in ledger} == {
        "refresh",
        "replace",
        "evict",
        "admit",
        "refuse",
        "rollback",
        "restore",
    }
    assert all(line.reason for line in ledger)


def test_a_reopened_database_holds_the_same(make: Make) -> None:
    bank = make(fraction=0.2)
    if isinstance(bank, RingBank):
        pytest.skip("a ring bank is gone when it is closed")
    bank.refresh(1, [candidate(i, i % 2, 0.9, 0.8, (1.0 * i, 2.0)) for i in range(4)], CONFIDENCES)
    state, ledger, view, mark = bank.state(), bank.ledger(), bank.view(ORIGINALS), bank.snapshot()
    bank.close()
    again = make(fraction=0.2)
    assert (again.state(), again.ledger(), again.view(ORIGINALS)) == (state, ledger, view)
    again.rollback("it was no good")
    again.restore(mark)
    assert again.view(ORIGINALS) == view


def test_rollback_undoes_one_refresh_after_another(make: Make) -> None:
    bank = make(fraction=0.4)
    states = [bank.state()]
    for step in (1, 2):
        bank.refresh(step, [candidate(step, 0, 0.9)], CONFIDENCES)
        states.append(bank.state())
    bank.rollback("worse")
    assert bank.state() == states[1]
    bank.rollback("worse still")
    assert bank.state() == states[0]
    assert bank.view(ORIGINALS) == ORIGINALS
    with pytest.raises(EmosymError, match="nothing to roll back"):
        bank.rollback("once more")


def test_an_image_can_come_back_after_a_rollback(make: Make) -> None:
    bank = make(fraction=0.4)
    first = bank.refresh(1, [candidate(1, 0, 0.9)], CONFIDENCES)
    assert (
        bank.refresh(2, [candidate(1, 0, 0.9)], CONFIDENCES).refused[0][1]
        == "the very same image is in the bank"
    )
    bank.rollback("worse")
    bank.rollback("worse")
    assert bank.refresh(3, [candidate(1, 0, 0.9)], CONFIDENCES).admitted == first.admitted


def test_snapshot_and_restore(make: Make) -> None:
    bank = make(fraction=0.4)
    empty = bank.snapshot()
    bank.refresh(1, [candidate(1, 0, 0.9)], CONFIDENCES)
    full, state = bank.snapshot(), bank.state()
    bank.restore(empty)
    assert bank.state().held == ()
    bank.restore(full)
    assert bank.state() == state
    assert bank.snapshot() != full  # history went on
    with pytest.raises(EmosymError, match="no snapshot 'nonsense'"):
        bank.restore("nonsense")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"o03": None}, "o03 are missing"),
        ({"bank/0123": 0.4}, "bank/0123 are no originals"),
        ({"o03": float("nan")}, r"o03 are not within \[0, 1\]"),
    ],
)
def test_confidences_must_be_those_of_the_originals(
    make: Make, change: dict[str, float | None], message: str
) -> None:
    bank = make()
    wrong = {id: value for id, value in {**CONFIDENCES, **change}.items() if value is not None}
    with pytest.raises(EmosymError, match=message):
        bank.refresh(1, [candidate(1, 0, 0.9)], wrong)
    assert bank.ledger() == []


def test_bad_candidates_are_errors_and_leave_nothing(make: Make) -> None:
    bank = make()
    good = candidate(1, 0, 0.9)
    for bad, message in (
        (replace(good, scores={"judge": 0.9}), 'score "model" is missing'),
        (replace(good, scores={"model": 1.5}), "not within"),
        (replace(good, features=(float("inf"),)), "not finite"),
        (replace(good, generated=replace(good.generated, label=2)), "label 2 is not one of 2"),
    ):
        with pytest.raises(EmosymError, match=message):
            bank.refresh(1, [good, bad], CONFIDENCES)
    assert bank.ledger() == []


def test_other_originals_are_refused(make: Make) -> None:
    bank = make()
    with pytest.raises(EmosymError, match=r"1 gone \(o19\)"):
        bank.view(ORIGINALS[:-1])
    with pytest.raises(EmosymError, match=r"1 with another label \(o00\)"):
        bank.view([replace(ORIGINALS[0], label=1), *ORIGINALS[1:]])


def test_a_refresh_before_the_first_view_is_refused() -> None:
    with pytest.raises(EmosymError, match="does not know the originals"):
        RingBank(RingConfig(), Context(LABELS)).refresh(1, [], {})


def test_a_closed_bank_is_refused(make: Make) -> None:
    bank = make()
    bank.close()
    for use in (
        bank.ledger,
        bank.snapshot,
        lambda: bank.view(ORIGINALS),
        lambda: bank.refresh(1, [], CONFIDENCES),
    ):
        with pytest.raises(EmosymError, match="closed"):
            use()


KILLED = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import test_banks as t
    from sqlalchemy import Engine, event

    bank = t.SqlBank(t.SqlConfig(fraction=0.4), t.Context(t.LABELS, run=Path({run!r})))
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


@pytest.mark.parametrize(
    ("url", "id"),
    [
        ("nonsense", "memory.bad-url"),
        ("odd://x", "memory.bad-url"),
        ("sqlite:///{run}/b.db", "memory.no-run-folder"),
    ],
)
def test_urls_that_cannot_be(url: str, id: str) -> None:
    with pytest.raises(EmosymError) as caught:
        SqlBank(SqlConfig(url=url), Context(LABELS))
    assert caught.value.id == id


def test_one_image_offered_under_two_labels_enters_once_with_its_own_story(make: Make) -> None:
    bank = make(policy="paper", fraction=0.4)
    fear = candidate(1, 1, 0.9)
    awe = replace(fear, generated=replace(fear.generated, label=0, seed=77), scores={"model": 0.4})
    done = bank.refresh(1, [fear, awe], CONFIDENCES)
    assert len(done.admitted) == 1
    assert [(held.label, held.detail["seed"]) for held in bank.state().held] == [(1, 1)]
    assert done.refused == [(done.admitted[0], "the very same image is in the bank")]
