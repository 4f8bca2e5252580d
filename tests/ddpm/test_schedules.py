"""Schedules: the numbers of the papers, the relations between alpha_bar, beta and SNR, and refusals."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.ddpm import schedules

ALL = {
    "linear": schedules.linear,
    "shortened_linear": schedules.shortened_linear,
    "cosine": schedules.cosine,
    "sigmoid": schedules.sigmoid,
    "custom": lambda num_steps: schedules.custom([(0.3, 0.8), (1, 0.01)], num_steps),
    "shifted": lambda num_steps: schedules.shifted(schedules.cosine(num_steps), 0.5),
}


@pytest.mark.parametrize("name", ALL)
@given(num_steps=st.integers(21, 300))
def test_every_schedule_starts_at_one_falls_and_stays_above_zero(name, num_steps):
    """T + 1 numbers in float64, the first exactly 1: the clean picture is level 0."""
    alpha_bar = ALL[name](num_steps)
    assert alpha_bar.dtype == torch.float64 and alpha_bar.shape == (num_steps + 1,)
    assert alpha_bar[0] == 1 and (alpha_bar.diff() < 0).all() and alpha_bar[-1] > 0


@pytest.mark.parametrize("name", ALL)
def test_betas_and_alpha_bar_say_the_same(name):
    """Each can be computed from the other; index t means the step that leads to level t in both."""
    alpha_bar = ALL[name](100)
    beta = schedules.betas(alpha_bar)
    assert beta[0] == 0 and ((beta[1:] > 0) & (beta[1:] < 1)).all()
    torch.testing.assert_close(schedules.from_betas(beta[1:]), alpha_bar, rtol=1e-12, atol=0)


def test_the_linear_schedule_has_the_betas_of_the_paper():
    """From 1e-4 to 0.02 in equal steps; what is left of the picture at T = 1000 is 4.04e-5 of the variance."""
    alpha_bar = schedules.linear(1000)
    beta = schedules.betas(alpha_bar)
    torch.testing.assert_close(beta[[1, 1000]], torch.tensor([1e-4, 0.02], dtype=torch.float64))
    torch.testing.assert_close(beta[1:].diff(), torch.full((999,), 0.0199 / 999, dtype=torch.float64))
    assert alpha_bar[1000] == pytest.approx(4.036e-5, rel=1e-3)


def test_few_linear_steps_leave_the_picture_and_shortened_ones_do_not():
    """100 unscaled betas sum to 1, so a share exp(-1) of the variance stays; ten times larger ones sum to 10."""
    assert schedules.linear(100)[-1] == pytest.approx(math.exp(-1.01), rel=0.02)
    assert schedules.shortened_linear(100)[-1] < 1e-4
    torch.testing.assert_close(schedules.shortened_linear(1000), schedules.linear(1000))


def test_the_cosine_schedule_is_the_formula_of_the_paper():
    """f(t)/f(0) with f = cos² wherever no beta is cut off, at T = 1000 everywhere but in the last step."""
    t = torch.arange(1001, dtype=torch.float64)
    f = ((t / 1000 + 0.008) / 1.008 * math.pi / 2).cos().square()
    alpha_bar = schedules.cosine(1000)
    torch.testing.assert_close(alpha_bar[:-1], (f / f[0])[:-1], rtol=1e-9, atol=0)
    assert schedules.betas(alpha_bar)[-1] == pytest.approx(0.999)


def test_the_cosine_schedule_keeps_the_picture_longer_than_the_linear_one():
    """In the middle about half of the variance is left, against 8 % for the linear schedule."""
    assert schedules.cosine(1000)[500] == pytest.approx(0.49, abs=0.01)
    assert schedules.linear(1000)[500] == pytest.approx(0.078, abs=0.001)


def test_the_sigmoid_schedule_is_symmetric_about_the_middle():
    """From -3 to 3 the logistic curve looks the same turned by half a turn: alpha_bar(u) + alpha_bar(1 - u) = 1."""
    alpha_bar = schedules.sigmoid(200)
    torch.testing.assert_close((alpha_bar + alpha_bar.flip(0))[1:-1], torch.ones(199, dtype=torch.float64))


@given(tau=st.floats(0.2, 3))
def test_a_higher_temperature_makes_the_sigmoid_straighter(tau):
    """Distance from the straight line falls as the temperature rises."""
    line = torch.linspace(1, 0, 51, dtype=torch.float64)
    bend = [(schedules.sigmoid(50, tau=value) - line).abs().max() for value in (tau, 1.5 * tau)]
    assert bend[1] < bend[0]


def test_a_drawn_schedule_passes_through_its_points():
    """Straight lines between them, (0, 1) understood."""
    alpha_bar = schedules.custom([(0.25, 0.9), (0.5, 0.2), (1, 0.1)], 8)
    expected = torch.tensor([1, 0.95, 0.9, 0.55, 0.2, 0.175, 0.15, 0.125, 0.1], dtype=torch.float64)
    torch.testing.assert_close(alpha_bar, expected)
    torch.testing.assert_close(schedules.custom([(0, 1), (1, 0.5)], 2), torch.tensor([1, 0.75, 0.5]).double())


@pytest.mark.parametrize("name", ALL)
def test_beta_tilde_is_below_beta_and_vanishes_at_the_first_step(name):
    """x_0 is known, so nothing is uncertain about the step from 1 to 0; elsewhere knowing x_0 only helps."""
    alpha_bar = ALL[name](100)
    beta, tilde = schedules.betas(alpha_bar), schedules.beta_tilde(alpha_bar)
    assert tilde.shape == beta.shape and tilde[0] == 0 and tilde[1] == 0
    assert (tilde[2:] < beta[2:]).all() and (tilde[2:] > 0).all()


def test_beta_tilde_of_the_second_linear_step_is_less_than_half_of_beta():
    """0.455, and at t = 1000 the two differ by a millionth: the choice matters in the last steps of sampling only."""
    alpha_bar = schedules.linear(1000)
    ratio = schedules.beta_tilde(alpha_bar)[1:] / schedules.betas(alpha_bar)[1:]
    assert ratio[1] == pytest.approx(0.455, abs=1e-3)
    assert 1 - ratio[-1] < 1e-5


def test_log_snr_is_the_logarithm_of_the_ratio_of_variances():
    """Infinite for a clean picture, 0 where signal and noise are equal, falling throughout."""
    alpha_bar = torch.tensor([1.0, 0.5, 0.2], dtype=torch.float64)
    torch.testing.assert_close(schedules.log_snr(alpha_bar)[1:], torch.tensor([0, math.log(0.25)]).double())
    assert schedules.log_snr(alpha_bar)[0] == math.inf


@given(factor=st.floats(0.05, 20))
def test_a_shifted_schedule_has_the_snr_of_a_smaller_picture(factor):
    """Signal over noise times factor² at every level, and shifting back undoes it."""
    alpha_bar = schedules.cosine(100)
    found = schedules.shifted(alpha_bar, factor)
    snr, expected = found[1:] / (1 - found[1:]), factor**2 * alpha_bar[1:] / (1 - alpha_bar[1:])
    torch.testing.assert_close(snr, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(schedules.shifted(found, 1 / factor), alpha_bar, rtol=1e-6, atol=0)


def test_a_mean_over_four_pixels_is_as_noisy_as_one_pixel_of_half_the_size():
    """Equal pixels in squares of 2 x 2: their mean under the schedule shifted by 1/2 has the noise of the small one."""
    alpha_bar = schedules.cosine(100)
    large = schedules.shifted(alpha_bar, 0.5)
    signal, noise = large[50].sqrt(), (1 - large[50]).sqrt()
    x_0, eps = torch.full((20_000, 4), 0.7), torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0))
    mean = (signal * x_0 + noise * eps).mean(1) / signal
    assert mean.var() == pytest.approx(((1 - alpha_bar[50]) / alpha_bar[50]).item(), rel=0.03)


def test_a_respaced_chain_keeps_the_levels_it_visits():
    """Only the levels matter: the betas of the shorter chain follow from their ratios."""
    alpha_bar = schedules.linear(1000)
    short = schedules.respaced(alpha_bar, range(100, 1001, 100))
    torch.testing.assert_close(short, alpha_bar[::100])
    assert schedules.betas(short)[1] == pytest.approx(1 - alpha_bar[100].item())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: schedules.linear(0), "num_steps must be at least 1, got 0"),
        (lambda: schedules.linear(10, 1e-4, 1.0), "every beta must lie in"),
        (lambda: schedules.linear(10, 0.0, 0.1), "beta_1 = 0"),
        (lambda: schedules.shortened_linear(20), "num_steps must be at least 21"),
        (lambda: schedules.cosine(10, s=-0.1), "s must not be negative"),
        (lambda: schedules.cosine(10, max_beta=1.0), "max_beta must lie"),
        (lambda: schedules.sigmoid(10, start=1.0, end=1.0), "start must be below end"),
        (lambda: schedules.sigmoid(10, tau=0.0), "tau must be positive"),
        (lambda: schedules.custom([(0.5, 0.5), (0.5, 0.4), (1, 0.1)], 10), "times of points must rise"),
        (lambda: schedules.custom([(0.5, 0.5)], 10), "up to exactly 1"),
        (lambda: schedules.custom([], 10), "times of points must rise"),
        (lambda: schedules.custom([(0.5, 0.5), (1, 0.6)], 10), "must fall at every step"),
        (lambda: schedules.custom([(0, 0.9), (1, 0.6)], 10), "must be 1, the clean picture"),
        (lambda: schedules.custom([(1, 0.0)], 10), "must stay above 0"),
        (lambda: schedules.from_betas([]), "at least one number"),
        (lambda: schedules.from_betas([0.1, 1.2]), "beta_2 = 1.2"),
        (lambda: schedules.betas(torch.tensor([1.0])), "T \\+ 1 >= 2 numbers"),
        (lambda: schedules.log_snr(torch.tensor([1.0, 0.5, 0.5])), "fall at every step.*t = 1.*t = 2"),
        (lambda: schedules.shifted(schedules.linear(10), 0.0), "factor must be positive, got 0"),
        (lambda: schedules.shifted(schedules.linear(10), 1e-200), "must fall at every step"),
        (lambda: schedules.respaced(schedules.linear(10), [0, 5]), "rise within 1..10"),
        (lambda: schedules.respaced(schedules.linear(10), [5, 5]), "rise within 1..10"),
        (lambda: schedules.respaced(schedules.linear(10), [11]), "rise within 1..10"),
    ],
)
def test_what_is_no_schedule_is_refused(make, words):
    """The message names the argument, the rule and the value."""
    with pytest.raises(ValueError, match=words):
        make()
