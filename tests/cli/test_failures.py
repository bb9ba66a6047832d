"""One message, the right exit status, a traceback only when asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from emosym_registry import EmosymError

from emosym.cli.failures import StoppedError, report_failure

from .conftest import Command


@pytest.mark.parametrize(
    ("error", "status", "shown"),
    [
        (
            EmosymError("a.b", "the file is empty", hint="write something"),
            2,
            "error: the file is empty\n  write something\n",
        ),
        (EmosymError("a.b", "a broken promise", ours=True), 1, "error: a broken promise\n"),
        (
            ZeroDivisionError("division by zero"),
            1,
            "error: ZeroDivisionError: division by zero\n  run again with --debug",
        ),
        (
            StoppedError("stopped; continue with:\n  emosym run x"),
            130,
            "stopped; continue with:\n  emosym run x\n",
        ),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_each_failure_has_its_status_and_no_traceback(
    error: BaseException, status: int, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_failure(error, debug=False) == status
    err = capsys.readouterr().err
    assert err.startswith(shown)
    assert "Traceback" not in err


def test_debug_shows_the_traceback(emosym: Command) -> None:
    wrong = ("understand", "no-such.jpg", "--system", "nowhere")
    assert "Traceback" not in emosym(*wrong).err
    assert "Traceback" in emosym(*wrong, "--debug").err


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("nonsense",), "nonsense"),
        (("run",), "SPEC"),
        (("run", "no-such.yaml"), "no-such.yaml"),
        (("run", "preset:nothing"), "nothing"),
        (("train", "preset:tiny", "--stage", "reinforec"), 'did you mean "reinforce"?'),
        (("evaluate", "nowhere"), "nowhere: no such folder"),
        (("understand", "a.jpg", "b.jpg"), "b.jpg: no such file"),
        (("generate",), "nothing to evoke"),
        (("generate", "--emotion", "awe", "--mixture", "awe=1"), "emotion and mixture were both given"),
        (("generate", "--emotion", "awe", "--image", "a.jpg"), "emotion and image were both given"),
        (("generate", "--mixture", "awe"), "'awe' is not EMOTION=WEIGHT"),
        (("generate", "--mixture", "awe=1,awe=2"), "each emotion once"),
        (("generate", "--emotion", "awe", "--strength", "0.5"), "strength says how far to leave an image"),
        (("generate", "--emotion", "awe", "--prompt", "a street"), "{emotion}"),
        (("data", "check"), "SPEC or --folder"),
        (("data", "check", "--folder", "nowhere"), "nowhere: no such folder"),
    ],
)
def test_a_mistake_is_named_and_exits_with_2(
    words: tuple[str, ...], shown: str, emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = emosym(*words)
    assert failed.status == 2
    assert shown in failed.err
    assert failed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_every_problem_of_a_spec_is_shown_with_its_line(emosym: Command, tmp_path: Path) -> None:
    spec = tmp_path / "bad.yaml"
    spec.write_text("emosym: 1\nextends: preset:tiny\nname: bad\nbackbone: {name: qwen-vll}\ncolour: red\n")
    failed = emosym("spec", "check", spec)
    assert failed.status == 2
    assert f"{spec}:4:" in failed.err
    assert f"{spec}:5:" in failed.err


def test_a_sound_spec_is_ok(emosym: Command) -> None:
    checked = emosym("spec", "check", "preset:tiny", "--set", "backbone.name=llava")
    assert (checked.status, checked.out) == (0, "ok: tiny (llava · sd; compress, reinforce, unify)\n")


def test_no_system_yet_says_how_to_get_one(
    emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = emosym("generate", "--emotion", "awe")
    assert failed.status == 2
    assert "emosym run preset:tiny" in failed.err
