"""What the tabs say, without a browser: the functions behind them, over a real small system."""

from __future__ import annotations

import json
import re
from pathlib import Path
from threading import Event, Thread, enumerate as threads

import pytest
import torch
from emosym_registry import EmosymError
from PIL import Image

from emosym.contracts import Generated
from emosym.contracts.reading import EMBEDDED
from emosym.request import Request
from emosym.web import about, bank, runs as runs_tab
from emosym.web.app import head
from emosym.web.create import asked, mixed, turned
from emosym.web.gaze import lit, spot
from emosym.web.markup import note, table
from emosym.web.painting import Step, halt, kept, looked_at, painted
from emosym.web.room import Room
from emosym.web.transfer import OPPOSITE, transferring
from emosym.web.understand import readings
from emosym.web.wheel import ordered, wheel
from tests.web.conftest import TEXTS


def test_a_picture_is_read_with_its_reasons_and_where_the_tokens_look(room: Room, photo: Path) -> None:
    (found,), page = readings(room, [str(photo)], 2, attention=True)
    assert found["image"] == "sunset.png"
    assert len(found["reasons"]) == 2  # type: ignore[arg-type]
    assert {one["text"] for one in found["reasons"]} <= set(TEXTS)  # type: ignore[attr-defined]
    assert f'alt="sunset.png, read as {found["emotion"]}"' in page
    for part in (
        "Valence",
        "Reasons: the nearest knowledge",
        "[EMO], what is felt",
        "orange where [CTX] looks",
    ):
        assert part in page


def test_a_broken_picture_is_told_beside_the_others_by_its_own_name(
    room: Room, photo: Path, broken: Path
) -> None:
    found, page = readings(room, [str(broken), str(photo)], 0, attention=False)
    assert [one["image"] for one in found] == ["sunset.png"]
    assert 'role="alert"' in page
    assert "broken.jpg" in page
    with pytest.raises(EmosymError, match=r"broken\.jpg"):
        readings(room, [str(broken)], 0, attention=False)
    with pytest.raises(EmosymError, match="no picture to read"):
        readings(room, [], 0, attention=False)


def test_messages_name_uploads_as_their_owner_does(room: Room) -> None:
    error = EmosymError("x", f"{room.kept}/0a1b/my photo.png: not a readable image", hint="save it again")
    assert room.said(error) == "my photo.png: not a readable image. save it again"


def test_painting_tells_each_step_and_shows_the_picture_on_its_way(room: Room) -> None:
    *steps, last = painted(room, Request("awe", seed=3, steps=4), Event())
    assert [one.done for one in steps if isinstance(one, Step) and one.picture is None] == [1, 2, 3, 4]
    assert sum(isinstance(one, Step) and one.picture is not None for one in steps) == 3
    assert isinstance(last, Generated)
    (alone,) = room.system.generate("awe", seed=3, steps=4)
    assert last.image.tobytes() == alone.image.tobytes()


def test_whoever_leaves_ends_the_painting(room: Room) -> None:
    events = painted(room, Request("awe", steps=400), Event())
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert not any(thread.name == "painting" for thread in threads())
    assert not room.lock.locked()


def test_whoever_stops_waits_for_the_end_and_it_is_said_last(room: Room) -> None:
    who = ("somebody", "create")
    shown = looked_at(room, Request("awe", steps=400, n=4), "awe", who)
    for _ in range(3):
        next(shown)
    stopping = Thread(target=halt, args=(room, who))
    stopping.start()
    *_, last = shown
    assert "Stopped." in last[1]
    stopping.join(60)
    assert not stopping.is_alive()
    assert room.under_way == {}
    assert not room.lock.locked()
    halt(room, who)  # when nothing is painted it is no error


def test_an_error_of_the_painting_comes_out(room: Room) -> None:
    with pytest.raises(EmosymError, match="unknown emotion 'aw'"):
        list(painted(room, Request("aw", steps=1), Event()))


def test_the_download_has_its_recipe(room: Room) -> None:
    request = Request(mixture={"awe": 1.0, "fear": 3.0}, steps=1, seed=2)
    *_, made = painted(room, request, Event())
    assert isinstance(made, Generated)
    path = kept(room, request, made)
    assert path.name == "awe-fear-2.png"
    assert json.loads(Image.open(path).text["emosym"])["mixture"] == {"awe": 1.0, "fear": 3.0}  # type: ignore[attr-defined]


