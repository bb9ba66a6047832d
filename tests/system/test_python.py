"""Training in Python: ``emosym.train``, callbacks, and the run that comes back."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from emosym_registry import EmosymError, Registry

import emosym
from emosym.experiment.callbacks import ARGUMENTS, Listener, as_listener
from emosym.spec import Resolved

QUICK = {
    "extends": "preset:tiny",
    "name": "quick",
    "stages": {"compress": {"steps": 3, "batch_size": 8}, "reinforce": None, "unify": None},
    "memory": None,
    "data": {"params": {"train": 48, "val": 16, "test": 16}},
    "compute": {"device": "cpu", "precision": "fp32"},
}


class Losses:
    """Notes the loss of every step, and how the run ended."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.ends: list[str] = []

    def emosym_step_finished(self, step: int, values: Any) -> None:
        self.losses.append(values["loss"])

    def emosym_run_finished(self, **facts: Any) -> None:
        self.ends.append(sorted(facts)[0])


class Stops:
    def emosym_step_finished(self, step: int) -> None:
        if step == 2:
            raise RuntimeError("enough")


def test_training_listens_to_callbacks_shows_progress_and_gives_the_run(
    tmp_path: Path, registry: Registry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match="enough"):
        emosym.train(QUICK, sets=("seed=3",), callbacks=[Stops()], registry=registry, progress=False)
    assert capsys.readouterr().err == ""
    unfinished = emosym.Run("runs/quick")
    assert "begun" in repr(unfinished)
    assert "begun" in unfinished._repr_html_()
    with pytest.raises(EmosymError, match="resume=True") as caught:
        _ = unfinished.figures
    assert caught.value.id == "run.unfinished"
    losses = Losses()
    run = emosym.train(QUICK, sets=("seed=3",), callbacks=[losses], registry=registry, resume=True)
    assert (run.folder, run.report) == (Path("runs/quick"), Path("runs/quick/report.html"))
    assert "compress: done in" in capsys.readouterr().err
    assert losses.losses == [row["loss"] for row in run.metrics]
    assert [row["step"] for row in run.metrics] == [1, 2, 3]
    assert losses.ends == ["run"]
    assert not any(isinstance(one, Listener) for one in registry.manager.get_plugins())
    assert 0 <= run.figures["understanding/accuracy"] <= 1
    assert "finished, Accuracy" in repr(run)
    assert "<table" in run._repr_html_()
    assert run.system is run.system
    assert run.system.resolved.spec.seed == 3


def test_a_run_is_opened_by_its_folder(run: Path, tmp_path: Path) -> None:
    opened = emosym.Run(run)
    assert opened.figures["generation/emo_a"] == opened.summary["generation"]["emo_a"]
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(EmosymError) as caught:
            emosym.Run(folder)
        assert caught.value.id == "run.missing"


def test_a_spec_is_a_preset_by_its_bare_name_too(small: Resolved, registry: Registry) -> None:
    with pytest.raises(EmosymError) as caught:
        emosym.train("tinny", registry=registry)
    assert caught.value.id == "spec.unknown-preset"
    with pytest.raises(EmosymError) as caught:
        emosym.train(small, sets=("seed=3",), registry=registry)
    assert caught.value.id == "train.late-sets"
    with pytest.raises(EmosymError, match="the given spec seed: expected a whole number"):
        emosym.train({**QUICK, "seed": "x"}, registry=registry)


@pytest.mark.parametrize(
    ("methods", "id", "said"),
    [
        ({"emosym_step_finnished": lambda self: None}, "train.unknown-hook", '"emosym_step_finished"?'),
        ({"step_finished": lambda self: None}, "train.unknown-hook", '"emosym_step_finished"?'),
        ({"on_step_end": lambda self: None}, "train.no-hook", "emosym_run_started, emosym_stage_started"),
        ({"emosym_components": lambda self: None}, "train.unknown-hook", "emosym_run_started"),
        ({"emosym_step_finished": lambda self, stp: None}, "train.bad-hook", "no argument 'stp'"),
    ],
)
def test_a_callback_that_would_hear_nothing_is_refused(methods: dict, id: str, said: str) -> None:
    with pytest.raises(EmosymError) as caught:
        as_listener(type("Mine", (), methods)())
    assert caught.value.id == id
    assert said in str(caught.value)
    with pytest.raises(EmosymError, match=r"Losses\(\)"):
        as_listener(Losses)
    heard = {name: tuple(inspect.signature(getattr(Listener, name)).parameters)[1:] for name in ARGUMENTS}
    assert heard == ARGUMENTS
