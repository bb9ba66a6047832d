"""Files that are no pictures: what they are, and what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from emosym_registry import EmosymError
from PIL import ExifTags, Image
from pillow_heif import register_heif_opener

from emosym.contracts import open_image, picture_size
from emosym.inputs import below


@pytest.mark.parametrize(
    ("content", "what", "advice"),
    [
        (b"", "empty, 0 bytes", "download it again"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC that is damaged", "download it again"),
        (b"%PDF-1.7 x", "a PDF", "the page that you mean"),
        (b"<svg xmlns='x'/>", "an SVG drawing", "PNG"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "a web page", "the picture itself"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS", "git lfs pull"),
        (b"nothing of the kind", "no JPEG", "open it in a viewer"),
    ],
)
@pytest.mark.parametrize("as_file", [True, False], ids=["file", "bytes"])
def test_it_is_said_what_a_file_is(
    content: bytes, what: str, advice: str, as_file: bool, tmp_path: Path
) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(content)
    with pytest.raises(EmosymError) as error:
        open_image(file if as_file else content)
    assert error.value.id == "data.bad-image"
    assert what in error.value.message
    assert advice in error.value.hint


@pytest.mark.parametrize("as_file", [True, False], ids=["file", "bytes"])
@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_pictures_of_phones_are_read_and_turned_as_the_camera_noted(
    format: str, as_file: bool, tmp_path: Path
) -> None:
    register_heif_opener()
    file = tmp_path / "photo.jpg"  # the content says what it is, not the name
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned right by a quarter
    upright = Image.new("RGB", (64, 48), "teal")
    upright.paste("orange", (0, 0, 64, 24))
    upright.save(file, format, quality=95, exif=exif.tobytes())
    source = file if as_file else file.read_bytes()
    assert sorted(picture_size(source)) == [48, 64]
    image = open_image(source)
    assert (image.mode, image.size) == ("RGB", (48, 64))
    left, right = image.getpixel((6, 32)), image.getpixel((40, 32))
    assert left == pytest.approx((0, 128, 128), abs=12)
    assert right == pytest.approx((255, 165, 0), abs=12)


def test_without_what_reads_heic_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register_heif_opener()
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "photo.heic", "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert below(tmp_path, []) == [tmp_path / "photo.heic"]
    with pytest.raises(EmosymError, match="HEIC, which needs pillow-heif") as error:
        open_image(tmp_path / "photo.heic")
    assert error.value.hint == "pip install 'emosym[heic]', or save it as JPEG"


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(EmosymError, match="a folder") as error:
        open_image(tmp_path)
    assert "takes folders too" in error.value.hint
