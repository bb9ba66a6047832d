"""Pictures of the page and the report of a finished run for these pages: ``python docs/screenshots.py runs/tiny``.

Needs the extra ``web``, Playwright and a chromium on this machine.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent / "assets"
LARGEST = 150_000
"""Bytes of a picture at most."""
PATIENCE = 600_000
"""Milliseconds that a busy machine may take."""
WIDTH, HEIGHT = 1200, 860


def main(run: Path) -> None:
    """All of them."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.set_default_timeout(PATIENCE)
        page.goto((run / "report.html").resolve().as_uri(), timeout=PATIENCE)
        _keep(page, "report")
        with _served(run) as (address, photo):
            page.goto(address, timeout=PATIENCE)
            page.get_by_role("tab", name="Understand").wait_for()
            _understand(page, photo)
            _create(page)
            _bank(page)
            _system(page)
        browser.close()


@contextmanager
def _served(run: Path) -> Iterator[tuple[str, Path]]:
    """The page of a run at an address of this machine, and a picture that it has not seen."""
    import os

    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from emosym_registry import load_registry

    from emosym.system import System
    from emosym.web.app import launched
    from emosym.web.room import Room

    with tempfile.TemporaryDirectory() as name:
        kept = Path(name)
        os.environ["GRADIO_TEMP_DIR"] = name
        registry = load_registry()
        system = System.load(run, registry=registry, device="cpu")
        photo = kept / "picture.png"
        Image.open(sorted((run / "images").rglob("*.png"))[0]).convert("RGB").save(photo)
        page, address = launched(Room(system, registry, run, (run.parent,), kept), "127.0.0.1", None, None)
        yield address, photo
        page.close()


def _understand(page: Any, photo: Path) -> None:
    page.set_input_files("#understand-files input[type=file]", [photo])
    _button(page, "Read").click()
    page.locator(".es-card").wait_for()
    _keep(page, "web-understand")


def _create(page: Any) -> None:
    page.get_by_role("tab", name="Create", exact=True).click()
    page.get_by_role("spinbutton", name="Seed").locator("visible=true").first.fill("3")
    _button(page, "Paint").click()
    page.get_by_text(re.compile(r"^Done: ")).wait_for()
    page.locator("#create-pictures img").nth(3).wait_for()
    _keep(page, "web-create")


def _bank(page: Any) -> None:
    page.get_by_role("tab", name="Bank", exact=True).click()
    page.get_by_text("in place of originals").wait_for()
    page.wait_for_timeout(3000)
    _keep(page, "web-bank")


def _system(page: Any) -> None:
    page.get_by_role("tab", name="System", exact=True).click()
    page.get_by_text("plugin's licence").wait_for()
    _keep(page, "web-system")


def _button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True).locator("visible=true")


def _keep(page: Any, name: str) -> None:
    """What the page shows now, as a WebP small enough."""
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    for quality in (80, 65, 50, 35):
        buffer = io.BytesIO()
        shown.save(buffer, "WEBP", quality=quality, method=6)
        if buffer.tell() <= LARGEST:
            break
    (FOLDER / f"{name}.webp").write_bytes(buffer.getvalue())
    print(FOLDER / f"{name}.webp", buffer.tell())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
