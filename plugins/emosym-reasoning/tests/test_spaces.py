"""Drawn states have the statistics they were fitted on."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from emosym_reasoning import config as c
from emosym_reasoning.spaces.diagonal import Diagonal
from emosym_reasoning.spaces.gaussian import Gaussian, low_rank
from emosym_reasoning.spaces.kde import Kde
from emosym_reasoning.spaces.mixture import Mixture
from emosym_registry import EmosymError

from emosym.contracts import Context, LabelSet, States

TOKENS, HIDDEN = 2, 4
FEATURES = (TOKENS + 1) * HIDDEN
EVERY = {
    Diagonal: c.DiagonalConfig(),
    Gaussian: c.GaussianConfig(rank=FEATURES, shrinkage=0),
    Kde: c.KdeConfig(per_class=4000, bandwidth=0),
    Mixture: c.MixtureConfig(components=2, rank=FEATURES, shrinkage=0),
}
ALL = pytest.mark.parametrize("kind", EVERY)


@pytest.fixture
def where():
    return Context(LabelSet(("awe", "fear", "joy")), seed=3)


@pytest.fixture
def data(draw):
    """4,000 states a class, features correlated within a class."""
    rows, labels = [], []
    for index in range(3):
        mixing = draw(FEATURES, FEATURES) / 3
        rows.append(draw(4000, FEATURES) @ mixing + 2 * draw(1, FEATURES))
        labels += [index] * 4000
    return States.split(torch.cat(rows).view(-1, TOKENS + 1, HIDDEN)), torch.tensor(labels)


def flat(states):
    return states.joined().flatten(1)


def draws(space, weights, count=20000, seed=0):
    mixture = torch.tensor([weights]).expand(count, -1)
    return flat(space.sample(mixture, torch.Generator().manual_seed(seed)))


@ALL
def test_a_pure_emotion_has_the_mean_and_spread_of_its_states(where, data, kind):
    space = kind(EVERY[kind], where)
    space.fit(*data)
    real, drawn = flat(data[0])[4000:8000], draws(space, [0.0, 1.0, 0.0])
    # Standard errors over 20,000 draws of deviation ≤ 2: 0.014 for the mean, 0.01 for the deviation; five.
    torch.testing.assert_close(drawn.mean(0), real.mean(0), rtol=0, atol=0.07)
    torch.testing.assert_close(drawn.std(0), real.std(0), rtol=0.04, atol=0)


@pytest.mark.parametrize("kind", [Gaussian, Kde, Mixture])
def test_joint_spaces_keep_how_features_move_together(where, data, kind):
    space = kind(EVERY[kind], where)
    space.fit(*data)
    wanted, got = flat(data[0])[:4000].T.cov(), draws(space, [1.0, 0.0, 0.0]).T.cov()
    # Entries of a covariance of scale 1.5 have a standard error of about 1.5·√(2/20,000) = 0.015.
    torch.testing.assert_close(got, wanted, rtol=0, atol=0.09)
    assert float((wanted - wanted.diag().diag()).abs().max()) > 0.5


def test_the_diagonal_space_forgets_how_features_move_together(where, data):
    space = Diagonal(EVERY[Diagonal], where)
    space.fit(*data)
    got = draws(space, [1.0, 0.0, 0.0]).T.cov()
    assert float((got - got.diag().diag()).abs().max()) < 0.09


def test_the_diagonal_space_draws_from_given_gaussians_of_its_emotions_alone(where, draw):
    mean, std = draw(3, TOKENS + 1, HIDDEN), draw(3, TOKENS + 1, HIDDEN).abs()
    space = Diagonal(c.DiagonalConfig(), where)
    space.set_gaussians(mean, std)
    drawn = draws(space, [0.0, 0.0, 1.0])
    # Standard errors over 20,000 draws of deviation ≤ 3.5: 0.025 for the mean, 0.5 % for the deviation.
    torch.testing.assert_close(drawn.mean(0), mean[2].flatten(), rtol=0, atol=0.12)
    torch.testing.assert_close(drawn.std(0), std[2].flatten(), rtol=0.04, atol=0)
    for wrong in ((mean[:2], std[:2]), (mean, std[:, :1]), (mean[0], std[0])):
        with pytest.raises(EmosymError) as caught:
            space.set_gaussians(*wrong)
        assert caught.value.id == "emotion-space.other-shape"


@pytest.mark.parametrize("kind", [Gaussian, Kde, Mixture])
def test_spaces_that_are_no_diagonal_gaussians_take_no_statistics(where, kind):
    with pytest.raises(EmosymError) as caught:
        kind(EVERY[kind], where).set_gaussians(torch.zeros(3, 3, 4), torch.ones(3, 3, 4))
    assert caught.value.id == "emotion-space.fitted-only"


@ALL
def test_a_mixture_has_the_mean_of_means_and_the_mean_of_covariances(where, data, kind):
    space = kind(EVERY[kind], where)
    space.fit(*data)
    real, drawn = flat(data[0]), draws(space, [0.7, 0.3, 0.0])
    torch.testing.assert_close(
        drawn.mean(0), 0.7 * real[:4000].mean(0) + 0.3 * real[4000:8000].mean(0), rtol=0, atol=0.07
    )
    variance = 0.7 * real[:4000].var(0) + 0.3 * real[4000:8000].var(0)
    torch.testing.assert_close(drawn.var(0), variance, rtol=0.08, atol=0)


@ALL
def test_a_fresh_instance_loads_the_statistics(where, data, kind):
    space, fresh = kind(EVERY[kind], where), kind(EVERY[kind], where)
    space.fit(*data)
    fresh.load_state_dict(space.state_dict())
    assert torch.equal(draws(fresh, [0.2, 0.3, 0.5], 5), draws(space, [0.2, 0.3, 0.5], 5))
    states = fresh.sample(torch.eye(3), torch.Generator().manual_seed(0))
    assert (states.context.shape, states.emotion.shape) == ((3, TOKENS, HIDDEN), (3, HIDDEN))


@ALL
def test_an_unfitted_space_saves_and_loads_and_refuses_to_draw(where, data, kind):
    space, fresh = kind(EVERY[kind], where), kind(EVERY[kind], where)
    fresh.load_state_dict(space.state_dict())
    with pytest.raises(EmosymError, match="no statistics yet"):
        fresh.sample(torch.eye(3), torch.Generator())
    fitted = kind(EVERY[kind], where)
    fitted.fit(*data)
    fitted.load_state_dict(space.state_dict())
    with pytest.raises(EmosymError, match="no statistics yet"):
        fitted.sample(torch.eye(3), torch.Generator())


@ALL
def test_the_generator_decides_the_draw(where, data, kind):
    space = kind(EVERY[kind], where)
    space.fit(*data)
    assert torch.equal(draws(space, [1.0, 0, 0], 4, seed=1), draws(space, [1.0, 0, 0], 4, seed=1))
    assert not torch.equal(draws(space, [1.0, 0, 0], 4, seed=1), draws(space, [1.0, 0, 0], 4, seed=2))


@ALL
def test_fitting_again_replaces_and_ignores_unlabelled_states(where, data, kind, draw):
    states, labels = data
    space, other = kind(EVERY[kind], where), kind(EVERY[kind], where)
    space.fit(States(states.context + 5, states.emotion - 3), labels)
    space.fit(*data)
    more = States.cat([states, States(draw(7, TOKENS, HIDDEN) * 100, draw(7, HIDDEN))])
    other.fit(more, torch.cat([labels, torch.full((7,), -1)]))
    assert torch.equal(draws(space, [1.0, 0, 0], 4), draws(other, [1.0, 0, 0], 4))


@ALL
def test_an_emotion_without_images_is_named(where, data, kind):
    states, labels = data
    with pytest.raises(EmosymError, match="no labelled training image of fear"):
        kind(EVERY[kind], where).fit(states[labels != 1], labels[labels != 1])


@ALL
@pytest.mark.parametrize("weights", [[0.5, 0.2, 0.2], [1.5, -0.5, 0.0], [1.0, 0.0]])
def test_weights_that_are_no_mixture_are_refused(where, data, kind, weights):
    space = kind(EVERY[kind], where)
    space.fit(*data)
    with pytest.raises(EmosymError, match="mixture"):
        space.sample(torch.tensor([weights]), torch.Generator())


@ALL
def test_gradients_do_not_enter_the_statistics(where, data, kind):
    states, labels = data
    space = kind(EVERY[kind], where)
    space.fit(States(states.context.clone().requires_grad_(), states.emotion), labels)
    assert not any(buffer.requires_grad for buffer in space.buffers())


def test_low_rank_keeps_every_variance_and_the_leading_covariance(draw):
    rows = draw(60, 3) @ (5 * draw(3, 30)) + 0.1 * draw(60, 30)
    factors, residual = low_rank(rows, 3)
    covariance = factors.T @ factors + residual.diag()
    torch.testing.assert_close(covariance.diag(), (rows.T @ rows).diag(), rtol=1e-4, atol=1e-3)
    error = covariance - rows.T @ rows
    # What is left out is the noise: 60 × 0.01 on the diagonal, its chance correlations off it.
    assert float(error.abs().max()) < 1.0 < float((rows.T @ rows).abs().max()) / 100


def test_subspace_iteration_finds_what_exact_eigenvectors_find(draw, monkeypatch):
    rows = draw(300, 6) @ (3 * draw(6, 200)) + 0.1 * draw(300, 200)
    exact, _ = low_rank(rows, 6)
    monkeypatch.setattr("emosym_reasoning.spaces.gaussian.EXACT", 10)
    quick, _ = low_rank(rows, 6)
    difference = quick.T @ quick - exact.T @ exact
    assert float(difference.norm() / (exact.T @ exact).norm()) < 1e-4


def test_an_emotion_with_one_image_borrows_the_common_spread(where, data):
    states, labels = data
    rare = torch.cat([torch.arange(4001), torch.arange(8000, 12000)])
    space = Gaussian(c.GaussianConfig(rank=8, shrinkage=16), where)
    space.fit(states[rare], labels[rare])
    drawn = draws(space, [0.0, 1.0, 0.0], 4000)
    torch.testing.assert_close(drawn.mean(0), flat(states)[4000], rtol=0, atol=0.15)
    common = (flat(states)[:4000].var(0) + flat(states)[8000:].var(0)) / 2
    # One sample of its own without spread beside sixteen common ones.
    torch.testing.assert_close(drawn.var(0), common * 16 / 17, rtol=0.15, atol=0)


def test_kernel_density_replays_real_states_and_keeps_a_bounded_number(where, data):
    real = flat(data[0])[4000:8000]
    space = Kde(c.KdeConfig(per_class=50, bandwidth=0), where)
    space.fit(*data)
    drawn = draws(space, [0.0, 1.0, 0.0], 300)
    nearest = torch.cdist(drawn, real).min(1).values
    assert float(nearest.max()) < 1e-2
    assert len(drawn.mul(1e3).round().unique(dim=0)) <= 50
    wide = Kde(c.KdeConfig(per_class=50, bandwidth=0.5), where)
    wide.fit(*data)
    assert float(torch.cdist(draws(wide, [0.0, 1.0, 0.0], 300), real).min(1).values.mean()) > 0.2


@ALL
def test_a_module_moved_to_another_precision_still_draws(where, data, kind):
    space = kind(EVERY[kind], where)
    space.fit(*data)
    drawn = space.double().sample(F.one_hot(torch.tensor([0, 2]), 3), torch.Generator().manual_seed(0))
    assert len(drawn) == 2


def test_not_finite_states_are_refused(where, data):
    states, labels = data
    broken = dataclasses.replace(states, emotion=states.emotion.clone())
    broken.emotion[3, 1] = float("nan")
    with pytest.raises(EmosymError, match="NaN"):
        Diagonal(c.DiagonalConfig(), where).fit(broken, labels)


@pytest.fixture
def two_modes(draw):
    """400 states of the first emotion at −4 or +4 in one direction, a narrow cloud for the others; and that direction."""
    along = F.normalize(draw(1, FEATURES), dim=1)
    side = torch.arange(400) % 2 * 2.0 - 1
    first = 4 * side[:, None] * along + 0.3 * draw(400, FEATURES)
    rows = torch.cat([first, 0.3 * draw(800, FEATURES) + 1])
    labels = torch.tensor([0] * 400 + [1] * 400 + [2] * 400)
    return States.split(rows.view(-1, TOKENS + 1, HIDDEN)), labels, along[0]


def test_a_mixture_draws_from_the_modes_of_an_emotion_and_not_from_between(where, two_modes):
    states, labels, along = two_modes
    between = {}
    for kind, config in ((Mixture, c.MixtureConfig(components=2, rank=4)), (Gaussian, c.GaussianConfig())):
        space = kind(config, where)
        space.fit(states, labels)
        places = draws(space, [1.0, 0.0, 0.0], 2000) @ along
        between[kind] = float((places.abs() < 2).float().mean())
    # A Gaussian of deviation 4 has 38 % of its draws within ±2; a mode of deviation ~0.3 has none of them.
    assert between[Mixture] < 0.02 < 0.3 < between[Gaussian]


def test_the_sides_of_a_mixture_are_drawn_as_often_as_they_were_seen(where, two_modes):
    states, labels, along = two_modes
    rare = torch.cat([torch.arange(0, 400, 2)[:60], torch.arange(1, 400, 2), torch.arange(400, 1200)])
    space = Mixture(c.MixtureConfig(components=2, rank=4), where)
    space.fit(states[rare], labels[rare])
    share = float((draws(space, [1.0, 0.0, 0.0], 4000) @ along < 0).float().mean())
    # 60 of 260 states; the standard error over 4,000 draws is 0.007.
    assert share == pytest.approx(60 / 260, abs=0.03)


@pytest.mark.parametrize("each", [1, 2, 5, 9])
def test_a_mixture_of_few_states_has_fewer_gaussians_and_a_sensible_spread(where, two_modes, each):
    states, labels, _ = two_modes
    few = torch.cat([torch.nonzero(labels == label)[:each, 0] for label in range(3)])
    space = Mixture(c.MixtureConfig(components=4, per_component=4), where)
    space.fit(states[few], labels[few])
    assert space.shares.shape[1] == max(1, each // 4)
    torch.testing.assert_close(space.shares.sum(1), torch.ones(3))
    drawn = draws(space, [0.0, 1.0, 0.0], 500)
    assert bool(drawn.isfinite().all())
    own = flat(states)[few][labels[few] == 1]
    assert float((drawn.mean(0) - own.mean(0)).norm()) < 2.0
    assert (float(drawn.std(0).mean()) > 0.05) is (each > 1)


def test_a_mixture_depends_on_the_states_and_the_seed_alone(where, two_modes):
    states, labels, _ = two_modes
    one, two = (Mixture(c.MixtureConfig(components=3, rank=6), where) for _ in range(2))
    one.fit(states, labels)
    torch.manual_seed(99)
    two.fit(states, labels)
    assert all(torch.equal(a, b) for a, b in zip(one.buffers(), two.buffers(), strict=True))


def test_kernel_density_interpolates_within_an_emotion_where_it_is_asked(where, data):
    real = flat(data[0])[4000:8000]
    space = Kde(c.KdeConfig(per_class=20, bandwidth=0, interpolate=1.0), where)
    space.fit(*data)
    drawn = draws(space, [0.0, 1.0, 0.0], 300)
    remembered = space.mean[1] + space.memory[space.owner == 1]
    away = torch.cdist(drawn, real).min(1).values
    assert float((away > 0.05).float().mean()) > 0.9
    # A point between two of the remembered has as great a sum of distances to them as they are apart.
    apart = torch.cdist(remembered, remembered)
    to = torch.cdist(drawn, remembered)
    detour = (to[:, :, None] + to[:, None] - apart).amin((1, 2))
    assert float(detour.max()) < 0.02
