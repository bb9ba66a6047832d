"""Opening pictures: what is not 8-bit RGB is scaled or refused, and whatever is wrong names the file."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from emosym_registry import EmosymError
from PIL import Image

from emosym.contracts import open_image, picture_size
from emosym.contracts.labels import LabelSet
from emosym.toolkit import file_name


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64)
    expected = (ramp / 257).round().astype(np.uint8)
    Image.fromarray(ramp.astype(np.uint16)).save(tmp_path / "a.png")
    Image.fromarray(ramp.astype(np.uint16)).save(tmp_path / "a.tiff")
    for name in ("a.png", "a.tiff"):
        got = np.asarray(open_image(tmp_path / name))
        assert got.shape == (64, 64, 3)
        assert np.abs(got.astype(int) - expected[..., None]).max() <= 1, name
    assert (
        np.abs(
            np.asarray(open_image(Image.fromarray(ramp.astype(np.int32))))[..., 0].astype(int) - expected
        ).max()
        <= 1
    )


def test_numbers_without_a_known_scale_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 300.0, np.float32)).save(tmp_path / "hot.tiff")
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(tmp_path / "half.tiff")
    with pytest.raises(EmosymError, match=r"hot.tiff: its numbers go from 300 to 300"):
        open_image(tmp_path / "hot.tiff")
    assert np.asarray(open_image(tmp_path / "half.tiff"))[0, 0, 0] == 128


@pytest.mark.parametrize("format", ["PNG", "WEBP", "JPEG"])
def test_broken_exif_is_a_picture_that_is_not_turned(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"a.{format.lower()}"
    good = Image.Exif()
    good[0x0112] = 6
    Image.new("RGB", (20, 10), (200, 30, 30)).save(path, format, exif=good)
    assert open_image(path).size == (10, 20)
    Image.new("RGB", (20, 10), (200, 30, 30)).save(path, format, exif=b"Exif\0\0no such thing at all")
    assert open_image(path).size == (20, 10)


def test_formats_that_start_other_programs_are_not_tried(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    with pytest.raises(EmosymError, match=r"a.jpg: not a readable image \(no JPEG, PNG"):
        open_image(tmp_path / "a.jpg")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_a_picture_too_large_to_decode_is_refused_by_its_header(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 13_000, 13_000, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"") + _chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(content)
    for look in (open_image, picture_size):
        with pytest.raises(
            EmosymError, match=r"bomb.png: 13000 x 13000 pixels, more than 100,000,000"
        ) as error:
            look(tmp_path / "bomb.png")
        assert error.value.id == "data.large-image"


def test_messages_name_no_object_of_python(tmp_path: Path) -> None:
    with pytest.raises(EmosymError) as error:
        open_image(b"no picture")
    assert "BytesIO" not in str(error.value)
    buffer = io.BytesIO()
    Image.new("RGB", (5, 7)).save(buffer, "PNG")
    assert picture_size(buffer.getvalue()) == (5, 7)


@pytest.mark.parametrize(
    "name", ["joy/delight", "/etc/x", "..", ".", "", ".hidden", "a\\0b", "a\nb", "x" * 300, "Ä/ß", "%"]
)
def test_a_name_becomes_one_file_of_a_folder(tmp_path: Path, name: str) -> None:
    made = file_name(name)
    assert "/" not in made
    assert "\0" not in made
    assert made not in ("", ".", "..")
    assert (tmp_path / f"{made}-000.png").parent == tmp_path
    (tmp_path / f"{made}-000.png").touch()


def test_different_names_are_different_files_and_plain_ones_stay() -> None:
    names = ["joy/delight", "joy%2Fdelight", "joy", "Joy", "x" * 300, "x" * 301, "", "%"]
    assert len({file_name(name) for name in names}) == len(names)
    assert file_name("tranquilité") == "tranquilité"


def test_the_sign_of_an_emotion_is_known_given_or_unknown() -> None:
    labels = LabelSet.of({"Happy": "positive", "tired": None, "Fear": None})
    assert [labels.positive(index) for index in range(3)] == [True, None, False]
    assert not labels.signed
    assert LabelSet.of("mikels-8").signed
    with pytest.raises(EmosymError, match="of tired nobody has said it"):
        labels.require_signs("reward valence")
    with pytest.raises(EmosymError, match="the sign of a label"):
        LabelSet.of({"a": "good", "b": None})
    assert labels.index("HAPPY") == 0
