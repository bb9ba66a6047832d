"""Files that are no pictures: what they are, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from emosym_registry import EmosymError

from emosym.contracts import open_image


@pytest.mark.parametrize(
    ("content", "what", "advice"),
    [
        (b"", "empty, 0 bytes", "download it again"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC", "save it as JPEG"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "AVIF", "save it as JPEG"),
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


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(EmosymError, match="a folder") as error:
        open_image(tmp_path)
    assert "takes folders too" in error.value.hint
