from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from emosym_registry import EmosymError
from PIL import Image

from emosym.contracts.labels import MIKELS_8
from emosym.contracts.reading import EMBEDDED
from emosym.predictions import Predictions
from emosym.report.painting import verdicts
from emosym.report.report import facts, write_report
from emosym.report.templates import HERE

VOID = {"meta", "img", "link", "br", "path", "use", "rect", "line"}


class Checker(HTMLParser):
    """Keeps the tags that are open, and every address the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []
        self.headings: list[int] = []
        self.images: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href")]
        if tag == "img":
            self.images.append(dict(attributes))
        if tag[0] == "h" and tag[1:].isdigit():
            self.headings.append(int(tag[1:]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data.replace("\N{NO-BREAK SPACE}", " "))


def check(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


@pytest.fixture(scope="module")
def page(finished: Path) -> str:
    return write_report(finished).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def parsed(page: str) -> Checker:
    return check(page)


def test_the_report_is_well_formed_and_needs_nothing_outside_itself_and_runs_nothing(
    page: str, parsed: Checker
) -> None:
    assert all(address.startswith(("data:", "#")) for address in parsed.addresses)
    assert not re.search(r"@import|url\((?!#)", page)
    assert "<script" not in page


def test_the_report_shows_figures_beside_what_they_compare_with(parsed: Checker) -> None:
    text = " ".join(parsed.text)
    for expected in ("81.0 %", "Bayes optimum 86.7 %", "75.0 %", "real 85.0 %", "after unify"):
        assert expected in text


def test_headings_descend_one_level_at_a_time_and_every_picture_is_said_in_words(parsed: Checker) -> None:
    assert parsed.headings[0] == 1
    assert parsed.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(parsed.headings))
    assert parsed.images
    assert all(image.get("alt") for image in parsed.images)


def test_every_part_of_a_whole_run_is_on_the_page(parsed: Checker) -> None:
    text = " ".join(parsed.text)
    for expected in (
        "Emotion by emotion", "Which emotions are taken for which", "How far its probabilities can be believed",
        "Worst errors", "What the judge reads in them", "the judge's verdict", "The emotion space", "Memory bank",
        "Reward terms", "What the losses reach", "Spec", "Words",
    ):  # fmt: skip
        assert expected in text, expected


def test_every_stage_has_curves_and_a_confusion_matrix(page: str) -> None:
    assert page.count('class="confusion"') == 4, (
        "three stages, of which the last is the final system's, and what was painted"
    )
    for panel in ("Loss", "Accuracy", "Learning rate"):
        assert page.count(f"<h4>{panel}</h4>") == 3
    assert "</i>label</li>" in page


def test_shares_of_painted_and_of_real_pictures_say_how_many_they_are(page: str) -> None:
    assert "<span>18 of 24</span>" in page
    assert "real 85.0\N{NO-BREAK SPACE}% (20 of 24)" in page


def test_a_calibrated_stage_says_why_its_held_out_reward_is_lower(short_run: Path) -> None:
    assert "calibrated (" not in write_report(short_run).read_text()
    (short_run / "checkpoints").mkdir()
    progress = {"reinforce": {"steps": 2, "seconds": 1.0, "temperature": 1.39}}
    (short_run / "checkpoints" / "progress.json").write_text(json.dumps(progress))
    page = write_report(short_run).read_text()
    assert "calibrated (temperature 1.39): they are less sure, and no answer changes." in page
    assert "This lowers the held-out reward" in page


def test_a_worst_error_may_be_one_of_the_label(parsed: Checker) -> None:
    assert "A label may be wrong, too, or one of several emotions that fit." in " ".join(parsed.text)


def test_a_version_does_not_repeat_its_name(short_run: Path) -> None:
    found = {"versions": {"torch": "2.15.0"}, "plugins": {"emosym-data": "emosym-data 0.1.0"}}
    (short_run / "provenance.json").write_text(json.dumps(found))
    assert facts(short_run)["versions"].rows == [("torch", "2.15.0"), ("emosym-data", "0.1.0")]


@pytest.mark.parametrize(("mode", "place"), [("light", 0), ("dark", 1), ("print", 2)])
def test_a_digit_of_a_confusion_matrix_can_be_read_on_any_colour(mode: str, place: int) -> None:
    """By WCAG's contrast, of which 4.5 is what small text needs."""
    roots = re.findall(r":root \{(.*?)\}", (HERE / "style.css").read_text())
    colours = dict(re.findall(r"--(\w+): (#\w+)", roots[place]))
    cell, card, digit = (_channels(colours[name]) for name in ("cell", "card", "digit"))
    strong = float(re.findall(r"share > ([\d.]+)", (HERE / "parts.jinja").read_text())[0])
    for share in np.linspace(0, 1, 101):
        text = _channels("#fff") if share > strong else digit
        light, dark = sorted((_luminance(text), _luminance(share * cell + (1 - share) * card)))[::-1]
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (mode, share)


