from __future__ import annotations

import numpy as np
import pytest

from emosym.report.curves import MOST, called, panel_of, smoothed, stage_curves, thinned
from emosym.report.svg import INK


def test_smoothing_leaves_a_straight_line_alone_away_from_its_ends() -> None:
    line = np.linspace(0, 1, 400)
    np.testing.assert_allclose(smoothed(line)[5:-5], line[5:-5], atol=1e-12)


def test_smoothing_is_the_mean_of_a_slow_reference() -> None:
    values = np.random.default_rng(0).normal(size=200)
    slow = [values[max(0, i - 2) : i + 3].mean() for i in range(200)]
    np.testing.assert_allclose(smoothed(values), slow, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "panel"),
    [
        ("loss", "Loss"),
        ("denoising", "Denoising"),
        ("teacher_ce", "Cross entropy"),
        ("validation_accuracy", "Accuracy"),
        ("reward/label/mean", "Reward"),
        ("reward/label/std", "Spread of rewards"),
        ("reward/label/flat", "Nothing to learn from: equal tries"),
        ("held_out/entropy", "Entropy of readings"),
        ("diffusion_gradient_norm", "Gradient norm"),
        ("bank/admitted", "Decisions of the bank"),
        ("bank/fraction", "Painted pictures in training"),
        ("lr", "Learning rate"),
        ("sigma", "Noise on the [CTX] tokens of tries"),
        ("of_a_plugin", "of_a_plugin"),
    ],
)
def test_a_scalar_is_drawn_with_those_of_its_unit(name: str, panel: str) -> None:
    assert panel_of(name).title == panel


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("reward/label/mean", "label"),
        ("held_out/reward", "held out reward"),
        ("teacher_ce", "teacher ce"),
        ("bank/admitted", "admitted"),
        ("lr", "lr"),
    ],
)
def test_a_scalar_is_called_as_people_say_it(name: str, said: str) -> None:
    assert called(name) == said


def test_curves_take_the_page_s_ink_and_skip_other_stages() -> None:
    lines = [{"stage": "compress", "step": s, "time": 0.0, "loss": 1.0 / s, "lr": None} for s in range(1, 9)]
    (panel,) = stage_curves(lines, "compress")
    assert "currentColor" in panel.svg
    assert INK not in panel.svg
    assert stage_curves(lines, "unify") == []


def test_every_panel_has_one_unit_beside_its_axes_and_says_its_end_in_words() -> None:
    lines = [
        {"stage": "compress", "step": s, "loss": 0.5, "accuracy": 0.25, "of_a_plugin": 3.0} for s in range(4)
    ]
    panels = stage_curves(lines, "compress")
    assert [panel.title for panel in panels] == ["Loss", "Accuracy", "of_a_plugin"]
    for panel, unit in zip(panels, ("sum of all terms", "% of pictures", "of a plugin"), strict=True):
        assert f">{unit}<" in panel.svg
        assert ">optimiser step<" in panel.svg
    assert "accuracy ends at 25" in panels[1].last


def test_a_single_curve_that_its_panel_s_title_names_has_no_legend() -> None:
    lines = [{"stage": "compress", "step": s, "loss": 0.5, "validation_accuracy": 0.25} for s in range(4)]
    assert [[name for name, _ in panel.key] for panel in stage_curves(lines, "compress")] == [
        [],
        ["validation accuracy"],
    ]


def test_no_panel_has_more_curves_than_there_are_colours() -> None:
    many = {f"lr/{place:02d}": 1.0 for place in range(MOST + 3)}
    panels = stage_curves([{"stage": "unify", "step": step, **many} for step in (1, 2)], "unify")
    assert [len(panel.key) for panel in panels] == [MOST, 3]
    assert len({colour for _, colour in panels[0].key}) == MOST


def test_a_thinned_curve_keeps_its_ends() -> None:
    kept = thinned(1000, 50)
    assert (len(kept), kept[0], kept[-1]) == (50, 0, 999)
    assert thinned(3, 50).tolist() == [0, 1, 2]
