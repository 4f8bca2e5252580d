"""Symbols, small examples, and the formulas that the checks use by name.

The symbols, the instance and the chain are those of the derivation of DDPM: `alpha_bar` is written as
``alpha * alpha_bar_prev``, and one pixel stands for all of them. Where two levels need not be neighbours, they are
`bar_s` and `bar_t`, with s the cleaner one.
"""

import numpy as np
import sympy as sp

from lib.ddpm.derivation.quantities import CHAIN, INSTANCE, X_0, schedule, sqrt
from lib.derivation import Quantities, numeric, symbolic

bar_s, bar_t = sp.symbols("bar_s bar_t", positive=True)
guess = sp.Symbol("f", real=True)  # of the picture
LEVELS = {bar_s: 0.6, bar_t: 0.54, guess: -0.3}
DATA_VARIANCE = 0.25  # of one-dimensional Gaussian data, for which everything is known
SHARES = (0.0, 0.3, 0.9)  # of the largest variance that a step may have


def exactly(left, right, *, of_squares=False):
    """`symbolic`, after a look at the instance, where a wrong formula shows at once.

    ``of_squares`` compares the signs on the instance and the squares for all values: a root of a square that SymPy
    cannot know to be positive.
    """
    left, right = sp.sympify(left), sp.sympify(right)
    values = [side.subs(INSTANCE | LEVELS) for side in (left, right)]
    if all(value.is_number for value in values):
        numeric(*(complex(value).real for value in values))
        numeric(*(complex(value).imag for value in values))
    power = 2 if of_squares else 1
    return symbolic(sp.together(left**power), sp.together(right**power))


def best_noise(x_t, bar, variance=DATA_VARIANCE):
    """E[eps | x_t] when the data are N(0, variance): what a perfect network answers"""
    return sqrt(1 - bar) * x_t / (bar * variance + 1 - bar)


def continuous_bar(t):
    """alpha_bar at a time between 0 and 1 for a noise rate that grows in a straight line, beta(t) = 0.1 + 19.9 t"""
    return np.exp(-(0.1 * t + 9.95 * t**2))


def _top_down(chain):
    joint = chain.conditional(chain.q, (chain.num_timesteps,), (0,))
    for t in range(chain.num_timesteps, 1, -1):
        joint = joint * chain.conditional(chain.q, (t - 1,), (t, 0))
    return joint


def _mean(x_0, x_t, bar_s, bar_t, variance):
    return sqrt(bar_s) * x_0 + sqrt(1 - bar_s - variance) * (x_t - sqrt(bar_t) * x_0) / sqrt(1 - bar_t)


def _forward_kernel(bar_s, bar_t, variance):
    of_x_s = sqrt(1 - bar_s - variance) * sqrt(1 - bar_t) / (1 - bar_s)
    return of_x_s, sqrt(bar_t) - of_x_s * sqrt(bar_s), variance * (1 - bar_t) / (1 - bar_s)


def _step(x_t, eps, bar_s, bar_t, std, z):
    x_0_hat = (x_t - sqrt(1 - bar_t) * eps) / sqrt(bar_t)
    return sqrt(bar_s) * x_0_hat + sqrt(1 - bar_s - std**2) * eps + std * z


Q = Quantities(
    noise_in=lambda x_t, x_0, bar: (x_t - sqrt(bar) * x_0) / sqrt(1 - bar),
    top_down=_top_down,
    pushed=lambda x_0, bar_t, a, b, variance: ((a + b * sqrt(bar_t)) * x_0, b**2 * (1 - bar_t) + variance),
    weight_of_x_t=lambda bar_s, bar_t, variance: sqrt(1 - bar_s - variance) / sqrt(1 - bar_t),
    weight_of_x_0=lambda bar_s, bar_t, variance: (
        sqrt(bar_s) - sqrt(1 - bar_s - variance) / sqrt(1 - bar_t) * sqrt(bar_t)
    ),
    largest_variance=lambda bar_s: 1 - bar_s,
    mean=_mean,
    forward_kernel=_forward_kernel,  # factor of x_s, factor of x_0, variance
    beta_tilde=lambda bar_s, bar_t: (1 - bar_s) / (1 - bar_t) * (1 - bar_t / bar_s),
    loss_weight=lambda bar_s, bar_t, variance: (
        (sqrt(bar_s) - sqrt(1 - bar_s - variance) / sqrt(1 - bar_t) * sqrt(bar_t)) ** 2
        * (1 - bar_t)
        / (2 * variance * bar_t)
    ),
    x_0_hat=lambda x_t, eps, bar: (x_t - sqrt(1 - bar) * eps) / sqrt(bar),
    step=_step,
    collected=lambda bar_s, bar_t: (  # factors of x_t and of the noise
        sqrt(bar_s) / sqrt(bar_t),
        sqrt(1 - bar_s) - sqrt(bar_s) * sqrt(1 - bar_t) / sqrt(bar_t),
    ),
    eta_std=lambda bar_s, bar_t, eta: eta * sqrt((1 - bar_s) / (1 - bar_t) * (1 - bar_t / bar_s)),
    sigma_hat=lambda bar_s, bar_t: sqrt(1 - bar_t / bar_s),
    level=lambda bars, tau, i: bars[tau[i]],
    sigma_bar=lambda bar: sqrt(1 - bar) / sqrt(bar),
    euler=lambda x_bar, eps, sigma_bar_s, sigma_bar_t: x_bar + (sigma_bar_s - sigma_bar_t) * eps,
    velocity=lambda x_t, eps, beta, bar: -beta * x_t / 2 + beta * eps / (2 * sqrt(1 - bar)),
    flow=lambda x_t, bar_s, bar_t, variance: (
        x_t * sqrt(bar_s * variance + 1 - bar_s) / sqrt(bar_t * variance + 1 - bar_t)
    ),
)
"""Formulas that `DDIM.sabotage` can replace by wrong ones."""

__all__ = [
    "CHAIN",
    "DATA_VARIANCE",
    "LEVELS",
    "SHARES",
    "X_0",
    "Q",
    "bar_s",
    "bar_t",
    "best_noise",
    "continuous_bar",
    "exactly",
    "guess",
    "schedule",
    "sqrt",
]
