"""The walk without noise is Euler's method in sigma_bar, of first order, on data whose flow is known."""

import math

import pytest
import torch

from lib.data import GaussianMixture
from lib.ddim import (
    ddim_step,
    euler_in_t,
    euler_step,
    flow_error,
    from_sigma_bar,
    gaussian_eps,
    gaussian_flow,
    order_of_convergence,
    sigma_bar,
    to_sigma_bar,
)
from lib.ddim.subsequences import SPACINGS, evenly
from lib.ddpm import exact_eps, predict_eps, q_sample, schedules

ALPHA_BAR = schedules.linear(1000)
COUNTS = [50, 100, 200, 400]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("alpha_bar", [ALPHA_BAR, schedules.shortened_linear(100)], ids=["1000", "100"])
@pytest.mark.parametrize(("t", "s"), [(1, 0), (50, 49), (100, 3), (90, 0)])
def test_a_step_of_ddim_is_a_step_of_euler_in_sigma_bar(t, s, alpha_bar):
    """The same numbers but for the last digits of float64."""
    x_t, eps_hat = normal(3, 2, 4, 4), normal(3, 2, 4, 4, seed=1)
    ours, theirs = euler_step(x_t, eps_hat, t, s, alpha_bar), ddim_step(x_t, eps_hat, t, s, alpha_bar)
    assert (ours - theirs).abs().max() <= 1e-12


def test_a_step_up_undoes_a_step_down_with_the_same_noise():
    """The rule is linear: only the noise that is asked for differs between the two directions."""
    x_t, eps_hat = normal(3, 2), normal(3, 2, seed=1)
    down = euler_step(x_t, eps_hat, 80, 20, ALPHA_BAR)
    torch.testing.assert_close(euler_step(down, eps_hat, 20, 80, ALPHA_BAR), x_t)


def test_to_sigma_bar_and_back():
    """x_bar is x_0 + sigma_bar eps: the clean part keeps its size. At level 0 nothing happens."""
    x_0, eps, t = normal(3, 2), normal(3, 2, seed=1), torch.tensor([0, 40, 1000])
    x_t = q_sample(x_0, t, eps, ALPHA_BAR)
    x_bar, level = to_sigma_bar(x_t, t, ALPHA_BAR)
    torch.testing.assert_close(x_bar, x_0 + level * eps)
    torch.testing.assert_close(level.flatten(), sigma_bar(ALPHA_BAR)[t])
    torch.testing.assert_close(from_sigma_bar(x_bar, t, ALPHA_BAR), x_t)
    assert level[0] == 0 and torch.equal(x_bar[0], x_t[0])


def point_eps(x_t: torch.Tensor, t: int) -> torch.Tensor:
    """The perfect network for data that are one point, 1."""
    return predict_eps(x_t, torch.ones_like(x_t), t, ALPHA_BAR, "x_0")


def test_for_a_single_point_ddim_is_exact_in_one_step_and_euler_in_t_is_not_in_ten():
    """Paths in (x_bar, sigma_bar) are straight lines there, and curves in t."""
    x_T = torch.full((1, 1), 0.3, dtype=torch.float64)
    torch.testing.assert_close(ddim_step(x_T, point_eps(x_T, 1000), 1000, 0, ALPHA_BAR), torch.ones_like(x_T))
    x_t = x_T
    for t in range(1000, 0, -100):
        x_t = euler_in_t(x_t, point_eps(x_t, t), t, t - 100, ALPHA_BAR)
    assert (x_t - 1).abs().item() > 0.05


def test_euler_in_t_takes_the_slope_of_the_flow_at_the_start():
    """-beta/2 (x + score), with score = -eps / sqrt(1 - alpha_bar), over t - s steps of time."""
    x_t, eps_hat, t, s = normal(3, 2), normal(3, 2, seed=1), 600, 580
    beta = schedules.betas(ALPHA_BAR)[t]
    slope = -beta / 2 * (x_t - eps_hat / (1 - ALPHA_BAR[t]).sqrt())
    torch.testing.assert_close(euler_in_t(x_t, eps_hat, t, s, ALPHA_BAR), x_t + (s - t) * slope)


def test_both_rules_agree_when_steps_are_short():
    """They are methods for one equation: their difference over one step falls like the square of its length."""
    x_t = normal(3, 2)
    gaps = []
    for num_timesteps in (1000, 4000):
        alpha_bar = schedules.linear(num_timesteps, 1e-4 * 1000 / num_timesteps, 0.02 * 1000 / num_timesteps)
        t = num_timesteps // 2
        steps = [step(x_t, normal(3, 2, seed=1), t, t - 1, alpha_bar) for step in (euler_step, euler_in_t)]
        gaps.append((steps[0] - steps[1]).abs().max().item())
    assert gaps[0] / gaps[1] == pytest.approx(16, rel=0.1)


