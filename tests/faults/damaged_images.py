"""Pictures of every format, damaged in every way that comes to mind: read, or refused by name; never wrong in silence."""

from __future__ import annotations

import io
import random
import tempfile
import time
from pathlib import Path

import numpy as np
from emosym_registry import EmosymError
from PIL import Image

from emosym.contracts import open_image, picture_size

FORMATS = {"JPEG": {}, "PNG": {}, "WEBP": {}, "BMP": {}, "GIF": {}, "TIFF": {"compression": "tiff_lzw"}}
SLOW = 10.0
"""Seconds after which opening one small file hangs."""


def picture(seed: int) -> Image.Image:
    """Smooth colours with a hard edge: what decoders meet in photographs."""
    chance = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:48, 0:64] / 64
    waves = [np.sin(6 * (rows * a + columns * b)) for a, b in chance.normal(size=(3, 2))]
    values = np.stack(waves, -1) * 100 + 128
    values[chance.integers(10, 30) :, chance.integers(10, 50) :] = chance.integers(0, 256, 3)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def encoded(seed: int, format: str) -> bytes:
    """A sound file."""
    content = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = seed % 9
    extra = {"exif": exif} if format in ("JPEG", "PNG", "WEBP") else {}
    picture(seed).save(content, format, **FORMATS[format], **extra)
    return content.getvalue()


def damage(content: bytes, chance: random.Random) -> bytes:
    """The file cut, overwritten, shuffled, grown or mixed with another."""
    file = bytearray(content)
    match chance.randrange(7):
        case 0:
            return bytes(file[: chance.randrange(len(file))])
        case 1:
            for _ in range(chance.randint(1, 20)):
                file[chance.randrange(len(file))] = chance.randrange(256)
        case 2:
            start = chance.randrange(len(file))
            file[start : start + chance.randint(1, 200)] = bytes(chance.randint(1, 200))
        case 3:
            for _ in range(chance.randint(1, 4)):  # the header alone, where sizes and offsets are
                file[chance.randrange(min(64, len(file)))] = chance.choice((0, 1, 127, 128, 255))
        case 4:
            start = chance.randrange(len(file))
            file = file[start:] + file[:start]
        case 5:
            file = file + file[: chance.randrange(len(file))]
        case _:
            file = bytearray(chance.randbytes(chance.randint(0, 400)))
    return bytes(file)


def damaged(count: int, seed: int = 1) -> dict[str, int]:
    """How ``count`` damaged files ended: read, refused, or by a traceback, a hang, or a picture that is silently another."""
    chance = random.Random(seed)
    ends = {"images": 0, "read": 0, "refused": 0, "tracebacks": 0, "hangs": 0, "silent_wrong": 0}
    with tempfile.TemporaryDirectory() as name:
        for number in range(count):
            format = list(FORMATS)[number % len(FORMATS)]
            file = Path(name) / f"{number}.{chance.choice(['jpg', 'png', format.lower()])}"
            content = damage(encoded(chance.randrange(50), format), chance)
            file.write_bytes(content)
            begun = time.monotonic()
            ends["images"] += 1
            ends[_end(file, content)] += 1
            ends["hangs"] += time.monotonic() - begun > SLOW
    return ends


def _end(file: Path, content: bytes) -> str:
    try:
        size = picture_size(file)
        seen = open_image(file)
    except EmosymError as error:
        return "refused" if str(file) in error.message and "BytesIO" not in error.message else "tracebacks"
    except Exception:
        return "tracebacks"
    if sorted(size) != sorted(seen.size):
        return "silent_wrong"
    try:  # the plainest way to decode it has to show the same colours
        with Image.open(io.BytesIO(content)) as plain:
            colours = np.asarray(plain.convert("RGB"), dtype=np.float64)
            eight_bits = not plain.mode.startswith(("I", "F"))
    except Exception:
        return "silent_wrong"
    turned = np.asarray(seen, dtype=np.float64)
    alike = abs(colours.mean() - turned.mean()) < 1 and abs(colours.std() - turned.std()) < 1
    return "read" if alike or not eight_bits else "silent_wrong"