def _channels(colour: str) -> np.ndarray:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    return np.array([int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)])


def _luminance(colour: np.ndarray) -> float:
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_what_scrolls_shows_it_at_its_edges_but_not_on_paper() -> None:
    style = (HERE / "style.css").read_text()
    assert style.count(" local") == style.count(" scroll,") + style.count(" scroll;") == 2
    assert ".scroll { background: none; }" in style.partition("@media print")[2]


def test_a_figure_of_each_emotion_is_that_of_its_row_and_column(finished: Path) -> None:
    table = facts(finished)["by_emotion"]
    assert table.header == ("emotion", "pictures", "recall", "precision", "F1", "Emo-A", "painted")
    assert table.rows[0] == ("amusement", "74", "81.1 %", "81.1 %", "81.1 %", "66.7 %", "3")


def test_the_reliability_diagram_counts_every_answer(finished: Path) -> None:
    shown = facts(finished)["reliability"]
    assert sum(int(count) for *_, count in shown.table.rows) == 128
    assert shown.said == "On average the answers are 6.6 points too sure."


def test_a_painted_picture_has_the_judge_s_verdict(finished: Path, parsed: Checker) -> None:
    first = facts(finished)["walls"][0]
    assert [one.right for one in first.pictures] == [True, True, False]
    assert first.pictures[2].verdict.startswith("awe ")
    assert first.agreed == "the judge agrees with 2 of 3"
    said = [image["alt"] or "" for image in parsed.images]
    assert sum(alt.startswith("painted for amusement; the judge reads") for alt in said) == 3


def test_an_error_has_its_picture_and_its_reason(parsed: Checker) -> None:
    text = " ".join(parsed.text)
    for expected in (
        "read as fear, 97.0 %",
        "annotated awe, to which it gave 1.2 %",
        "a dark sky over <nobody>",
    ):
        assert expected in text


def test_the_bank_grows_by_what_each_refresh_admitted(finished: Path) -> None:
    bank = facts(finished)["bank"]
    assert bank.table.rows == [("40", "1", "2", "1"), ("80", "1", "2", "2")]
    assert [(step, pictures[0][1], some) for step, pictures, some in bank.pictures] == [
        (40, MIKELS_8[1], ""),
        (80, MIKELS_8[1], ""),
    ]


def test_a_picture_of_the_bank_has_its_emotion_and_a_refresh_says_how_many_are_not_shown(
    short_run: Path,
) -> None:
    ledger = short_run / "ledger.jsonl"
    first = json.loads(ledger.read_text().splitlines()[0])
    more = first | {"number": 20, "image": "bank/more", "label": 6}
    ledger.write_text(ledger.read_text() + json.dumps(more) + "\n")
    page = write_report(short_run).read_text()
    assert "<h4>step 40 <small>1 of 2</small></h4>" in page
    assert f"<figcaption>{MIKELS_8[1]}</figcaption>" in page


def test_equal_refusals_are_counted_together_and_say_their_numbers(page: str) -> None:
    assert "<b>4</b> pictures: the score 0.21 to 0.3 is below the 0.5 that is asked for" in page


def test_the_terms_of_the_reward_and_what_the_losses_reach_are_tables(finished: Path) -> None:
    shown = facts(finished)
    rows = {row[0]: row[1:] for row in shown["rewards"].rows}
    assert rows["label"] == ("0.0542", "0.954", "+0.9", "0.1", "20.0 %", "1 for the annotated emotion")
    assert rows["wheel"] == ("0.5", "0.5", "0", "0.2", "–", "")
    assert shown["reachability"].rows == [
        ("compress", "tokens", "1", "1", "0.5", "0.5"),
        ("compress", "head", "2", "2", "0.125", "0.25"),
    ]


def test_a_page_with_many_pictures_stays_small(page: str) -> None:
    assert len(page.encode()) < 800_000


def test_the_spec_is_shown_as_text_and_never_as_markup(page: str) -> None:
    assert "&lt;b&gt;not a tag&lt;/b&gt;" in page
    assert "<b>not a tag</b>" not in page


def test_the_same_run_gives_the_same_report(finished: Path, page: str) -> None:
    assert write_report(finished).read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    "missing", ["metrics.jsonl", "summary.json", "sheets", "evaluation", "ledger.jsonl", "provenance.json"]
)
def test_a_report_is_written_of_whatever_is_there(short_run: Path, missing: str) -> None:
    path = short_run / missing
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    assert "How it was made" in " ".join(check(write_report(path.parent).read_text(encoding="utf-8")).text)


