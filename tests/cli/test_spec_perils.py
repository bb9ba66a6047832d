"""Files that are no specs, through the command: one message with a place, exit 2, no traceback, at once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from .conftest import Command

HEAD = "emosym: 1\nextends: preset:tiny\nname: a\n"
LAUGHS = "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9))
PERILS: dict[str, tuple[str | bytes, str, str]] = {
    "cycle": ("emosym: 1\nextends: bad.yaml\n", ":2:10", "circle"),
    "anchor": (HEAD + "labels: &a [x, y]\n", ":4:9", "anchors"),
    "alias": (HEAD + "labels: *a\n", ":4:9", "aliases"),
    "merge key": (HEAD + "optim: {<<: {lr: 1}}\n", ":4:9", "unknown key '<<'"),
    "billion laughs": (HEAD + 'a: &a ["lol", "lol"]\n' + LAUGHS, ":4:4", "anchors"),
    "duplicate key": (HEAD + "seed: 1\nseed: 2\n", ":5:1", "given twice, first at bad.yaml:4:1"),
    "tab": (HEAD + "optim:\n\tlr: 1\n", ":5:1", "tab"),
    "10 MB": (HEAD.encode() + b"# padding\n" * 1_000_000, "", "256,000 bytes"),
    "latin-1": (HEAD.encode() + b"labels: [caf\xe9, b]\n", ":4:13", "UTF-8"),
    "utf-16": (HEAD.encode("utf-16"), ":1:1", "UTF-8"),
    "random bytes": (bytes(range(256)), ":2:118", "UTF-8"),
    "NUL": (HEAD + "labels: a\x00b\n", ":4:10", "YAML does not allow"),
    "escape": (HEAD + "labels: a\x1b[31mb\n", ":4:10", "YAML does not allow"),
    "written escape": (HEAD + 'labels: "a\\e[31m\\nb"\n', ":4:9", r"a\x1b[31m\nb"),
    "key with a line break": (HEAD + '"k\\ney": 3\n', ":4:1", r"unknown key 'k\ney'"),
    "several documents": (HEAD + "---\n" + HEAD, ":4:1", "second"),
    "python tag": (HEAD + "seed: !!python/object/apply:os.system [touch hacked]\n", ":4:7", "tags"),
    "own tag": (HEAD + "seed: !x 3\n", ":4:7", "tags (!x)"),
    "empty": ("", ":1:1", "expected keys and values"),
    "only a comment": ("# nothing\n", ":1:1", "expected keys and values"),
    "a list": ("- a\n", ":1:1", "found a list"),
    "deep flow": (HEAD + "labels: " + "[" * 100_000, ":4:", "nested deeper"),
    "deep block": (
        HEAD + "labels:\n" + "".join(" " * n + "a:\n" for n in range(1, 500)),
        ":",
        "nested deeper",
    ),
    "deep dashes": (HEAD + "labels:\n  " + "- " * 5000 + "x\n", ":5:", "nested deeper"),
    "not YAML": (HEAD + "labels: [a, b\n", ":5:1", "not YAML"),
    "missing file below": ("emosym: 1\nextends: none.yaml\n", ":2:10", "found no file 'none.yaml'"),
    "folder below": ("emosym: 1\nextends: .\n", ":2:10", "found no file '.'"),
    "path with NUL below": ('emosym: 1\nextends: "a\\0b"\n', ":2:10", r"found no file 'a\x00b'"),
    "endless path below": (f"emosym: 1\nextends: {'a' * 5000}\n", ":2:10", "found no file"),
    "missing preset": ("emosym: 1\nextends: preset:tny\n", ":2:10", 'did you mean "tiny"?'),
    "no version": ("name: a\n", ":1:1", 'add "emosym: 1"'),
    "newer version": ("emosym: 2\n", ":1:9", "newer emosym; pip install --upgrade emosym"),
    "version as text": ("emosym: '1'\n", ":1:9", 'found "1"'),
    "true for a number": (HEAD + "seed: true\n", ":4:7", "expected a whole number, found true"),
    "no for false": (
        HEAD + "stages: {reinforce: {share_prefix: no}}\n",
        ":4:36",
        'expected true or false, found "no"',
    ),
    "endless number": (HEAD + f"seed: {'9' * 5000}\n", ":4:7", "expected a"),
}


@pytest.mark.parametrize("peril", PERILS)
def test_a_peril_is_one_located_message(
    peril: str, emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, place, words = PERILS[peril]
    Path("bad.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    start = time.perf_counter()
    refused = emosym("spec", "check", "bad.yaml")
    assert time.perf_counter() - start < 5
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith(f"error: bad.yaml{place}")
    assert words in refused.err
    assert len(refused.err.strip().splitlines()) == 1
    assert len(refused.err) < 12_000 if peril == "endless path below" else len(refused.err) < 600
    assert "\x1b" not in refused.err
    assert [path.name for path in Path().iterdir()] == ["bad.yaml"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("folder", "found a folder"), ("none.yaml", "no such file"), ("pipe", "found a pipe or a device")],
)
def test_what_is_no_file_is_said(
    emosym: Command, name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    os.mkfifo("pipe")
    refused = emosym("spec", "check", name)
    assert refused.status == 2
    assert refused.err.startswith(f"error: {name}: ")
    assert words in refused.err


def test_a_longer_cycle_names_every_file(
    emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, below in (("a", "b"), ("b", "c"), ("c", "a")):
        Path(f"{name}.yaml").write_text(f"emosym: 1\nextends: {below}.yaml\n")
    refused = emosym("spec", "check", "a.yaml")
    assert refused.status == 2
    assert refused.err.startswith("error: c.yaml:2:10 extends: ")
    assert "a.yaml → b.yaml → c.yaml → a.yaml" in refused.err
