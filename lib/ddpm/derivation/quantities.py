"""Symbols, small examples, and the formulas that the checks use by name.

Three settings carry all hundred steps. *Symbols*: one pixel, any schedule; `alpha_bar` is written as
``alpha * alpha_bar_prev`` everywhere, which is the recursion of D015. *Numbers*: one instance of everything, for
quadrature, and the linear schedule of the paper. *A chain* over three states, on which every expectation is a finite
sum, for what holds of any random variables.
"""

import numpy as np
import sympy as sp

from lib.derivation import Chain, Gaussian, Quantities, normal_density, numeric, symbolic

alpha, alpha_prev, alpha_bar_prev = sp.symbols("alpha alpha_prev alpha_bar_prev", positive=True)
beta, alpha_bar = 1 - alpha, alpha * alpha_bar_prev
x_0, x_prev, x_t, x_pp = sp.symbols("x_0 x_prev x_t x_pp", real=True)  # x_pp is x_{t-2}
eps, eps_t, eps_prev, eps_hat, z = sp.symbols("epsilon epsilon_t epsilon_prev epsilon_hat z", real=True)
sigma = sp.Symbol("sigma", positive=True)  # of one reverse step

INSTANCE = {alpha: 0.9, alpha_bar_prev: 0.6, x_t: -0.2, x_0: 1.1, x_prev: 0.3, eps: 0.4, eps_hat: -0.7, sigma: 0.5}
ALPHA, BAR_PREV, X_T, X_0 = (INSTANCE[symbol] for symbol in (alpha, alpha_bar_prev, x_t, x_0))
BAR = ALPHA * BAR_PREV
BETAS = np.linspace(1e-4, 0.02, 1000)  # the linear schedule, T = 1000
CHAIN = Chain()


def sqrt(value):
    """The square root of a symbol or of numbers."""
    return sp.sqrt(value) if isinstance(value, sp.Basic) else np.sqrt(value)


def coefficients(expression, *variables):
    """The factors of some variables in an expression that is linear in them."""
    expanded = sp.expand(expression)
    return [expanded.coeff(variable) for variable in variables]


def after(expression, start, *noises):
    """Distribution of an expression that is linear in ``start``, which is known, and in standard normal noises."""
    factor, *scales = coefficients(expression, start, *noises)
    return Gaussian.of([0] * len(scales), sp.eye(len(scales))).image([scales], shift=[factor * start])


def exactly(left, right):
    """`symbolic`, after a look at the instance: a wrong formula shows there at once, and with numbers."""
    values = [sp.sympify(side).subs(INSTANCE) for side in (left, right)]
    if all(value.is_number for value in values):
        numeric(*(float(value) for value in values))
    return symbolic(left, right)


def schedule():
    """alpha and alpha_bar of the linear schedule as arrays; the second has T + 1 entries."""
    return 1 - BETAS, np.array(Q.alpha_bar(1 - BETAS), dtype=np.float64)


def posterior_on_a_grid(value):
    """q(x_{t-1} | x_t, x_0) of the instance by brute force, not normalised: likelihood times prior."""
    return normal_density(X_T, np.sqrt(ALPHA) * value, 1 - ALPHA) * normal_density(
        value, np.sqrt(BAR_PREV) * X_0, 1 - BAR_PREV
    )


def noised_points(value, bar, points=(-1.0, 1.0)):
    """Density of x_t when the data are these points, each as likely."""
    return sum(normal_density(value, np.sqrt(bar) * point, 1 - bar) for point in points) / len(points)


def q_given_data(chain, t):
    """q(x_t | x_0) on the chain"""
    return chain.conditional(chain.q, (t,), (0,))


def _products(alphas):
    products = [1]
    for factor in alphas:
        products.append(products[-1] * factor)
    return products


def _bayes(chain, t):
    return chain.forward(t) * q_given_data(chain, t - 1) / q_given_data(chain, t)


def _prior_term(chain):
    last = q_given_data(chain, chain.num_timesteps)
    return float((chain.data * last * np.log(last / chain.prior)).sum())


def _middle_term(chain, t):
    posterior = chain.conditional(chain.q, (t - 1,), (t, 0))
    return float((chain.marginal(chain.q, 0, t) * posterior * np.log(posterior / chain.reverse(t))).sum())


def _data_term(chain):
    return -chain.mean(np.log(chain.reverse(1)))


Q = Quantities(
    kernel=lambda x, beta: (sqrt(1 - beta) * x, beta),  # mean and variance
    step=lambda x, alpha, eps: sqrt(alpha) * x + sqrt(1 - alpha) * eps,
    alpha_bar=_products,
    jump=lambda x_0, alpha_bar, eps: sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * eps,
    marginal=lambda x_0, alpha_bar: (sqrt(alpha_bar) * x_0, 1 - alpha_bar),  # mean and variance
    x_0_hat=lambda x_t, eps, alpha_bar: (x_t - sqrt(1 - alpha_bar) * eps) / sqrt(alpha_bar),
    bayes=_bayes,
    precision=lambda alpha, alpha_bar_prev: alpha / (1 - alpha) + 1 / (1 - alpha_bar_prev),
    pull=lambda x_t, x_0, alpha, alpha_bar_prev: (
        sqrt(alpha) / (1 - alpha) * x_t + sqrt(alpha_bar_prev) / (1 - alpha_bar_prev) * x_0
    ),
    beta_tilde=lambda alpha, alpha_bar_prev: (1 - alpha_bar_prev) / (1 - alpha * alpha_bar_prev) * (1 - alpha),
    posterior_mean=lambda x_t, x_0, alpha, alpha_bar_prev: (
        sqrt(alpha) * (1 - alpha_bar_prev) / (1 - alpha * alpha_bar_prev) * x_t
        + sqrt(alpha_bar_prev) * (1 - alpha) / (1 - alpha * alpha_bar_prev) * x_0
    ),
    mean_from_noise=lambda x_t, eps, alpha, alpha_bar: (x_t - (1 - alpha) / sqrt(1 - alpha_bar) * eps) / sqrt(alpha),
    share_of_the_step=lambda alpha, alpha_bar: sqrt(1 - alpha) / sqrt(1 - alpha_bar),
    telescoped=lambda chain: np.log(q_given_data(chain, chain.num_timesteps) / q_given_data(chain, 1)),
    prior_term=_prior_term,
    middle_term=_middle_term,
    data_term=_data_term,
    kl=lambda mean, variance, other_mean, other_variance: (
        (sp.log(other_variance / variance) / 2 + (variance + (mean - other_mean) ** 2) / (2 * other_variance))
        - sp.Rational(1, 2)
    ),
    constant=lambda beta, beta_tilde: (sp.log(beta / beta_tilde) + beta_tilde / beta - 1) / 2,
    weight=lambda alpha, alpha_bar, variance: (1 - alpha) ** 2 / (2 * variance * alpha * (1 - alpha_bar)),
    score=lambda eps, alpha_bar: -eps / sqrt(1 - alpha_bar),
    sample=lambda x_t, eps, alpha, alpha_bar, std, z: (
        (x_t - (1 - alpha) / sqrt(1 - alpha_bar) * eps) / sqrt(alpha) + std * z
    ),
    reverse_variance=lambda variance, alpha: variance * (1 - alpha) / (alpha * variance + 1 - alpha),
)
"""Formulas that `DDPM.sabotage` can replace by wrong ones."""
