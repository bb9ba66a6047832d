"""Policy gradients against enumeration and closed forms, on problems small enough for both."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from emosym_reasoning.config import ExactConfig, GrpoConfig, PaperConfig
from emosym_reasoning.reinforcers.common import divergence
from emosym_reasoning.reinforcers.exact import Exact
from emosym_reasoning.reinforcers.grpo import Grpo, advantages
from emosym_reasoning.reinforcers.paper import Paper
from pydantic import ValidationError
from torch import nn

from emosym.contracts import Context, LabelSet, ReinforceBatch, Sample, States

ACTIONS, TOKENS, HIDDEN = 4, 2, 3


class Bandit:
    """A contextual bandit: logits are linear in the context tokens and the image, rewards a table."""

    def __init__(self, batch=2, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.mean = nn.Parameter(torch.randn(TOKENS, HIDDEN, generator=generator))
        self.head = nn.Parameter(torch.randn(TOKENS * HIDDEN, ACTIONS, generator=generator) * 0.5)
        self.images = torch.randn(batch, 1, ACTIONS, generator=generator)
        self.table = torch.rand(batch, ACTIONS, generator=generator)
        self.labels = torch.arange(batch) % ACTIONS
        self.reference = torch.randn(batch, ACTIONS, generator=generator).log_softmax(-1)
        self.generator = torch.Generator().manual_seed(seed + 1)
        self.reads = 0

    def read(self, context):
        self.reads += 1
        logits = context.flatten(2) @ self.head + self.images
        return States(context, context.mean(2)), logits

    def score(self, rollouts):
        total = self.table.gather(1, rollouts.actions)
        return total, {"table": total, "constant": torch.ones_like(total)}

    def policy(self, repeat=1):
        """``repeat`` copies of the batch: that many more independent tries of every image."""
        return ReinforceBatch(
            samples=[Sample(str(index), ()) for index in range(len(self.images) * repeat)],
            labels=self.labels.repeat(repeat),
            mean=self.mean,
            read=lambda context: self._repeated(context, repeat),
            score=lambda rollouts: self._scored(rollouts, repeat),
            project=lambda states: None,
            reference=self.reference.repeat(repeat, 1),
            generator=self.generator,
        )

    def _repeated(self, context, repeat):
        self.reads += 1
        logits = context.flatten(2) @ self.head + self.images.repeat(repeat, 1, 1)
        return States(context, context.mean(2)), logits

    def _scored(self, rollouts, repeat):
        total = self.table.repeat(repeat, 1).gather(1, rollouts.actions)
        return total, {"table": total, "constant": torch.ones_like(total)}

    def gradients(self, loss):
        return torch.autograd.grad(loss, [self.mean, self.head], allow_unused=True)

    def log_p(self):
        return (self.mean.flatten() @ self.head + self.images[:, 0]).log_softmax(-1)


@pytest.fixture
def where():
    return Context(LabelSet(tuple("abcd")))


def test_exact_is_the_enumerated_expectation_with_its_gradient(where):
    bandit = Bandit()
    terms = Exact(ExactConfig(beta=0.2), where).loss(bandit.policy())
    p = bandit.log_p().exp()
    wanted = torch.zeros(())
    for image in range(2):
        for action in range(ACTIONS):
            kl = p[image, action] * (p[image, action].log() - bandit.reference[image, action])
            wanted = wanted + (0.2 * kl - p[image, action] * bandit.table[image, action]) / 2
    torch.testing.assert_close(terms.loss, wanted)
    for got, expected in zip(bandit.gradients(terms.loss), bandit.gradients(wanted), strict=True):
        torch.testing.assert_close(got, expected)


def test_paper_is_its_formula_with_the_reward_held_fixed(where):
    bandit = Bandit()
    terms = Paper(PaperConfig(beta=0.3), where).loss(bandit.policy())
    log_p = bandit.log_p()
    p = log_p.exp()
    rewards = [float(bandit.table[image, int(p[image].argmax())]) for image in range(2)]
    gain = sum(rewards[image] * p[image, int(bandit.labels[image])] for image in range(2)) / 2
    kl = sum((p[image] * (log_p[image] - bandit.reference[image])).sum() for image in range(2)) / 2
    torch.testing.assert_close(terms.loss, 0.3 * kl - gain)
    for got, expected in zip(bandit.gradients(terms.loss), bandit.gradients(0.3 * kl - gain), strict=True):
        torch.testing.assert_close(got, expected)
    assert terms.values["reward/total/mean"] == pytest.approx(sum(rewards) / 2)


def test_paper_takes_its_mean_over_labelled_images(where):
    whole, half = Bandit(), Bandit()
    half.labels = torch.tensor([0, -1])
    gain = Paper(PaperConfig(beta=0), where).loss(half.policy()).loss
    p = whole.log_p().exp()
    torch.testing.assert_close(gain, -whole.table[0, int(p[0].argmax())] * p[0, 0])


def test_divergence_is_zero_at_the_reference_and_positive_elsewhere(draw):
    one, other = draw(64, 8).log_softmax(-1), draw(64, 8).log_softmax(-1)
    assert float(divergence(one, one).abs().max()) == 0
    assert float(divergence(one, other).min()) > 0
    slow = [(one[0, c].exp() * (one[0, c] - other[0, c])).item() for c in range(8)]
    assert float(divergence(one, other)[0]) == pytest.approx(sum(slow), rel=1e-5)


@pytest.mark.parametrize(
    "reinforcer",
    [Exact(ExactConfig(beta=1), None), Paper(PaperConfig(beta=1), None), Grpo(GrpoConfig(beta=1), None)],
)
def test_divergence_holds_every_reinforcer_at_its_reference_where_rewards_are_silent(reinforcer):
    bandit = Bandit()
    bandit.table.zero_()
    bandit.reference = bandit.log_p().detach()
    terms = reinforcer.loss(bandit.policy())
    assert terms.values["kl"] == pytest.approx(0, abs=1e-6)
    for gradient in bandit.gradients(terms.loss):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-6)
    bandit.reference = bandit.reference.roll(1, -1)
    assert reinforcer.loss(bandit.policy()).values["kl"] > 0


def test_advantages_have_mean_zero_and_deviation_one_where_rewards_differ(draw):
    rewards = draw(16, 8)
    rewards[0] = 0.7
    scaled = advantages(rewards, normalise=True)
    torch.testing.assert_close(scaled.mean(1), torch.zeros(16), rtol=0, atol=1e-6)
    # ε = 1e-4 beside deviations near one.
    torch.testing.assert_close(scaled[1:].std(1, correction=0), torch.ones(15), rtol=1e-3, atol=0)
    torch.testing.assert_close(scaled[0], torch.zeros(8), rtol=0, atol=1e-2)
    torch.testing.assert_close(advantages(rewards, normalise=False), rewards - rewards.mean(1, keepdim=True))


def expected_gradient(reinforcer, bandit, repeat, rounds):
    total = None
    for _ in range(rounds):
        got = bandit.gradients(reinforcer.loss(bandit.policy(repeat)).loss)
        got = [
            torch.zeros_like(p) if g is None else g
            for g, p in zip(got, (bandit.mean, bandit.head), strict=True)
        ]
        total = got if total is None else [a + b for a, b in zip(total, got, strict=True)]
    return [part / rounds for part in total]


@pytest.mark.parametrize("antithetic", [False, True])
def test_grpo_without_noise_has_the_exact_gradient_in_the_mean(where, antithetic):
    """At σ → 0 it is E[A ∇log p(a)] = (1 − 1/G)·∇E[r]: the group's mean holds the try itself."""
    bandit = Bandit()
    grpo = Grpo(
        GrpoConfig(rollouts=4, sigma=1e-4, beta=0, normalise=False, latent_weight=0, antithetic=antithetic),
        where,
    )
    got = expected_gradient(grpo, bandit, repeat=2000, rounds=20)[1] / (1 - 1 / 4)
    wanted = bandit.gradients(Exact(ExactConfig(beta=0), where).loss(bandit.policy()).loss)[1]
    # 2,000·20·4 tries an image leave a standard error near 0.5/√160,000 = 0.001 an entry; five of them.
    torch.testing.assert_close(got, wanted, rtol=0, atol=0.006)