def test_a_flagged_picture_is_said_to_be(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = room.system.require_generation()
    monkeypatch.setattr(
        generation.diffusion, "screen", lambda pictures: torch.ones(len(pictures), dtype=torch.bool)
    )
    *_, (((path, said),), _, _) = looked_at(room, Request("awe", steps=1), "awe")
    assert said.startswith("seed 0: flagged by the safety checker, so it is black")
    assert Image.open(path).getbbox() is None


def test_pictures_come_one_after_the_other_and_each_says_what_is_read_in_it(room: Room) -> None:
    request = Request("awe", n=3, seed=4, steps=1)
    *seen, (pictures, status, files) = looked_at(room, request, "awe")
    assert [len(one) for one, _, _ in seen if isinstance(one, list)] == [0, 1, 2, 3]
    right = sum(": awe " in said for _, said in pictures)
    assert f"Done: awe. {right} of 3 read as awe by this system itself." in status
    assert files == [path for path, _ in pictures]
    alone = room.system.generate("awe", n=3, seed=4, steps=1)
    for (path, said), one in zip(pictures, alone, strict=True):
        assert Path(path).read_bytes() == one.png()
        reading = room.system.understand(one.image)
        assert said == f"seed {one.seed}: {reading.emotion} {max(reading.probabilities.values()):.0%}"


def test_what_is_filled_in_is_a_request_and_a_mistake_is_told_before_anybody_waits(room: Room) -> None:
    request, words = asked("awe", "", "", 3, 0, 0, 2)
    assert (request.emotion, request.seed, request.n, words) == ("awe", 3, 2, "awe")
    request, words = asked("awe", "awe=0.7, fear=0.3", "", 0, 0, 0, 1)
    assert (request.emotion, request.mixture, words) == (
        None,
        {"awe": 0.7, "fear": 0.3},
        "0.7 awe + 0.3 fear",
    )
    with pytest.raises(EmosymError, match="cannot denoise in -1 steps"):
        asked("awe", "", "", 0, -1, 0, 1)
    with pytest.raises(EmosymError, match="unknown emotion 'joy'"):
        next(looked_at(room, asked("awe", "joy=1", "", 0, 0, 0, 1)[0], "joy"))


def test_code_in_a_note_is_shown_as_code() -> None:
    assert "press <code>emosym web &lt;RUN&gt;</code>" in note("press `emosym web <RUN>`")


def test_sliders_make_a_mixture_as_the_command_line_has_it() -> None:
    assert mixed({"awe": 0.7, "fear": 0, "anger": 0.3}) == "awe=0.7,anger=0.3"


def test_a_transfer_starts_from_the_photo_or_from_what_is_seen_in_it(
    room: Room, photo: Path, broken: Path
) -> None:
    request, words = transferring(room, str(photo), "fear", 0.6, 0, 0, 0, 4)
    assert (request.strength, request.n, request.emotion, words) == (0.6, 4, "fear", "fear")
    assert transferring(room, str(photo), "fear", 1, 0, 0, 0, 1)[0].strength is None
    with pytest.raises(EmosymError, match="no photo"):
        transferring(room, None, "fear", 0.6, 0, 0, 0, 4)
    with pytest.raises(EmosymError, match="not a readable image"):
        transferring(room, str(broken), "fear", 0.6, 0, 0, 0, 4)


def test_a_transfer_to_the_opposite_asks_first_what_the_photo_evokes(room: Room, photo: Path) -> None:
    request, words = transferring(room, str(photo), OPPOSITE, 0.6, 0, 0, 0, 4)
    evoked = room.system.understand(photo).emotion
    assert room.system.labels.opposite(evoked) == {request.emotion: 1.0}
    assert re.fullmatch(rf"{request.emotion}, the opposite of {evoked} \(\d+%\) in sunset.png", words)


def test_the_opposite_of_the_first_picture_is_what_create_paints(
    room: Room, photo: Path, broken: Path
) -> None:
    emotion, mixture, why, _ = turned(room, [str(photo), str(broken)])
    evoked = room.system.understand(photo).emotion
    assert room.system.labels.opposite(evoked) == {emotion: 1.0}
    assert mixture == ""
    assert re.fullmatch(rf", the opposite of {evoked} \(\d+%\) in sunset.png", why)
    with pytest.raises(EmosymError, match="there is no picture"):
        turned(room, [])
    with pytest.raises(EmosymError, match="not a readable image"):
        turned(room, [str(broken)])


def test_the_bank_is_shown_and_an_image_is_taken_out_and_brought_back(room: Room) -> None:
    page, choices, ledger = bank.look(room, bank.ALL, "score", None)
    assert "5 images in place of originals." in page
    assert page.count("<img ") == 5
    image = choices["choices"][0][1]  # type: ignore[index]
    assert "is out of the training set" in bank.put(room, image, "too dark", masked=True)
    page, _, ledger = bank.look(room, bank.ALL, "emotion", image)
    assert "1 taken out by hand" in page
    assert "too dark" in ledger
    with pytest.raises(EmosymError):
        bank.put(room, image, "again", masked=True)
    assert "is in the training set again" in bank.put(room, image, "", masked=False)
    assert "2 images" in bank.look(room, "awe", "age", None)[0]
    with pytest.raises(EmosymError, match="no image is chosen"):
        bank.put(room, None, "", masked=True)


def test_a_system_without_a_run_says_that_it_has_no_bank(room: Room) -> None:
    alone = Room(room.system, room.registry, None, (), room.kept)
    assert "without a bank" in bank.look(alone, bank.ALL, "emotion", None)[0]


def test_runs_are_found_and_compared_and_a_folder_name_is_never_a_path(room: Room) -> None:
    assert list(runs_tab.found_runs(room.folders)) == ["one", "two"]
    page = runs_tab.comparison(room, ["one", "two"])
    assert "<caption>Figures</caption>" in page
    assert "<svg" in page
    for names in (["one"], ["one", "../../etc"]):
        with pytest.raises(EmosymError):
            runs_tab.comparison(room, names)


def test_one_run_alone_says_how_to_get_another(room: Room, runs: Path) -> None:
    alone = Room(room.system, room.registry, room.run, (runs / "one",), room.kept)
    assert "not yet two runs" in runs_tab.to_do(alone)
    assert "press Compare" in runs_tab.to_do(room)


def test_the_tables_of_a_study_are_those_of_its_report(room: Room, runs: Path, tmp_path: Path) -> None:
    from emosym.ablation.table import results_of
    from emosym.ablation.unplanned import study_of
    from emosym.report.study.write import write_study

    write_study(results_of(study_of([runs / "one", runs / "two"])[0]), tmp_path / "both")
    there = Room(room.system, room.registry, None, (tmp_path,), room.kept)
    assert list(runs_tab.found_studies(there.folders)) == ["both"]
    assert "<caption>Figures</caption>" in runs_tab.tables_of(there, "both")
    (tmp_path / "both" / "study.json").write_text("{")
    with pytest.raises(EmosymError, match="cannot be read"):
        runs_tab.tables_of(there, "both")


def test_two_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for place in ("a/x", "b/x"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "study.json").touch()
    found = runs_tab.found_studies([tmp_path / "a", tmp_path / "b"])
    assert list(found) == ["x", "x (2)"]


def test_the_system_tells_its_parts_their_licences_and_its_limits(room: Room) -> None:
    assert about.embedded(room)
    assert EMBEDDED in head(room)
    page = about.about(room)
    assert "alias:" not in page
    for part in (
        "qwen-vl",
        "tiny, inside emosym-tiny",
        "Apache-2.0",
        "small rendered pictures",
        "no safety filter",
    ):
        assert part in page


def test_the_wheel_is_mikels_and_says_every_number() -> None:
    names = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
    assert ordered(names)[:2] == ["amusement", "excitement"]
    drawn = wheel(dict.fromkeys(names, 0.125))
    assert drawn.count("<path") == 8
    assert drawn.count("12%") == 16  # on the petals, and in the label
    assert 'aria-label="happy 100%, sad 0%"' in wheel({"happy": 1.0, "sad": 0.0})


def test_light_falls_where_the_weights_are() -> None:
    weights = torch.zeros(4, 4)
    weights[0, 3] = 1
    assert spot(weights) == "at the top right"
    for ground in ("white", "black"):
        shown = lit(Image.new("RGB", (64, 64), ground), weights)
        assert shown.getpixel((4, 60)) == Image.new("RGB", (1, 1), ground).getpixel((0, 0))
        red, _, blue = shown.getpixel((60, 4))  # type: ignore[misc]
        assert red > blue + 150


def test_what_comes_from_outside_is_escaped() -> None:
    assert "<script>" not in table("<script>", ["<script>"], [["<script>"]])
    assert "<b>" not in wheel({"<b>": 1.0, "x": 0.0})
