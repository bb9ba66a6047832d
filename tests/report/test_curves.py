from __future__ import annotations

import numpy as np
import pytest

from emosym.report.curves import INK, panel_of, smoothed, stage_curves


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
        ("loss", "loss"),
        ("denoising", "loss"),
        ("validation_accuracy", "accuracy"),
        ("reward/label/mean", "reward"),
        ("reward/label/flat", "reward spread"),
        ("diffusion_gradient_norm", "gradient norm"),
        ("bank/admitted", "bank decisions"),
        ("bank/fraction", "bank"),
        ("lr", "learning rate"),
    ],
)
def test_a_scalar_is_drawn_with_its_like(name: str, panel: str) -> None:
    assert panel_of(name) == panel


def test_curves_take_the_page_s_ink_and_skip_other_stages() -> None:
    lines = [{"stage": "compress", "step": s, "time": 0.0, "loss": 1.0 / s, "lr": None} for s in range(1, 9)]
    svg = stage_curves(lines, "compress")
    assert svg is not None
    assert "currentColor" in svg
    assert INK not in svg
    assert "learning rate" not in svg
    assert stage_curves(lines, "unify") is None