def test_grpo_moves_the_tokens_as_the_exact_gradient_would(where):
    """With the true score function (weight K·D) the tokens' gradient is that of E_z[Σ_a p(a|z) r(a)], which
    for small σ is the exact one; ± pairs leave the group's mean without bias for the latent, so the factor is
    1."""
    bandit = Bandit(seed=2)
    size = TOKENS * HIDDEN
    config = GrpoConfig(rollouts=8, sigma=0.2, beta=0, normalise=False, latent_weight=size, antithetic=True)
    got = expected_gradient(Grpo(config, where), bandit, repeat=4000, rounds=15)[0]
    wanted = bandit.gradients(Exact(ExactConfig(beta=0), where).loss(bandit.policy()).loss)[0]
    # Over 2.7 times as many tries, seeds 0 to 3 were 7.3, 1.9, 1.4 and 3.4 % off at σ = 0.2. Seed 2 has the
    # largest gradient, so the least noise beside it; seed 0, with a gradient of 0.05, is 16 % off at σ = 0.3:
    # the curvature over σ.
    assert float((got - wanted).norm()) < 0.1 * float(wanted.norm())


def test_a_climb_by_grpo_ends_where_the_exact_climb_ends(where):
    got = {}
    for name, reinforcer in {
        "exact": Exact(ExactConfig(beta=0), where),
        "grpo": Grpo(GrpoConfig(beta=0), where),
    }.items():
        bandit = Bandit(batch=1)
        optimiser = torch.optim.Adam([bandit.mean, bandit.head], 0.05)
        for _ in range(100):
            optimiser.zero_grad()
            reinforcer.loss(bandit.policy(8)).loss.backward()
            optimiser.step()
        got[name] = float((bandit.log_p().exp() * bandit.table).sum())
    assert got["exact"] == pytest.approx(float(bandit.table.max()), abs=0.02)
    assert got["grpo"] == pytest.approx(float(bandit.table.max()), abs=0.02)