def test_figures_of_anybodys_metrics_have_a_table(short_run: Path) -> None:
    path = short_run / "summary.json"
    summary = json.loads(path.read_text())
    summary["understanding"]["stages"]["unify"] |= {"ece": 0.0532, "ece_low": 0.04, "ece_high": 0.07}
    path.write_text(json.dumps(summary))
    page = write_report(short_run).read_text()
    row = '<th scope="row"><a href="#word-ece">ece</a></th><td class="n">–</td><td class="n">–</td><td class="n">0.0532 (0.04–0.07)</td>'
    assert row in page


def test_the_last_tries_and_why_a_stage_ended_early_are_shown(short_run: Path) -> None:
    one = {"action": "awe", "probability": 0.25, "rewards": {"label": None, "text": 0.5}, "total": 0.5}
    lines = [
        {"step": step, "id": f"picture-{step}", "label": None, "tries": [{**one, "advantage": -0.125}]}
        for step in (1, 50)
    ]
    (short_run / "rollouts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = short_run / "summary.json"
    why = "the readings have collapsed"
    path.write_text(json.dumps({**json.loads(path.read_text()), "stopped": {"reinforce": why}}))
    page = write_report(short_run).read_text()
    check(page)
    assert "Some tries of step 50 of reinforce" in page
    cells = ("0.25", "–", "0.5", "0.5", "−0.125")
    row = '<tr><th scope="row">picture-50</th><td class="text">–</td><td class="text">awe</td>'
    row += "".join(f'<td class="n">{c}</td>' for c in cells)
    assert row in page
    assert "picture-1<" not in page
    assert f"Ended before its last step: {why}." in page


@pytest.mark.parametrize("name", ["final-readings.parquet", "final-generated.parquet"])
def test_a_run_without_predictions_still_has_a_page(short_run: Path, name: str) -> None:
    (short_run / "evaluation" / name).unlink()
    check(write_report(short_run).read_text())


def test_a_run_without_verdicts_shows_its_contact_sheet(short_run: Path) -> None:
    (short_run / "evaluation" / "final-generated.parquet").unlink()
    assert [title for title, _ in facts(short_run)["sheets"]] == [
        "Painted",
        "Pictures of the data, for comparison",
    ]


def test_a_run_that_is_under_way_says_so(short_run: Path) -> None:
    (short_run / "summary.json").unlink()
    (short_run / "checkpoints").mkdir()
    (short_run / "checkpoints" / "progress.json").write_text('{"compress": {"steps": 2, "seconds": 61.0}}')
    text = " ".join(check(write_report(short_run).read_text()).text)
    assert "This run has not come to its end. It has finished compress" in text
    assert "2 steps, 1 min 1 s" in text


def test_the_page_goes_where_it_is_told(short_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "elsewhere" / "page.html"
    assert write_report(short_run, out) == out
    assert not (short_run / "report.html").exists()
    assert out.read_text().startswith("<!doctype html>")


def test_a_folder_that_is_no_run_is_refused_in_one_sentence(tmp_path: Path) -> None:
    for folder, what in (
        (tmp_path, "neither a run nor an evaluation"),
        (tmp_path / "nowhere", "no such folder"),
    ):
        with pytest.raises(EmosymError, match=what) as caught:
            write_report(folder)
        assert caught.value.id == "report.nothing"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "text"), [("summary.json", "{"), ("ledger.jsonl", '{"step": 4}\n')])
def test_a_damaged_file_is_named(short_run: Path, name: str, text: str) -> None:
    (short_run / name).write_text(text)
    with pytest.raises(EmosymError, match=re.escape(name)) as caught:
        write_report(short_run)
    assert caught.value.id == "report.damaged"


def test_the_head_says_of_which_data_it_is_and_that_embedded_models_know_no_photographs(
    short_run: Path,
) -> None:
    shown = facts(short_run)
    assert dict(shown["lead"])["on"].endswith("of emosym-tiny/tiny-world")
    assert shown["notes"] == [
        f"{EMBEDDED} The pictures of the embedded world are drawn by a program; none is a photograph."
    ]
    path = short_run / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "embedded": False}))
    assert facts(short_run)["notes"] == []
    assert "Guessing among 8 emotions is right for 12.5 %." in write_report(short_run).read_text()


def test_a_wall_that_shows_some_of_what_was_painted_says_how_many(short_run: Path) -> None:
    names, labels = ("awe", "fear"), np.repeat([0, 1], (15, 2))
    ids = [f"picture-{number}.png" for number in range(17)]
    (short_run / "images").mkdir(exist_ok=True)
    for id in ids:
        Image.new("RGB", (4, 4)).save(short_run / "images" / id)
    probabilities = np.eye(2)[labels]
    made = Predictions(names, "test", tuple(ids), labels, probabilities)
    assert [row.agreed for row in verdicts(short_run, made)] == [
        "the judge agrees with 15 of 15; 12 of them are shown",
        "the judge agrees with 2 of 2",
    ]
