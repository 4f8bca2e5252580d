"""The toy on which the checks compute, and the formulas that they use by name.

One picture with one pixel and a code with one number: z ~ N(0, 1), x given z ~ N(WEIGHT z, NOISE). The evidence and
the true posterior are known here in closed form, so every claim about them can be checked.
"""

import numpy as np
import sympy as sp

from lib.derivation import Quantities, integrate, log_normal_density, normal_density

WEIGHT, NOISE = 1.3, 0.5
X = 0.9  # the picture in hand
Q_MEAN, Q_VARIANCE = 0.4, 0.35  # the encoder's guess; on purpose not the true posterior
EVIDENCE = log_normal_density(X, 0.0, WEIGHT**2 + NOISE)
POSTERIOR_VARIANCE = 1 / (1 + WEIGHT**2 / NOISE)
POSTERIOR_MEAN = POSTERIOR_VARIANCE * WEIGHT * X / NOISE

z, x, mu, mu_2, eps, logvar = sp.symbols("z x mu mu_2 epsilon logvar", real=True)
sigma, sigma_2, s, num_pixels, eigenvalue = sp.symbols("sigma sigma_2 s D lambda", positive=True)


def log_likelihood(code):
    """log p(x | z) of the picture in hand"""
    return log_normal_density(X, WEIGHT * code, NOISE)


def log_prior(code):
    """log p(z)"""
    return log_normal_density(code, 0.0, 1.0)


def log_joint(code):
    """log p(x, z) of the picture in hand"""
    return log_likelihood(code) + log_prior(code)


def log_posterior(code):
    """log p(z | x), exact"""
    return log_normal_density(code, POSTERIOR_MEAN, POSTERIOR_VARIANCE)


def mean_under(values, mean=Q_MEAN, variance=Q_VARIANCE):
    """E over z ~ N(mean, variance) of ``values(z)``, by quadrature."""
    return integrate(lambda code: normal_density(code, mean, variance) * values(code))


def kl_by_quadrature(density, log_density, log_other):
    """KL divergence of two densities given as functions."""
    return integrate(lambda code: density(code) * (log_density(code) - log_other(code)))


def _log_of_mean():
    return np.log(mean_under(lambda code: np.exp(log_joint(code) - log_normal_density(code, Q_MEAN, Q_VARIANCE))))


def _elbo(mean, variance):
    return mean_under(lambda code: log_joint(code) - log_normal_density(code, mean, variance), mean, variance)


def _gap(mean, variance):
    return mean_under(lambda code: log_normal_density(code, mean, variance) - log_posterior(code), mean, variance)


def _information(log_clouds, log_aggregate):
    each = [kl_by_quadrature(lambda c, log=log: np.exp(log(c)), log, log_aggregate) for log in log_clouds]
    return sum(each) / len(each)


Q = Quantities(
    log_of_mean=_log_of_mean,
    elbo=_elbo,
    gap=_gap,
    kl=lambda mean, variance: (mean**2 + variance - sp.log(variance) - 1) / 2,
    over_coordinates=sum,
    negative_log_likelihood=lambda error, variance, number: (
        error / (2 * variance) + number * sp.log(2 * sp.pi * variance) / 2
    ),
    kl_weight=lambda variance: 2 * variance,
    decoder_variance_of_a_mean=lambda number: number / 2,
    second_moment=lambda mean, variance: mean**2 + variance,
    sample=lambda mean, std, noise: mean + std * noise,
    score=lambda code, mean, variance: (code - mean) / variance,
    information=_information,
    best_weight_squared=lambda data_variance, decoder_variance: data_variance - decoder_variance,
)
"""Formulas that `ELBO.sabotage` can replace by wrong ones."""