def test_tokens_learn_from_the_density_alone_where_the_network_is_fixed(where):
    bandit = Bandit()
    config = {"beta": 0, "rollouts": 4}
    silent = bandit.gradients(Grpo(GrpoConfig(latent_weight=0, **config), where).loss(bandit.policy()).loss)
    assert silent[0] is None or not bool(silent[0].any())
    heard = bandit.gradients(Grpo(GrpoConfig(**config), where).loss(bandit.policy()).loss)
    assert bool(heard[0].abs().min() > 0)


def test_latent_gradient_is_the_mean_of_advantage_times_noise(where):
    """∇μ = −w/(K·D·σ)·mean(A·ε): the density's score in closed form, from the tries that were read."""
    bandit = Bandit()
    seen = {}
    policy = bandit.policy()
    read, score = policy.read, policy.score

    def reading(context):
        seen["z"] = context[:, :-1].detach()
        return read(context)

    def scoring(rollouts):
        seen["r"] = score(rollouts)[0]
        return score(rollouts)

    terms = Grpo(GrpoConfig(beta=0, latent_weight=2, sigma=0.5), where).loss(
        replace(policy, read=reading, score=scoring)
    )
    sigma = 0.5 * float(bandit.mean.detach().std(correction=0))
    noise = (seen["z"] - bandit.mean.detach()) / sigma
    weights = advantages(seen["r"], normalise=True)[..., None, None]
    wanted = -2 / (TOKENS * HIDDEN * sigma) * (weights * noise).mean((0, 1))
    torch.testing.assert_close(bandit.gradients(terms.loss)[0], wanted, rtol=1e-4, atol=1e-5)
    assert terms.values["sigma"] == pytest.approx(sigma)
    # In pairs ±ε, so the tries' mean is μ itself.
    torch.testing.assert_close(noise.mean(1), torch.zeros(2, TOKENS, HIDDEN), rtol=0, atol=1e-5)


def test_tries_and_mean_are_read_in_one_call(where):
    bandit = Bandit()
    Grpo(GrpoConfig(), where).loss(bandit.policy())
    assert bandit.reads == 1


def test_readings_are_the_rows_that_one_loss_reads_at_once(where):
    for kind, config in ((Grpo, GrpoConfig(rollouts=6)), (Exact, ExactConfig()), (Paper, PaperConfig())):
        rows, policy = [], Bandit().policy()

        def reading(context, read=policy.read, rows=rows):
            rows.append(context.shape[1])
            return read(context)

        kind(config, where).loss(replace(policy, read=reading))
        assert max(rows) == kind.readings(config)


def test_the_same_generator_gives_the_same_loss(where):
    losses = [Grpo(GrpoConfig(), where).loss(Bandit(seed=3).policy()).loss.item() for _ in range(2)]
    assert losses[0] == losses[1]


