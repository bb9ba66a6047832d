"""The scripts for a card, on a CPU with the embedded models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu.__main__ import main, measured as measure_one
from benchmarks.gpu.bench import SIZES, Bench
from benchmarks.gpu.card import peak_flops
from benchmarks.gpu.cases import STAGES, TRAININGS, VARIANTS, Case, all_cases
from benchmarks.gpu.rows import Results, Row, missing, row

QUICK = (
    "compress/activated", "compress/frozen", "compress/lora/flash_attention_2", "unify/frozen/xformers", "textual-inversion",
)  # fmt: skip


def measured(path: Path, *names: str) -> dict[str, dict[str, Any]]:
    assert main(["--size", "small", "--device", "cpu", "--out", str(path), *names]) == 0
    return {one["name"]: one for one in json.loads(path.read_text())["rows"]}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return measured(tmp_path_factory.mktemp("gpu") / "gpu.json", *QUICK)


def value(rows: dict[str, dict[str, Any]], name: str) -> float:
    found = rows[name]["value"]
    assert found > 0
    return float(found)


def test_pace_is_that_of_a_step(rows: dict[str, dict[str, Any]]) -> None:
    batch = SIZES["small"].batches["compress"]
    for training in ("activated", "frozen"):
        name = f"compress/{training}"
        assert value(rows, f"{name}/images") == pytest.approx(batch / value(rows, f"{name}/seconds"))
        assert value(rows, f"{name}/tokens") > 20 * value(rows, f"{name}/images")
        assert value(rows, f"{name}/forecast") > 1 + value(rows, f"{name}/forecast-tensors")


def test_adapters_cost_operations(rows: dict[str, dict[str, Any]]) -> None:
    assert value(rows, "compress/activated/operations") > value(rows, "compress/frozen/operations")


def test_what_a_cpu_cannot_tell_is_said(rows: dict[str, dict[str, Any]]) -> None:
    for name in ("mfu", "peak", "busy"):
        one = rows[f"compress/frozen/{name}"]
        assert (one["value"], one["met"]) == (None, None)
        assert "no card" in one["note"]
    assert rows["compress/frozen/mfu"]["target"] == "≥ 0.4"


def test_kernels_that_are_not_installed_have_a_row_that_says_so(rows: dict[str, dict[str, Any]]) -> None:
    for case, word in (
        ("compress/lora/flash_attention_2", "FlashAttention2"),
        ("unify/frozen/xformers", "xformers"),
    ):
        assert rows[f"{case}/missing"]["note"].startswith("not available: ")
        assert word in rows[f"{case}/missing"]["note"]


def test_plain_textual_inversion_stands_beside_unify(rows: dict[str, dict[str, Any]]) -> None:
    batch = SIZES["small"].batches["unify"]
    seconds = value(rows, "textual-inversion/seconds")
    assert value(rows, "textual-inversion/images") == pytest.approx(batch / seconds)
    assert 0.2 < value(rows, "textual-inversion/unify") < 20


def test_nothing_begins_after_the_budget_and_what_was_measured_stays(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    words = ["--size", "small", "--device", "cpu", "--out", str(path), "--budget", "-1"]
    assert main(words) == 0
    found = json.loads(path.read_text())
    assert {one["name"] for one in found["rows"]} == {f"{case.name}/missing" for case in all_cases()}
    assert all("-1 s were over" in one["note"] for one in found["rows"])
    assert {"date", "card", "torch"} <= found.keys()
    kept = row("compress/lora/seconds", 2.0, "s")
    machine = {key: found[key] for key in found if key not in ("date", "rows")}
    Results(path, machine).replace("compress/lora", [kept])
    assert main(words) == 0
    names = [one["name"] for one in json.loads(path.read_text())["rows"]]
    assert kept.name in names
    assert "compress/lora/missing" not in names
    assert Results(path, {**machine, "card": "another"}).rows == {}


def test_rows_of_a_case_leave_those_of_its_variants() -> None:
    results = Results(None, {})
    results.replace("a/b/c", [missing("a/b/c", "why")])
    results.replace("a/b", [row("a/b/seconds", 1.0, "s")])
    results.replace("a/b", [row("a/b/images", 1.0, "images/s")])
    assert [*results.rows] == ["a/b/c/missing", "a/b/images"]


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (torch.OutOfMemoryError("no room"), "not available: no room"),
        (ValueError("odd"), "failed: ValueError: odd"),
    ],
)
def test_a_case_that_breaks_off_keeps_what_it_has(error: Exception, note: str, tmp_path: Path) -> None:
    def broken(_: Bench) -> Iterator[Row]:
        yield row("a/b/seconds", 1.0, "s")
        raise error

    found = measure_one(Case("a/b", broken), Bench(SIZES["small"], torch.device("cpu"), "fp32", tmp_path))
    assert found == [row("a/b/seconds", 1.0, "s"), missing("a/b", note)]


@pytest.mark.parametrize(
    ("card", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12), ("NVIDIA H100 PCIe", 756e12), ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A10", 125e12), ("NVIDIA L4", 121e12), ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None), ("no card", None),
    ],
)  # fmt: skip
def test_the_peak_is_that_of_the_whole_card_by_its_name(card: str, peak: float | None) -> None:
    assert peak_flops(card) == peak


@pytest.mark.parametrize(("number", "met"), [(0.5, True), (0.3, False), (None, None)])
def test_a_target_is_met_by_numbers_alone(number: float | None, met: bool | None) -> None:
    assert row("mfu", number, "", least=0.4).met is met


@pytest.mark.slow
def test_every_case_is_measured_or_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(VARIANTS["unify/frozen"], "compiled")  # minutes of a C++ compiler
    rows = measured(tmp_path / "gpu.json")
    for case in all_cases():
        assert f"{case.name}/missing" in rows or value(rows, f"{case.name}/seconds")
    for stage in STAGES:
        lora, activated, frozen = (value(rows, f"{stage}/{training}/operations") for training in TRAININGS)
        assert lora > activated >= frozen
    for name in ("compress/lora/eager", "unify/frozen/plain"):
        assert value(rows, f"{name}/speed")
