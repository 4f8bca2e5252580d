"""The checks of the derivation of DDPM notice wrong formulas, and its formulas are the library's."""

import numpy as np
import pytest
import sympy as sp
import torch

from lib.ddpm.derivation import DDPM
from lib.ddpm.derivation.quantities import CHAIN, Q, q_given_data, schedule, sqrt
from lib.ddpm.forward import posterior, predict_x_0, q_sample
from lib.ddpm.schedules import linear


def test_the_formulas_are_those_of_the_library():
    """What is derived here is what the chapter trains and samples with, at every level of the schedule."""
    alphas, bars = schedule()
    alpha_bar = linear(1000)
    np.testing.assert_allclose(bars, alpha_bar, rtol=1e-12)
    x_0, x_t, eps = torch.randn(3, 1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    t = torch.arange(1, 1001)
    levels = torch.from_numpy(alphas), torch.from_numpy(bars[:-1])
    with np.errstate(all="raise"):
        expected = {
            "jump": (Q.jump(x_0.numpy(), bars[1:], eps.numpy()), q_sample(x_0, t, eps, alpha_bar)),
            "mean": (
                Q.posterior_mean(x_t.numpy(), x_0.numpy(), alphas, bars[:-1]),
                posterior(x_0, x_t, t, alpha_bar).mean,
            ),
            "variance": (Q.beta_tilde(alphas, levels[1].numpy()), posterior(x_0, x_t, t, alpha_bar).variance),
            "x_0_hat": (Q.x_0_hat(x_t.numpy(), eps.numpy(), bars[1:]), predict_x_0(x_t, eps, t, alpha_bar)),
        }
    for name, (derived, built) in expected.items():
        np.testing.assert_allclose(built.numpy(), derived, rtol=1e-8, atol=1e-12, err_msg=name)


right = {name: getattr(Q, name) for name in Q._named}


def missing_bar(x_t, x_0, alpha, bar_prev):
    """Posterior mean with 1 - alpha_t where 1 - alpha_bar_{t-1} belongs."""
    return (sqrt(alpha) * (1 - alpha) * x_t + sqrt(bar_prev) * (1 - alpha) * x_0) / (1 - alpha * bar_prev)


def divergence_the_other_way_round(chain, t):
    """D(p || q) for the step from t."""
    posterior_of_q = chain.conditional(chain.q, (t - 1,), (t, 0))
    log_ratio = np.log(chain.reverse(t) / posterior_of_q)
    return float((chain.marginal(chain.q, 0, t) * chain.reverse(t) * log_ratio).sum())


ERRORS = {
    # the forward process
    "step without the shrink": (dict(step=lambda x, a, e: x + sqrt(1 - a) * e), "D007 D017 D020 D021"),
    "kernel without the shrink": (dict(kernel=lambda x, b: (x, b)), "D001 D005 D034 D042"),
    "standard deviation for the variance of a step": (
        dict(kernel=lambda x, b: (sqrt(1 - b) * x, sqrt(b))),
        "D001 D005 D036 D041",
    ),
    "variance for the standard deviation in a step": (
        dict(step=lambda x, a, e: sqrt(a) * x + (1 - a) * e),
        "D006 D013 D019 D020",
    ),
    "jump without the root of the noise": (dict(jump=lambda x, A, e: sqrt(A) * x + (1 - A) * e), "D014 D020 D023"),
    "jump without the root of the signal": (dict(jump=lambda x, A, e: A * x + sqrt(1 - A) * e), "D018 D020 D023"),
    "standard deviation for the variance of x_t": (
        dict(marginal=lambda x, A: (sqrt(A) * x, sqrt(1 - A))),
        "D021 D035 D040 D051",
    ),
    "alpha_bar late by one": (dict(alpha_bar=lambda alphas: [1, *right["alpha_bar"](alphas)[:-1]]), "D015 D020 D053"),
    "alpha_bar without its first entry": (
        dict(alpha_bar=lambda alphas: [*right["alpha_bar"](alphas)[1:], 0.5]),
        "D015 D020 D046",
    ),
    "noise added where it should be taken off": (
        dict(x_0_hat=lambda x, e, A: (x + sqrt(1 - A) * e) / sqrt(A)),
        "D023 D052 D060",
    ),
    # Bayes and the posterior
    "Bayes without its denominator": (
        dict(bayes=lambda chain, t: chain.forward(t) * q_given_data(chain, t - 1)),
        "D031 D074 D075",
    ),
    "variances added instead of precisions": (
        dict(precision=lambda a, A: 1 / ((1 - a) / a + 1 - A)),
        "D036 D040 D041 D043",
    ),
    "pull without roots": (dict(pull=lambda x, x_0, a, A: a / (1 - a) * x + A / (1 - A) * x_0), "D037 D040 D050"),
    "posterior variance upside down": (
        dict(beta_tilde=lambda a, A: (1 - a * A) / (1 - A) * (1 - a)),
        "D045 D048 D049 D051",
    ),
    "beta for beta_tilde": (dict(beta_tilde=lambda a, A: 1 - a + 0 * A), "D045 D046 D051 D100"),
    "posterior coefficients swapped": (
        dict(posterior_mean=lambda x_t, x_0, a, A: right["posterior_mean"](x_0, x_t, a, A)),
        "D048 D049 D050 D051 D060",
    ),
    "posterior mean with a missing bar": (dict(posterior_mean=missing_bar), "D048 D050 D051 D060"),
    "root of beta in the mean": (
        dict(mean_from_noise=lambda x, e, a, A: (x - sqrt(1 - a) / sqrt(1 - A) * e) / sqrt(a)),
        "D060 D061 D095",
    ),
    "mean from the noise with a missing bar": (
        dict(mean_from_noise=lambda x, e, a, A: (x - sqrt(1 - a) * e) / sqrt(a)),
        "D060 D093 D099",
    ),
    "total noise taken for the noise of the step": (dict(share_of_the_step=lambda a, A: a / a), "D061"),
    # the bound
    "q(x_1 | x_0) kept in line 8": (
        dict(telescoped=lambda chain: np.log(q_given_data(chain, chain.num_timesteps))),
        "D078 D079 D080",
    ),
    "L_T without the mean over the end": (dict(prior_term=lambda chain: -np.log(chain.prior).mean()), "D081 D083"),
    "divergence with its arguments exchanged": (dict(middle_term=divergence_the_other_way_round), "D082 D083"),
    "forward kernel where the posterior belongs": (
        dict(middle_term=lambda chain, t: chain.mean(np.log(chain.forward(t) / chain.reverse(t)))),
        "D082 D083",
    ),
    "L_0 taken for a divergence": (
        dict(data_term=lambda chain: chain.mean(np.log(chain.forward(1) / chain.reverse(1)))),
        "D083",
    ),
    # Gaussians, loss, sampler
    "variances exchanged in the KL": (dict(kl=lambda m, v, n, w: right["kl"](m, w, n, v)), "D088 D089 D090 D091"),
    "KL without its -1/2": (dict(kl=lambda *args: right["kl"](*args) + sp.Rational(1, 2)), "D084 D088 D091"),
    "C_t forgotten": (dict(constant=lambda b, tilde: 0), "D091"),
    "weight dropped": (dict(weight=lambda a, A, v: 1 + 0 * a * A * v), "D095 D096"),
    "weight not squared": (dict(weight=lambda a, A, v: (1 - a) / (2 * v * a * (1 - A))), "D095 D096"),
    "score with the wrong sign": (dict(score=lambda e, A: e / sqrt(1 - A)), "D097"),
    "variance for the standard deviation in the sampler": (
        dict(sample=lambda x, e, a, A, s, z: right["sample"](x, e, a, A, s**2, z)),
        "D098",
    ),
    "whole noise subtracted in one step": (dict(sample=lambda x, e, a, A, s, z: x - e + s * z), "D098"),
    "reverse variance of any data taken for beta": (dict(reverse_variance=lambda v, a: 1 - a + 0 * v), "D100"),
}


@pytest.mark.parametrize("error", ERRORS)
def test_a_planted_error_is_noticed_by_the_steps_that_rest_on_it(error):
    """A check that no wrong formula can fail confirms nothing."""
    wrong, witnesses = ERRORS[error]
    with np.errstate(all="ignore"):  # a wrong level can be 0 where one divides by it
        assert set(witnesses.split()) <= set(DDPM.sabotage(**wrong))


def test_every_quantity_is_put_to_the_test():
    """No named formula is taken on trust."""
    assert {name for wrong, _ in ERRORS.values() for name in wrong} == set(right)


def test_the_terms_of_the_bound_depend_on_the_model_where_they_should():
    """On the chain: L_T stays when the way back changes, every L_{t-1} and L_0 changes with its own step alone."""

    class Other(type(CHAIN)):
        """The same chain whose last step back, from x_1, is uniform."""

        def reverse(self, t):
            kernel = super().reverse(t)
            return np.full_like(kernel, 1 / self.num_states) if t == 1 else kernel

    other = Other()
    assert Q.prior_term(other) == Q.prior_term(CHAIN)
    assert [Q.middle_term(other, t) for t in (2, 3, 4)] == [Q.middle_term(CHAIN, t) for t in (2, 3, 4)]
    assert Q.data_term(other) == pytest.approx(np.log(3)) and Q.data_term(CHAIN) != pytest.approx(np.log(3))
