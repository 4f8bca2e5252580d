"""The forward jump, the posterior and the conversions, against step-by-step chains and Bayes' rule."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal

from lib.ddpm import schedules
from lib.ddpm.forward import (
    TARGETS,
    convert,
    posterior,
    predict_eps,
    predict_x_0,
    q_sample,
    training_target,
    v_target,
)

ALPHA_BAR = schedules.linear(1000)


def normal(*shape: int, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_one_jump_has_the_mean_and_variance_of_t_single_steps():
    """x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps, followed exactly for a point: mean and variance recursions."""
    mean, variance = torch.tensor([[2.0]], dtype=torch.float64), 0.0
    for t, beta in enumerate(schedules.betas(ALPHA_BAR)[1:31].tolist(), 1):
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        one = torch.ones(1, 1, dtype=torch.float64)
        torch.testing.assert_close(q_sample(2 * one, t, 0 * one, ALPHA_BAR), mean)
        assert q_sample(0 * one, t, one, ALPHA_BAR).item() == pytest.approx(math.sqrt(variance))


@given(t=st.integers(0, 1000))
def test_unit_variance_stays_unit_variance(t):
    """The squares of the two factors add up to 1, so data of variance 1 keep it at every level."""
    one, nil = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    total = q_sample(one, t, nil, ALPHA_BAR) ** 2 + q_sample(nil, t, one, ALPHA_BAR) ** 2
    assert total.item() == pytest.approx(1)


def test_level_zero_is_the_picture_itself():
    """alpha_bar[0] = 1: no noise at all."""
    x_0 = normal(2, 3, 4, 4)
    assert torch.equal(q_sample(x_0, 0, normal(2, 3, 4, 4, seed=1), ALPHA_BAR), x_0)


@pytest.mark.parametrize("shape", [(3, 2), (3, 1, 4, 4), (3, 3, 2, 4, 4)])
def test_every_row_gets_its_own_level(shape):
    """A batch of levels equals one row after another, for points, pictures and videos."""
    x_0, eps, t = normal(*shape), normal(*shape, seed=1), torch.tensor([1, 500, 1000])
    together = q_sample(x_0, t, eps, ALPHA_BAR)
    for row in range(3):
        alone = q_sample(x_0[row : row + 1], int(t[row]), eps[row : row + 1], ALPHA_BAR)
        torch.testing.assert_close(together[row : row + 1], alone)


def test_coefficients_are_computed_in_float64_and_results_keep_their_precision():
    """In float32 1 - alpha_bar_1 = 1e-4 would be off by 2e-4 relative."""
    x_0 = torch.zeros(1, 2)
    x_t = q_sample(x_0, 1, torch.ones(1, 2), ALPHA_BAR)
    assert x_t.dtype == torch.float32
    assert x_t[0, 0].item() == pytest.approx(0.01, rel=1e-7)


def log_density(x, mean, variance):
    return Normal(mean, math.sqrt(variance)).log_prob(x)


@given(t=st.integers(2, 1000), stride=st.integers(1, 999), x_0=st.floats(-1, 1), x_t=st.floats(-2, 2))
def test_the_posterior_is_bayes_rule_at_every_pair_of_levels(t, stride, x_0, x_t):
    """log q(x_s|x_0) + log q(x_t|x_s) - log q(x_t|x_0) at three places x_s, by densities only."""
    s = max(1, t - stride)
    x_0, x_t = torch.tensor([[x_0]], dtype=torch.float64), torch.tensor([[x_t]], dtype=torch.float64)
    a_t, a_s = ALPHA_BAR[t].item(), ALPHA_BAR[s].item()
    mean, variance = posterior(x_0, x_t, t, ALPHA_BAR, s)
    for shift in (-1.0, 0.3, 2.0):
        x_s = mean + shift * variance.sqrt()
        joint = log_density(x_s, math.sqrt(a_s) * x_0, 1 - a_s) + log_density(
            x_t, math.sqrt(a_t / a_s) * x_s, 1 - a_t / a_s
        )
        bayes = joint - log_density(x_t, math.sqrt(a_t) * x_0, 1 - a_t)
        torch.testing.assert_close(log_density(x_s, mean, variance.item()), bayes, rtol=1e-6, atol=1e-6)


def test_without_s_the_posterior_is_that_of_one_step_and_its_variance_is_beta_tilde():
    """The two-level form at s = t - 1 is the formula of the paper."""
    x_0, x_t, t = normal(4, 2), normal(4, 2, seed=1), torch.tensor([1, 2, 500, 1000])
    found = posterior(x_0, x_t, t, ALPHA_BAR)
    beta = schedules.betas(ALPHA_BAR)[t][:, None]
    now, before = ALPHA_BAR[t][:, None], ALPHA_BAR[t - 1][:, None]
    mean = before.sqrt() * beta / (1 - now) * x_0 + (1 - beta).sqrt() * (1 - before) / (1 - now) * x_t
    torch.testing.assert_close(found.mean, mean)
    torch.testing.assert_close(found.variance[:, 0], schedules.beta_tilde(ALPHA_BAR)[t])


def test_stepping_to_level_zero_lands_on_x_0():
    """q(x_0 | x_t, x_0) has no freedom left, from any level."""
    x_0, x_t = normal(3, 2), normal(3, 2, seed=1)
    for t in (1, 10, 1000):
        mean, variance = posterior(x_0, x_t, t, ALPHA_BAR, s=0)
        torch.testing.assert_close(mean, x_0)
        assert (variance == 0).all()


def test_the_mean_in_terms_of_the_noise():
    """(x_t - beta_t / sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_t): the form that the network's answer is put into."""
    x_0, eps, t = normal(4, 2), normal(4, 2, seed=1), torch.tensor([1, 2, 500, 1000])
    x_t = q_sample(x_0, t, eps, ALPHA_BAR)
    beta, now = schedules.betas(ALPHA_BAR)[t][:, None], ALPHA_BAR[t][:, None]
    expected = (x_t - beta / (1 - now).sqrt() * eps) / (1 - beta).sqrt()
    torch.testing.assert_close(posterior(x_0, x_t, t, ALPHA_BAR).mean, expected)