def test_an_older_policy_is_clipped(where):
    class Late(Grpo):
        def old(self, policy, log_pi):
            return log_pi.detach() - 1.0

    bandit = Bandit()
    terms = Late(GrpoConfig(beta=0, clip=0.2), where).loss(bandit.policy())
    assert terms.values["ratio_clipped"] == 1
    fresh = Grpo(GrpoConfig(beta=0, clip=0.2), where).loss(Bandit().policy())
    assert fresh.values["ratio_clipped"] == 0
    assert float(fresh.loss) == pytest.approx(0, abs=1e-5)
    # Ratio e everywhere: gains are held at 1.2, losses are not held (the pessimistic side).
    scaled = advantages_of(Bandit(), where)
    wanted = -torch.where(scaled > 0, 1.2 * scaled, math.e * scaled).mean()
    assert float(terms.loss) == pytest.approx(float(wanted), rel=1e-4)


def advantages_of(bandit, where):
    kept = []
    policy = bandit.policy()

    def scoring(rollouts):
        kept.append(policy.score(rollouts)[0])
        return policy.score(rollouts)

    Grpo(GrpoConfig(beta=0), where).loss(replace(policy, score=scoring))
    return advantages(kept[0], normalise=True)


def test_values_say_what_each_reward_did(where):
    values = Grpo(GrpoConfig(), where).loss(Bandit().policy()).values
    assert values["reward/constant/mean"] == 1
    assert values["reward/constant/std"] == 0
    assert values["reward/constant/flat"] == 1
    assert values["reward/table/flat"] < 1
    assert values["reward/total/mean"] == values["reward/table/mean"]
    assert 0 < values["entropy"] <= math.log(ACTIONS) + 1e-6


def test_images_without_a_reward_are_in_no_figure(where):
    bandit = Bandit(batch=3)
    policy = bandit.policy()
    silent = torch.tensor([False, True, False])[:, None]

    def masked(rollouts):
        total, each = policy.score(rollouts)
        return total.masked_fill(silent, 0), {
            "table": each["table"].masked_fill(silent, math.nan),
            "never": torch.full_like(total, math.nan),
        }

    values = Exact(ExactConfig(), where).loss(replace(policy, score=masked)).values
    assert values["reward/table/mean"] == pytest.approx(float(bandit.table[[0, 2]].mean()))
    assert values["reward/total/mean"] == values["reward/table/mean"]
    assert math.isnan(values["reward/never/mean"])


@pytest.mark.parametrize(
    ("kl", "factor"),
    [(0.05, 1.0), (0.0525, 1.005), (0.04, 0.98), (5.0, 1.02), (0.0, 0.98)],
)
def test_beta_follows_the_divergence_by_a_tenth_of_the_error_which_is_held(where, kl, factor):
    exact = Exact(ExactConfig(beta=0.5, target_kl=0.05), where)
    exact.after_step({"kl": kl})
    assert exact.beta == pytest.approx(0.5 * factor)
    fixed = Exact(ExactConfig(beta=0.5), where)
    fixed.after_step({"kl": kl})
    assert fixed.beta == 0.5


def test_the_divergence_settles_at_its_target(where):
    bandit = Bandit(batch=1)
    bandit.reference = bandit.log_p().detach()
    exact = Exact(ExactConfig(beta=0.01, target_kl=0.05), where)
    optimiser = torch.optim.SGD([bandit.mean, bandit.head], 0.1)
    for _ in range(600):
        optimiser.zero_grad()
        terms = exact.loss(bandit.policy())
        terms.loss.backward()
        optimiser.step()
        exact.after_step(terms.values)
    assert terms.values["kl"] == pytest.approx(0.05, rel=0.1)
    assert terms.values["beta"] == pytest.approx(exact.beta, rel=0.03)
    assert "beta" not in Exact(ExactConfig(), where).loss(bandit.policy()).values


def test_a_target_needs_a_beta_to_multiply():
    with pytest.raises(ValidationError, match="above 0"):
        ExactConfig(beta=0, target_kl=0.1)


def test_zeroed_tokens_do_not_divide_by_zero(where):
    bandit = Bandit()
    with torch.no_grad():
        bandit.mean.zero_()
    assert math.isfinite(Grpo(GrpoConfig(), where).loss(bandit.policy()).loss)


def test_an_odd_number_of_tries_cannot_be_paired():
    with pytest.raises(ValidationError, match="even"):
        GrpoConfig(rollouts=5)
    assert GrpoConfig(rollouts=5, antithetic=False).rollouts == 5
