"""The mixture on which the checks compute, symbols, and the formulas that they use by name.

One pixel, two classes: 60 percent of the data are of class 0, N(-1, 0.3), 40 percent of class 1, N(1.5, 0.5). At any
noise level each class stays a Gaussian, so every density, verdict and slope is known exactly. We want class 1.
"""

import numpy as np
import sympy as sp

from lib.ddpm.derivation.quantities import sqrt
from lib.derivation import Quantities, normal_density

SHARES, MEANS, VARIANCES = (0.6, 0.4), (-1.0, 1.5), (0.3, 0.5)
WANTED = 1
BAR = 0.5  # alpha_bar of the level at which most checks look
SCALE = 3.0
GRID = np.linspace(-3, 3, 61)

g, s, w, mean, eps_uncond, eps_cond = sp.symbols("g s w mu epsilon_u epsilon_c", real=True)
variance = sp.Symbol("Sigma", positive=True)


def of_class(x, y, bar=BAR):
    """q(x_t | y)"""
    return normal_density(x, np.sqrt(bar) * MEANS[y], bar * VARIANCES[y] + 1 - bar)


def of_all(x, bar=BAR):
    """q(x_t)"""
    return sum(share * of_class(x, y, bar) for y, share in enumerate(SHARES))


def slope(log_density, x):
    """Derivative by x; a complex step gives it without rounding error."""
    tiny = 1e-20
    return log_density(x + 1j * tiny).imag / tiny


def best_noise(x, y=None, bar=BAR):
    """E[eps | x_t] or E[eps | x_t, y] by force: a mean over every noise, weighed by how likely it made this x_t.

    The answer of a perfect network, found without any score.
    """
    noise = np.linspace(-9, 9, 1801)
    made_from = (np.asarray(x)[..., None] - np.sqrt(1 - bar) * noise) / np.sqrt(bar)
    classes = range(len(SHARES)) if y is None else (y,)
    prior = sum((SHARES[k] if y is None else 1) * of_class(made_from, k, 1.0) for k in classes)
    weights = prior * normal_density(noise, 0.0, 1.0)
    return (weights * noise).sum(-1) / weights.sum(-1)


def _tilted_then_noised(scale, bar):
    """Variance at level bar of data from N(0, 1) times N(y; x_0, 1)^scale."""
    return bar / (1 + scale) + 1 - bar


def _noised_then_tilted(scale, bar):
    """Variance of q(x_t) q(y | x_t)^scale for the same data and the same y."""
    return 1 / (1 + scale * bar / (2 - bar))


Q = Quantities(
    score=lambda eps, bar: -eps / sqrt(1 - bar),
    verdict=lambda x, bar: SHARES[WANTED] * of_class(x, WANTED, bar) / of_all(x, bar),  # q(y | x_t)
    guided_score=lambda score, gradient, scale: score + scale * gradient,
    guided_eps=lambda eps, gradient, bar, scale: eps - scale * sqrt(1 - bar) * gradient,
    guided_mean=lambda mean, variance, gradient, scale: mean + scale * variance * gradient,
    mean_from_noise=lambda x_t, eps, alpha, bar: (x_t - (1 - alpha) / sqrt(1 - bar) * eps) / sqrt(alpha),
    implicit_gradient=lambda eps_cond, eps_uncond, bar: -(eps_cond - eps_uncond) / sqrt(1 - bar),
    guide=lambda eps_uncond, eps_cond, scale: eps_uncond + scale * (eps_cond - eps_uncond),
    from_w=lambda w: 1 + w,
    guide_by_w=lambda eps_uncond, eps_cond, w: (1 + w) * eps_cond - w * eps_uncond,
    tilted_then_noised=_tilted_then_noised,
    noised_then_tilted=_noised_then_tilted,
    drop=lambda share, y: (share, 1 - share),  # chance of the null label and of the label of class y
)
"""Formulas that `GUIDANCE.sabotage` can replace by wrong ones."""
