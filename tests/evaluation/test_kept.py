from __future__ import annotations

import numpy as np

from emosym.evaluation.kept import on_a_plane


def test_the_plane_holds_the_directions_of_most_spread() -> None:
    rng = np.random.default_rng(0)
    known = rng.normal(size=(300, 2)) * (5.0, 2.0)
    turn, _ = np.linalg.qr(rng.normal(size=(7, 7)))
    points, spread = on_a_plane(known @ turn[:2] + 3.0)
    np.testing.assert_allclose(spread.sum(), 1.0)
    assert spread[0] > spread[1]
    distances = [np.linalg.norm(one[:, None] - one[None], axis=-1) for one in (points, known)]
    np.testing.assert_allclose(*distances, atol=1e-9)


def test_equal_points_give_an_equal_plane_whatever_their_order() -> None:
    points = np.random.default_rng(1).normal(size=(40, 5))
    order = np.random.default_rng(2).permutation(40)
    np.testing.assert_allclose(on_a_plane(points[order])[0], on_a_plane(points)[0][order], atol=1e-9)


def test_points_that_are_all_the_same_have_no_spread() -> None:
    assert on_a_plane(np.ones((4, 3)))[1].tolist() == [0.0, 0.0]
