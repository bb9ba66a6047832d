"""The page in a real browser, as people use it: every tab, two at once, by keyboard alone, and what axe finds."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from emosym.web.room import Room

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]
PATIENCE = 240_000
"""Milliseconds that a busy machine may take."""
LONG = 400
"""Steps of a painting that somebody stops."""
TABS = ("Understand", "Create", "Transfer", "Bank", "Runs", "System")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """``visit(**options)``: the page in a browser of one's own; nothing may be asked of any other machine."""
    contexts, foreign = [], []

    def visit(**options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda one: foreign.append(one.url) if not _own(one.url) else None)
        page.goto(address)
        page.get_by_role("tab", name="Understand").wait_for()
        return page

    yield visit
    for context in contexts:
        context.close()
    assert foreign == []


def _own(url: str) -> bool:
    return url.startswith(("http://127.0.0.1", "data:", "blob:"))


def go(page: Any, tab: str) -> None:
    """To a tab, which a narrow page may have behind its button of dots."""
    shown = page.get_by_role("tab", name=tab, exact=True).locator("visible=true")
    if not shown.count():
        page.locator(".overflow-menu > button").locator("visible=true").first.click()
        shown = page.locator(".overflow-dropdown button", has_text=tab).locator("visible=true")
    shown.first.click()


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True).locator("visible=true")


def field(page: Any, role: str, name: str) -> Any:
    return page.get_by_role(role, name=name).locator("visible=true").first


def test_pictures_are_read_and_a_broken_one_is_told(
    visit: Callable[..., Any], photo: Path, broken: Path
) -> None:
    page = visit()
    page.set_input_files("#understand-files input[type=file]", [photo, broken])
    page.get_by_label("Show where the tokens look").check()
    button(page, "Read").click()
    page.locator(".es-card").wait_for()
    assert page.locator(".es-card svg[role=img]").get_attribute("aria-label").count("%") == 8
    assert "broken.jpg" in page.locator("#understand-cards [role=alert]").inner_text()
    assert page.locator(".es-row figure img").count() == 2


def test_only_broken_pictures_are_one_clear_message(visit: Callable[..., Any], broken: Path) -> None:
    page = visit()
    page.set_input_files("#understand-files input[type=file]", [broken])
    button(page, "Read").click()
    page.get_by_text("broken.jpg: not a readable image").wait_for()


def test_a_picture_comes_out_of_the_noise_and_goes_home_with_its_recipe(
    visit: Callable[..., Any], tmp_path: Path
) -> None:
    page = visit()
    go(page, "Create")
    page.get_by_role("button", name="Mix several emotions").click()
    slider = field(page, "slider", "range slider for awe")
    slider.focus()
    slider.press("End")
    field(page, "textbox", "Mixture").wait_for()
    page.wait_for_function(
        "document.querySelector('textarea[placeholder*=\"=0.7\"], input[placeholder*=\"=0.7\"]').value == 'awe=1'"
    )
    field(page, "spinbutton", "Seed").fill("5")
    field(page, "spinbutton", "Steps").fill("8")
    button(page, "Paint").click()
    page.get_by_text("Done: 1 awe. Under each picture").wait_for()
    for seed in (5, 6, 7, 8):
        assert page.locator(f"#create-pictures img[alt^='seed {seed}: ']").count() == 1
    with page.expect_download() as download:
        page.locator("#create-files a[download]").first.click()
    path = tmp_path / "made.png"
    download.value.save_as(path)
    recipe = json.loads(Image.open(path).text["emosym"])  # type: ignore[attr-defined]
    assert (recipe["mixture"], recipe["seed"]) == ({"awe": 1.0}, 5)


def test_a_mistake_says_what_and_what_to_do(visit: Callable[..., Any]) -> None:
    page = visit()
    go(page, "Create")
    field(page, "textbox", "What to show").fill("a street")
    button(page, "Paint").click()
    page.get_by_text("must have {emotion} once").wait_for()
    assert (
        "the emotion goes there" in page.locator("[data-testid=toast-body], .toast-body").first.inner_text()
    )


def test_a_painting_is_stopped_and_its_thread_ends(visit: Callable[..., Any], room: Room) -> None:
    page = visit()
    go(page, "Create")
    steps = field(page, "spinbutton", "Steps")
    steps.fill(str(LONG))
    steps.press("Tab")  # the number is taken over once it is left
    button(page, "Paint").click()
    page.locator("#create-status").get_by_text(re.compile(rf"Picture 1 of 4, step \d+ of {LONG}")).wait_for()
    button(page, "Stop").click()
    page.locator("#create-status").get_by_text("Stopped.").wait_for()
    for thread in threading.enumerate():
        if thread.name == "painting":
            thread.join(60)
            assert not thread.is_alive()
    assert not room.lock.locked()