def test_the_flow_of_gaussian_data_carries_one_density_into_another():
    """Quantiles stay quantiles: variance alpha_bar v + 1 - alpha_bar at both ends, and back again."""
    v, mean, (above, below) = 0.3, 0.7, (ALPHA_BAR[t].item() for t in (700, 100))
    mean_t, mean_s = math.sqrt(above) * mean, math.sqrt(below) * mean
    std_t, std_s = (math.sqrt(level * v + 1 - level) for level in (above, below))
    x_t = mean_t + std_t * torch.linspace(-2, 2, 5, dtype=torch.float64)
    x_s = gaussian_flow(x_t, above, below, v, mean)
    torch.testing.assert_close((x_s - mean_s) / std_s, torch.linspace(-2, 2, 5, dtype=torch.float64))
    torch.testing.assert_close(gaussian_flow(x_s, below, above, v, mean), x_t)


def test_the_flow_obeys_the_equation():
    """Its derivative by sigma_bar, in x_bar, is the perfect network's noise."""
    v, x_t, t = 0.3, torch.tensor([0.8], dtype=torch.float64), 500
    level = ALPHA_BAR[t].item()
    sigma = math.sqrt((1 - level) / level)
    h = 1e-5 * sigma
    ends = []
    for near in (sigma - h, sigma + h):
        other = 1 / (1 + near**2)
        ends.append(gaussian_flow(x_t, level, other, v) / math.sqrt(other))
    torch.testing.assert_close((ends[1] - ends[0]) / (2 * h), gaussian_eps(x_t, level, v), rtol=1e-6, atol=0)


def test_the_network_of_the_flow_is_the_exact_one():
    """As `lib.ddpm.exact_eps` for one Gaussian."""
    data = GaussianMixture(torch.ones(1), torch.zeros(1, 2), 0.3 * torch.eye(2)[None])
    x_t = normal(4, 2)
    torch.testing.assert_close(
        gaussian_eps(x_t, ALPHA_BAR[500].item(), 0.3), exact_eps(data, x_t, ALPHA_BAR[500]), rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("variance", [0.25, 1.0])
@pytest.mark.parametrize("alpha_bar", [ALPHA_BAR, schedules.cosine(1000)], ids=["linear", "cosine"])
@pytest.mark.parametrize("spacing", ["evenly", "quadratic"])
def test_ddim_is_of_first_order_on_gaussian_data(variance, alpha_bar, spacing):
    """The exact map is known, so that twice the steps must halve the error, whatever the spacing."""
    errors = [flow_error(alpha_bar, SPACINGS[spacing](1000, num_steps), variance) for num_steps in COUNTS]
    assert order_of_convergence(COUNTS, errors) == pytest.approx(1.0, abs=0.1)
    assert errors[0] > 0.01  # there was something to measure


def test_euler_in_sigma_bar_has_the_same_error_and_euler_in_t_another():
    """Two names for one rule, and another rule."""
    levels = evenly(1000, 20)
    errors = [flow_error(ALPHA_BAR, levels, 0.25, step) for step in (ddim_step, euler_step, euler_in_t)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-10) and abs(errors[0] - errors[2]) > 0.01


def test_the_order_of_errors_that_fall_like_a_power_is_that_power():
    """1/n² has order 2, and a factor does not matter."""
    assert order_of_convergence([10, 20, 80], [5 / n**2 for n in (10, 20, 80)]) == pytest.approx(2)


@pytest.mark.parametrize(("num_steps", "errors"), [([10], [0.1]), ([10, 20], [0.1]), ([10, 20], [0.1, 0.0])])
def test_an_order_needs_two_positive_errors(num_steps, errors):
    """Logarithms and a straight line."""
    with pytest.raises(ValueError, match="num_steps and errors must be at least two pairs"):
        order_of_convergence(num_steps, errors)


@pytest.mark.parametrize("numbers", [(0.0, 1.0, 0.3), (0.5, 1.1, 0.3), (0.5, 1.0, 0.0)])
def test_a_flow_out_of_range_is_refused(numbers):
    """At alpha_bar 0 nothing is left to invert."""
    with pytest.raises(ValueError, match="must lie in"):
        gaussian_flow(torch.ones(1), *numbers)