@pytest.mark.parametrize("target", TARGETS)
def test_any_target_gives_back_picture_and_noise(target):
    """Each of the four is an invertible linear function of the pair (x_0, eps), once x_t is known."""
    x_0, eps, t = normal(4, 3, 2, 2), normal(4, 3, 2, 2, seed=1), torch.tensor([1, 300, 700, 1000])
    x_t = q_sample(x_0, t, eps, ALPHA_BAR)
    output = training_target(x_0, eps, t, ALPHA_BAR, target)
    torch.testing.assert_close(predict_x_0(x_t, output, t, ALPHA_BAR, target), x_0)
    torch.testing.assert_close(predict_eps(x_t, output, t, ALPHA_BAR, target), eps)


@pytest.mark.parametrize("source", TARGETS)
@pytest.mark.parametrize("target", TARGETS)
def test_estimates_convert_into_each_other(source, target):
    """Even a wrong estimate means one thing: converted there and back it is the same."""
    x_t, guess, t = normal(3, 2), normal(3, 2, seed=1), torch.tensor([5, 500, 900])
    there = convert(x_t, guess, t, ALPHA_BAR, source, target)
    torch.testing.assert_close(convert(x_t, there, t, ALPHA_BAR, target, source), guess)


def test_a_picture_and_noise_estimate_always_rebuild_x_t():
    """x_0_hat and eps_hat are two names for one answer: sqrt(alpha_bar) x_0_hat + sqrt(1 - alpha_bar) eps_hat = x_t."""
    x_t, guess, t = normal(3, 2), normal(3, 2, seed=1), torch.tensor([5, 500, 900])
    for target in TARGETS:
        x_0_hat, eps_hat = (f(x_t, guess, t, ALPHA_BAR, target) for f in (predict_x_0, predict_eps))
        torch.testing.assert_close(q_sample(x_0_hat, t, eps_hat, ALPHA_BAR), x_t)


def test_v_is_a_rotation_of_picture_and_noise():
    """(x_t, v) is (x_0, eps) turned by an angle, so lengths are kept."""
    x_0, eps = normal(3, 2), normal(3, 2, seed=1)
    x_t, v = q_sample(x_0, 400, eps, ALPHA_BAR), v_target(x_0, eps, 400, ALPHA_BAR)
    torch.testing.assert_close(x_t**2 + v**2, x_0**2 + eps**2)


def test_the_score_is_the_gradient_of_the_log_density():
    """By autograd, of log N(x_t; sqrt(alpha_bar) x_0, 1 - alpha_bar)."""
    x_0, eps, t = normal(3, 2), normal(3, 2, seed=1), 300
    x_t = q_sample(x_0, t, eps, ALPHA_BAR).requires_grad_()
    level = ALPHA_BAR[t]
    Normal(level.sqrt() * x_0, (1 - level).sqrt()).log_prob(x_t).sum().backward()
    torch.testing.assert_close(x_t.grad, training_target(x_0, eps, t, ALPHA_BAR, "score"))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: q_sample(x, 1, x[:, :1], ALPHA_BAR), "eps must have the shape"),
        (lambda x: q_sample(x, 1001, x, ALPHA_BAR), "levels must lie in 0..1000, got 1001"),
        (lambda x: q_sample(x, -1, x, ALPHA_BAR), "levels must lie in 0..1000, got -1"),
        (lambda x: q_sample(x, torch.tensor([1, 2, 3]), x, ALPHA_BAR), "one for each of the 2 rows"),
        (lambda x: posterior(x, x, 5, ALPHA_BAR, s=5), "s must be a cleaner level than t, got s = 5 and t = 5"),
        (lambda x: posterior(x, x, 0, ALPHA_BAR), "levels must lie in 1..1000, got 0"),
        (lambda x: posterior(x, x[:, :1], 5, ALPHA_BAR), "x_t must have the shape"),
        (lambda x: predict_x_0(x, x, 0, ALPHA_BAR), "levels must lie in 1..1000"),
        (lambda x: predict_x_0(x, x, 3, ALPHA_BAR, "noise"), "target must be one of eps, x_0, v, score, got 'noise'"),
        (lambda x: predict_eps(x, x[:, :1], 3, ALPHA_BAR), "output must have the shape"),
    ],
)
def test_wrong_levels_and_shapes_are_refused(call, words):
    """An index of -1 or a broadcast batch would otherwise give pictures that look fine."""
    with pytest.raises(ValueError, match=words):
        call(normal(2, 2))
