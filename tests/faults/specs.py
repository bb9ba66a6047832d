"""Specs that are mutated at random: each is answered by a spec or by mistakes at their places, soon."""

from __future__ import annotations

import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from emosym_registry import EmosymError, load_registry

from emosym.spec import load_spec

SEEDS = (Path(__file__).parents[2] / "configs" / "tiny.yaml",)
SLOW, HANGS = 2.0, 30.0
"""Seconds."""
SCRAPS = (
    "null", "~", "[]", "{}", "1e400", "-1", "0x1f", "true", "no", "2001-01-01", "!!python/object:os.system", "&a", "*a", "<<: *a",
    "\t", ": :", "- - -", "'", '"', "| \n x", "#", "{a: [", "preset:tiny", "${HOME}", "{secret:HOME}", "../../../etc/passwd",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "\x00", "é", "9" * 400, "a" * 5000, "nan", ".inf",
)  # fmt: skip


def mutated(count: int, seed: int = 1) -> dict[str, int]:
    """How ``count`` mutants were answered."""
    from emosym.spec.template import new_spec

    chance, registry = random.Random(seed), load_registry()
    texts = [path.read_text(encoding="utf-8") for path in SEEDS]
    texts.append(new_spec("tiny", "fuzz", registry))
    texts.append(load_spec("preset:tiny", registry=registry).to_yaml())
    ends = {"specs": 0, "accepted": 0, "refused": 0, "tracebacks": 0, "hangs": 0, "slow": 0}
    with TemporaryDirectory() as name:
        file = Path(name) / "spec.yaml"
        for _ in range(count):
            file.write_bytes(_mutant(chance.choice(texts), chance))
            begun = time.monotonic()
            try:
                load_spec(file, registry=registry)
                ends["accepted"] += 1
            except EmosymError:
                ends["refused"] += 1
            except Exception:
                ends["tracebacks"] += 1
            seconds = time.monotonic() - begun
            ends["specs"] += 1
            ends["slow"] += seconds > SLOW
            ends["hangs"] += seconds > HANGS
    return ends


def _mutant(text: str, chance: random.Random) -> bytes:
    lines = text.splitlines()
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(lines))
        match chance.randrange(8):
            case 0:
                del lines[place]
                lines = lines or [""]
            case 1:
                lines.insert(place, lines[chance.randrange(len(lines))])
            case 2:
                key, colon, _ = lines[place].partition(":")
                lines[place] = f"{key}{colon or ':'} {chance.choice(SCRAPS)}"
            case 3:
                lines[place] = " " * chance.randint(0, 9) + lines[place].lstrip()
            case 4:
                cut = chance.randrange(len(lines[place]) + 1)
                lines[place] = lines[place][:cut] + chance.choice(SCRAPS) + lines[place][cut:]
            case 5:
                lines[place] = lines[place].replace(":", chance.choice(("", "::", " :", "=")), 1)
            case 6:
                lines = lines[:place] or [""]
            case _:
                letters = list(lines[place])
                chance.shuffle(letters)
                lines[place] = "".join(letters)
    if chance.random() < 0.02:  # far too much of something
        place = chance.randrange(len(lines))
        lines[place : place + 1] = chance.choice(
            ([lines[place]] * 20_000, [f"{lines[place]} [{'x, ' * 20_000}]"], [lines[place] + "#" * 300_000])
        )
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    if chance.random() < 0.1:
        place = chance.randrange(len(content) + 1)
        content = content[:place] + chance.randbytes(chance.randint(1, 8)) + content[place:]
    return content