def test_two_people_wait_for_one_another_and_both_get_their_own(visit: Callable[..., Any]) -> None:
    pages = [visit(), visit()]
    for number, page in enumerate(pages):
        go(page, "Create")
        field(page, "spinbutton", "Seed").fill(str(20 + number))
        field(page, "spinbutton", "Steps").fill("6")
    for page in pages:
        button(page, "Paint").click()
    for number, page in enumerate(pages):
        page.get_by_text("Each PNG holds its recipe").wait_for()
        page.locator(f"#create-pictures img[alt^='seed {20 + number}: ']").wait_for()


def test_a_photo_is_read_and_four_pictures_evoke_the_opposite(
    visit: Callable[..., Any], room: Room, photo: Path
) -> None:
    page = visit()
    page.set_input_files("#understand-files input[type=file]", [photo])
    button(page, "Read").click()
    page.locator(".es-card").wait_for()
    (wanted,) = room.system.labels.opposite(page.locator(".es-card h2").inner_text())
    button(page, "Paint the opposite").click()
    page.locator("#create-status").get_by_text(f"Done: {wanted}, the opposite of ").wait_for()
    assert page.locator("#create-pictures img").count() == 4


def test_a_photo_and_its_opposites_stand_side_by_side(visit: Callable[..., Any], photo: Path) -> None:
    page = visit()
    go(page, "Transfer")
    page.set_input_files("#transfer-file input[type=file]", [photo])
    page.locator("#transfer-before img").wait_for()
    page.get_by_role("button", name="How many, seed, steps, guidance").click()
    field(page, "spinbutton", "Steps").fill("4")
    button(page, "Transfer").click()
    page.locator("#transfer-status").get_by_text(re.compile("Done: .*, the opposite of")).wait_for()
    assert page.locator("#transfer-pictures img[alt^='seed ']").count() == 4
    before, after = (
        page.locator(place).bounding_box() for place in ("#transfer-before", "#transfer-pictures")
    )
    assert before["x"] < after["x"]


def test_an_image_of_the_bank_is_taken_out_and_brought_back(visit: Callable[..., Any]) -> None:
    page = visit()
    go(page, "Bank")
    page.get_by_text("5 images in place of originals.").wait_for()
    page.locator("#bank-entry input").click()
    page.get_by_role("option").first.click()
    field(page, "textbox", "Reason").fill("too dark")
    button(page, "Take out of the training set").click()
    page.get_by_text("1 taken out by hand").wait_for()
    page.get_by_role("button", name="Ledger").click()
    page.locator("#bank-ledger").get_by_text("too dark").wait_for()
    button(page, "Bring back").click()
    page.get_by_text("is in the training set again").wait_for()


def test_runs_are_compared(visit: Callable[..., Any]) -> None:
    page = visit()
    go(page, "Runs")
    for name in ("one", "two"):
        page.get_by_role("checkbox", name=name, exact=True).check()
    button(page, "Compare").click()
    page.locator("#runs-compared table").first.wait_for()
    assert page.locator("#runs-compared svg").count() == 1


def test_the_keyboard_alone_reads_a_tab_and_paints(visit: Callable[..., Any]) -> None:
    page = visit()
    page.get_by_role("tab", name="Understand").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("tab", name="Create").focus()
    page.keyboard.press("Enter")
    field(page, "spinbutton", "Steps").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("2")
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Paint":
            break
    page.keyboard.press("Enter")
    page.get_by_text("Each PNG holds its recipe").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_tab(visit: Callable[..., Any], photo: Path, scheme: str) -> None:
    page = visit(color_scheme=scheme)
    page.set_input_files("#understand-files input[type=file]", [photo])
    button(page, "Read").click()
    page.locator(".es-card").wait_for()
    found = []
    for tab in TABS:
        go(page, tab)
        page.wait_for_timeout(1500)
        for one in axe_api.Axe().run(page).response["violations"]:
            if one["impact"] in ("serious", "critical"):
                found += [f"{tab}: {one['id']}: {node['html'][:160]}" for node in one["nodes"]]
    assert found == []


def test_it_fits_a_phone(visit: Callable[..., Any], photo: Path) -> None:
    page = visit(viewport={"width": 390, "height": 844})
    page.set_input_files("#understand-files input[type=file]", [photo])
    button(page, "Read").click()
    page.locator(".es-card").wait_for()
    for tab in TABS:
        go(page, tab)
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab
