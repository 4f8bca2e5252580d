"""Exercises about the way back: the posterior and its variance."""

import torch
from torch import Tensor

from lib.ddpm import schedules
from lib.ddpm.exercises.cases import POSTERIOR, double, random_alpha_bar
from lib.ddpm.forward import posterior
from lib.exercises import Exercise, Misconception


def posterior_mean(x_0: Tensor, x_t: Tensor, t: int, alpha_bar: Tensor) -> Tensor:
    """Mean of q(x_{t-1} | x_t, x_0)."""
    return posterior(x_0, x_t, t, alpha_bar).mean


def _pairs(generator: torch.Generator) -> list[tuple]:
    return [
        (double(generator, num, 2), double(generator, num, 2), t, random_alpha_bar(generator, 5))
        for num, t in ((1, 2), (2, 3), (3, 4))  # at t = 1 pulls over precision, B / A, would be infinity over infinity
    ]


def _mean(combine):
    """A misconception: ``combine(x_0, x_t, now, before, alpha, beta)`` with alpha-bar at t and t - 1."""

    def function(x_0: Tensor, x_t: Tensor, t: int, alpha_bar: Tensor) -> Tensor:
        now, before = alpha_bar[t], alpha_bar[t - 1]
        return combine(x_0, x_t, now, before, now / before, 1 - now / before)

    return function


def _missing_bar(x_0: Tensor, x_t: Tensor, t: int, alpha_bar: Tensor) -> Tensor:
    now, before = alpha_bar[t], alpha_bar[t - 1]
    alpha = now / before
    alpha_before = alpha_bar[t - 1] / alpha_bar[t - 2] if t > 1 else alpha_bar[0]
    return (before.sqrt() * (1 - alpha) * x_0 + alpha.sqrt() * (1 - alpha_before) * x_t) / (1 - now)


POSTERIOR_MEAN = Exercise(
    name="ddpm.posterior_mean",
    prompt="The mean of q(x_{t-1} | x_t, x_0), for an integer t from 2 to T.",
    reference=posterior_mean,
    cases=_pairs,
    misconceptions=(
        Misconception(
            "exchanged the two coefficients",
            _mean(
                lambda x_0, x_t, now, before, a, b: (
                    (a.sqrt() * (1 - before) * x_0 + before.sqrt() * b * x_t) / (1 - now)
                )
            ),
            "At t = 1 the step must end at x_0, so x_0 has the coefficient that is 1 there: the one with beta_t.",
            POSTERIOR,
        ),
        Misconception(
            "forgot a bar",
            _missing_bar,
            "Before x_t stands 1 - alpha-bar_{t-1}, all the noise up to level t - 1, not the noise of one step.",
            POSTERIOR,
        ),
        Misconception(
            "took alpha-bar_t for alpha-bar_{t-1}",
            _mean(lambda x_0, x_t, now, before, a, b: (now.sqrt() * b * x_0 + a.sqrt() * (1 - now) * x_t) / (1 - now)),
            "The numerators belong to the level below, t - 1; only the denominator belongs to t.",
            POSTERIOR,
        ),
        Misconception(
            "forgot the square roots",
            _mean(lambda x_0, x_t, now, before, a, b: (before * b * x_0 + a * (1 - before) * x_t) / (1 - now)),
            "Pictures are multiplied by roots of alpha; the betas and the 1 - alpha-bar are variances and have none.",
            POSTERIOR,
        ),
        Misconception(
            "took alpha-bar_t for alpha_t before x_t",
            _mean(
                lambda x_0, x_t, now, before, a, b: (
                    (before.sqrt() * b * x_0 + now.sqrt() * (1 - before) * x_t) / (1 - now)
                )
            ),
            "x_t is one step away from x_{t-1}, so its factor has the alpha of that one step.",
            POSTERIOR,
        ),
        Misconception(
            "forgot the denominator",
            _mean(lambda x_0, x_t, now, before, a, b: before.sqrt() * b * x_0 + a.sqrt() * (1 - before) * x_t),
            "Two measurements are averaged, weighted by their precisions. Weights are divided by their sum; here that "
            "leaves 1 - alpha-bar_t below.",
            POSTERIOR,
        ),
        Misconception(
            "gave the pulls only",
            _mean(lambda x_0, x_t, now, before, a, b: a.sqrt() / b * x_t + before.sqrt() / (1 - before) * x_0),
            "That is B, what multiplies the unknown. The mean is B over A, the pulls over the total precision.",
            POSTERIOR,
        ),
        Misconception(
            "forgot x_t",
            _mean(lambda x_0, x_t, now, before, a, b: before.sqrt() * x_0),
            "That is the mean of x_{t-1} when only x_0 is known. x_t is known too, and tells which noise was drawn.",
            POSTERIOR,
        ),
    ),
    hints=(
        "Two Gaussians know something about x_{t-1}: one comes up from x_0, one comes down from x_t. Which is which?",
        "Both coefficients have the denominator 1 - alpha-bar_t. At t = 1 that of x_0 must be 1, that of x_t 0.",
        "With beta = 1 - alpha_bar[t] / alpha_bar[t-1] the numerator of x_0 is alpha_bar[t-1].sqrt() * beta. That of "
        "x_t has the root of one step's alpha, and all the noise there was before.",
    ),
    explains="At t = 1 it returns x_0; far up, where alpha-bar is almost 0, it mostly keeps x_t.",
)


def beta_tilde(t: int, alpha_bar: Tensor) -> Tensor:
    """Variance of q(x_{t-1} | x_t, x_0)."""
    return schedules.beta_tilde(alpha_bar)[t]


def _variance(combine):
    """A misconception: ``combine(now, before, beta)``."""

    def function(t: int, alpha_bar: Tensor) -> Tensor:
        now, before = alpha_bar[t], alpha_bar[t - 1]
        return combine(now, before, 1 - now / before)

    return function


BETA_TILDE = Exercise(
    name="ddpm.beta_tilde",
    prompt="The variance of q(x_{t-1} | x_t, x_0), for an integer t from 1 to T.",
    reference=beta_tilde,
    cases=lambda generator: [(t, random_alpha_bar(generator, 5)) for t in (1, 2, 5)],
    misconceptions=(
        Misconception(
            "gave beta",
            _variance(lambda now, before, beta: beta),
            "beta_t is the variance of the step up. Knowing x_0 as well makes the step back more certain than that.",
            POSTERIOR,
        ),
        Misconception(
            "gave the standard deviation",
            _variance(lambda now, before, beta: ((1 - before) / (1 - now) * beta).sqrt()),
            "A variance was asked for; its root multiplies the noise in the sampler.",
            POSTERIOR,
        ),
        Misconception(
            "turned the ratio round",
            _variance(lambda now, before, beta: (1 - now) / (1 - before) * beta),
            "The ratio must be below 1: knowing more cannot make the step less certain. At t = 1 yours is infinite.",
            POSTERIOR,
        ),
        Misconception(
            "gave beta over alpha",
            _variance(lambda now, before, beta: before / now * beta),
            "beta_t / alpha_t is the variance of what x_t alone says. What x_0 says is missing: its precision "
            "1 / (1 - alpha-bar_{t-1}) has to be added.",
            POSTERIOR,
        ),
        Misconception(
            "forgot beta",
            _variance(lambda now, before, beta: (1 - before) / (1 - now)),
            "That is the share by which beta shrinks; beta itself is missing.",
            POSTERIOR,
        ),
        Misconception(
            "gave the variance of x_{t-1} without x_t",
            _variance(lambda now, before, beta: 1 - before),
            "That is q(x_{t-1} | x_0), where x_t is not known.",
            POSTERIOR,
        ),
    ),
    hints=(
        "Precisions add up: 1/variance is the sum of what x_0 says and what x_t says about x_{t-1}.",
        "What x_0 says has the variance 1 - alpha-bar_{t-1}, what x_t says beta_t / alpha_t. Add their precisions.",
        "It is beta times the noise before the step over the noise after it. beta: 1 - alpha_bar[t] / alpha_bar[t-1].",
    ),
    explains="At t = 1 it is 0: if x_0 is known, nothing about x_0 is uncertain.",
)
