"""Files that are no specs: one clear error each, at its place, and nothing executed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from emosym_registry import Registry

from emosym.spec import SpecErrors, load_spec
from emosym.spec.nodes import Origin
from emosym.spec.text import LARGEST, MOST, read_text


@pytest.mark.parametrize(
    ("text", "id", "place", "words"),
    [
        ("emosym: 1\nbackbone:\n\tname: x\n", "spec.tabs", ":3:1", "tab"),
        ("emosym: 1\nseed: 1\nname: a\nseed: 2\n", "spec.duplicate-key", ":4:1", "first at"),
        ("emosym: 1\noptim: {lr: 1, lr: 2}\n", "spec.duplicate-key", ":2:16", "'lr'"),
        ("emosym: 1\nname: &a tiny\n", "spec.anchor", ":2:7", "&a"),
        ("emosym: 1\nname: *a\n", "spec.anchor", ":2:7", "alias"),
        ("emosym: 1\nname: !!python/object/apply:os.system [id]\n", "spec.tag", ":2:7", "python/object"),
        ("emosym: 1\nname: !custom x\n", "spec.tag", ":2:7", "!custom"),
        ("emosym: 1\nname: [1, 2\n", "spec.syntax", ":3:1", "not YAML"),
        ("emosym: 1\n? [a, b]\n: c\n", "spec.bad-key", ":2:3", "a list"),
        ("emosym: 1\n3: c\n", "spec.bad-key", ":2:1", "expected a word"),
        ("- emosym\n- 1\n", "spec.not-a-mapping", ":1:1", "a list"),
        ("", "spec.not-a-mapping", ":1:1", "null"),
        ("just words", "spec.not-a-mapping", ":1:1", '"just words"'),
        ("emosym: 1\n---\nemosym: 1\n", "spec.several-documents", ":2:1", "second"),
        ("emosym: 1\nname: a\x00b\n", "spec.bad-character", ":2:8", "character"),
        (b"emosym: 1\nname: caf\xe9\n", "spec.not-utf8", ":2:10", "UTF-8"),
        ("emosym: 1\nname: x\n".encode("utf-16"), "spec.not-utf8", ":1:1", "UTF-8"),
        ("emosym: 1\nname: " + "[" * 5000, "spec.too-deep", ":2:", "64"),
        ("name: x\n", "spec.no-version", ":1:1", 'add "emosym: 1"'),
        ("emosym: 2\n", "spec.newer-version", ":1:9", "upgrade"),
        ("emosym: one\n", "spec.bad-version", ":1:9", '"one"'),
        ("emosym: 1\nextends: other.yaml\n", "spec.missing-extends", ":2:10", "other.yaml"),
        ("emosym: 1\nextends: [a]\n", "spec.bad-extends", ":2:10", "a list"),
        ("emosym: 1\nextends: preset:bas\n", "spec.unknown-preset", ":2:10", 'did you mean "base"?'),
        ("emosym: 1\nextends: spec.yaml\n", "spec.cycle", ":2:10", "circle"),
    ],
)
def test_a_file_that_is_no_spec_gives_one_located_error(
    text: str | bytes, id: str, place: str, words: str, write: Callable[..., Path], registry: Registry
) -> None:
    path = write(text)
    with pytest.raises(SpecErrors) as caught:
        load_spec(path, registry=registry)
    assert caught.value.id == id
    assert len(caught.value.problems) == 1
    message = str(caught.value)
    assert message.startswith(f"{path}{place}"), message
    assert words in message, message


@pytest.mark.parametrize(("item", "values"), [("- {name: wrong%d}", 3), ("k%d: 1", 2)])
def test_a_spec_of_too_many_values_is_refused_soon_and_the_largest_is_answered_soon(
    item: str, values: int, write: Callable[..., Path], registry: Registry
) -> None:
    head = "emosym: 1\nextends: preset:base\n" + ("metrics:\n" if values == 3 else "")
    for count, shown in ((MOST, "4,000 keys and values"), (MOST // values - 20, "and .* more")):
        path = write((head + "\n".join(item % number for number in range(count))).encode())
        start = time.perf_counter()
        with pytest.raises(SpecErrors, match=shown) as caught:
            load_spec(path, registry=registry)
        assert time.perf_counter() - start < 3  # one second on a machine that does nothing else
        assert len(str(caught.value)) < 51 * 2500


def test_a_large_file_is_refused_before_it_is_read(write: Callable[..., Path], registry: Registry) -> None:
    path = write(b"emosym: 1\n" + b"# padding\n" * LARGEST)
    start = time.perf_counter()
    with pytest.raises(SpecErrors, match="2,560,010") as caught:
        load_spec(path, registry=registry)
    assert caught.value.id == "spec.too-large"
    assert time.perf_counter() - start < 0.5


def test_a_billion_laughs_are_refused_at_the_first(write: Callable[..., Path], registry: Registry) -> None:
    lines = ["emosym: 1", 'a: &a ["lol", "lol", "lol"]']
    lines += [f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]" for i in range(9)]
    path = write("\n".join(lines))
    with pytest.raises(SpecErrors, match=":2:4") as caught:
        load_spec(path, registry=registry)
    assert caught.value.id == "spec.anchor"


def test_a_file_that_is_missing_says_so(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(SpecErrors, match="no such file"):
        load_spec(tmp_path / "none.yaml", registry=registry)
    with pytest.raises(SpecErrors, match="cannot be read"):
        load_spec(tmp_path, registry=registry)


def test_a_longer_circle_of_extends_names_every_file(write: Callable[..., Path], registry: Registry) -> None:
    first = write("emosym: 1\nextends: b.yaml\n", "a.yaml")
    write("emosym: 1\nextends: a.yaml\n", "b.yaml")
    with pytest.raises(SpecErrors, match=r"a\.yaml → .*b\.yaml → .*a\.yaml"):
        load_spec(first, registry=registry)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("1.0e-4", 1e-4), ("3", 3), ("-3", -3), ("0x1f", 31), ("0o17", 15), ("012", 12), ("yes", "yes"), ("on", "on"),
        ("true", True), ("null", None), ("~", None), ("", None), ("'3'", "3"), ('"null"', "null"), ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"), (".inf", math.inf), ("!!str 3", "3"), ("[1, {a: x}]", [1, {"a": "x"}]), ("1_000", "1_000"),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    read = read_text(text, Origin("set", "--set x")).plain()
    assert read == value
    assert type(read) is type(value)


def test_every_key_and_value_knows_its_place() -> None:
    root = read_text("a: 1\nb:\n  - x\n  - {c: y}\n", Origin("file", "f"))
    node = root.at(("b", 1, "c"))
    assert node is not None
    assert node.key is not None
    assert (node.key.line, node.key.column) == (4, 6)
    assert (node.origin.line, node.origin.column) == (4, 9)
