"""The checks of the derivation of the VAE objective notice wrong formulas."""

import numpy as np
import pytest
import sympy as sp

from lib.derivation import normal_density
from lib.vae.derivation import ELBO
from lib.vae.derivation.quantities import EVIDENCE, POSTERIOR_MEAN, POSTERIOR_VARIANCE, WEIGHT, Q, X, log_joint


def second_order(mean, variance):
    """The KL term with its arguments exchanged."""
    return ((1 + mean**2) / variance + sp.log(variance) - 1) / 2


def kl_of_exchanged_arguments(mean, variance):
    """D(posterior || q) instead of D(q || posterior)."""
    grid = np.linspace(-12, 12, 4001)
    posterior = normal_density(grid, POSTERIOR_MEAN, POSTERIOR_VARIANCE)
    log_q = -((grid - mean) ** 2) / (2 * variance) - np.log(2 * np.pi * variance) / 2
    log_p = np.log(posterior + 1e-300)
    return float(np.trapezoid(posterior * (log_p - log_q), grid))


right = {name: getattr(Q, name) for name in Q._named}
ERRORS = {
    "forgot the half": (dict(kl=lambda m, v: 2 * right["kl"](m, v)), {"V11", "V19", "V20", "V21", "V29"}),
    "plus log variance": (dict(kl=lambda m, v: (m**2 + v + sp.log(v) - 1) / 2), {"V11", "V19", "V21", "V35"}),
    "standard deviation for variance": (dict(kl=lambda m, v: right["kl"](m, sp.sqrt(v))), {"V11", "V19", "V20"}),
    "forgot the -1": (dict(kl=lambda m, v: right["kl"](m, v) + sp.Rational(1, 2)), {"V11", "V19", "V21"}),
    "KL with its arguments exchanged": (dict(kl=second_order), {"V11", "V19", "V22"}),
    "mean over coordinates for their sum": (dict(over_coordinates=lambda parts: sum(parts) / len(parts)), {"V15"}),
    "Jensen turned round": (
        dict(log_of_mean=lambda: right["elbo"](0.4, 0.35), elbo=lambda m, v: right["log_of_mean"]()),
        {"V02", "V04", "V06", "V08"},
    ),
    "KL added to the bound": (
        dict(elbo=lambda m, v: right["elbo"](m, v) + 2 * float(right["kl"](m, v))),
        {"V06", "V08", "V10", "V11"},
    ),
    "gap to the prior instead of the posterior": (dict(gap=lambda m, v: float(right["kl"](m, v))), {"V06", "V08"}),
    "gap with its arguments exchanged": (dict(gap=kl_of_exchanged_arguments), {"V06", "V08"}),
    "squared error without its half": (
        dict(negative_log_likelihood=lambda e, v, n: e / v + n * sp.log(2 * sp.pi * v) / 2),
        {"V12", "V13"},
    ),
    "KL weight without its two": (dict(kl_weight=lambda v: v), {"V13"}),
    "a mean over pixels taken for unit variance": (dict(decoder_variance_of_a_mean=lambda n: n), {"V14"}),
    "second moment without the mean": (dict(second_moment=lambda m, v: v), {"V18", "V19"}),
    "variance for standard deviation in the sample": (
        dict(sample=lambda m, std, noise: m + std**2 * noise),
        {"V25", "V26", "V27"},
    ),
    "sample shifted after scaling the mean": (dict(sample=lambda m, std, noise: std * (m + noise)), {"V25", "V26"}),
    "score divided by the standard deviation": (
        dict(score=lambda z, m, v: (z - m) / sp.sqrt(v)),
        {"V24", "V28"},
    ),
    "score with the wrong sign": (dict(score=lambda z, m, v: (m - z) / v), {"V24"}),
    "information without the logarithm of the mixture": (
        dict(information=lambda clouds, aggregate: 0.0),
        {"V30"},
    ),
    "threshold of collapse forgotten": (dict(best_weight_squared=lambda lam, v: lam), {"V34", "V35"}),
}


@pytest.mark.parametrize("error", ERRORS)
def test_a_planted_error_is_noticed_by_the_steps_that_rest_on_it(error):
    """A check that no wrong formula can fail confirms nothing."""
    wrong, witnesses = ERRORS[error]
    assert witnesses <= set(ELBO.sabotage(**wrong))


def test_every_quantity_is_put_to_the_test():
    """No formula of the toy is taken on trust."""
    assert {name for wrong, _ in ERRORS.values() for name in wrong} == set(right)


def test_the_toy_has_the_evidence_and_the_posterior_that_it_claims():
    """Bayes' rule at any code: joint = posterior times evidence; the posterior mean solves the normal equation."""
    for code in (-1.0, 0.0, 2.0):
        log_posterior = np.log(normal_density(code, POSTERIOR_MEAN, POSTERIOR_VARIANCE))
        assert log_joint(code) == pytest.approx(log_posterior + EVIDENCE, abs=1e-12)
    assert POSTERIOR_MEAN == pytest.approx(WEIGHT * X / (WEIGHT**2 + 0.5))
