"""Steps V23 to V28: two ways to differentiate a mean over random codes, and what each costs."""

import numpy as np
import sympy as sp

from lib.derivation import (
    Steps,
    integrate,
    monte_carlo,
    normal_density,
    normal_expectation,
    numeric,
    quadrature,
    symbolic,
    together,
)
from lib.vae.derivation.quantities import Q_MEAN, Q_VARIANCE, Q, eps, log_likelihood, mean_under, mu, sigma, z

steps = Steps()


def expected(function):
    """E over z ~ N(mu, sigma^2), exact for polynomials."""
    return normal_expectation(function, z, mu, sigma**2)


def expected_over_noise(function):
    """E over eps ~ N(0, 1), exact for polynomials."""
    return normal_expectation(function, eps, 0, 1)


@steps.add(
    "V23",
    r"\nabla_\phi\,\mathbb E_{q_\phi(z\mid x)}[f(z)]",
    r"\int f(z)\,\nabla_\phi\,q_\phi(z\mid x)\,dz",
    kind="quadrature",
    title="the gradient meets the density",
)
def _():
    r"""The reconstruction term is a mean over codes, and where the codes fall depends on $\phi$. The gradient may
    go under the integral; but $\nabla q$ is no density, it is negative in places, so there is nothing to draw
    from."""
    slope = sp.lambdify(z, sp.diff(normal_density(z, mu, sigma**2), mu).subs({mu: 0.4, sigma: 0.6}))
    exact = sp.diff(expected(z**4), mu).subs({mu: 0.4, sigma: 0.6})
    return quadrature(integrate(lambda code: code**4 * slope(code)), exact)


@steps.add(
    "V24",
    r"\mathbb E_{q}\big[f(z)\,\nabla_\phi\log q_\phi(z\mid x)\big]",
    kind="symbolic",
    title="first way: the score function",
)
def _():
    r"""Since $\nabla q=q\,\nabla\log q$, it is a mean again; for our Gaussian $\partial_\mu\log
    q=(z-\mu)/\sigma^2$. It needs values of $f$ only, no slope, and so works for discrete codes too. Its price comes
    in V28."""
    return symbolic(sp.diff(expected(z**4), mu), expected(z**4 * Q.score(z, mu, sigma**2)))


@steps.add(
    "V25",
    r"z\sim\mathcal N(\mu,\sigma^2)",
    r"z=\mu+\sigma\,\epsilon,\quad\epsilon\sim\mathcal N(0,1)",
    kind="symbolic",
    title="second way: move the noise outside",
)
def _():
    r"""The same distribution, made in another order: draw a noise that depends on nothing, then stretch and shift
    it. Now $\mu$ and $\sigma$ stand where backpropagation can reach them. It is the standard deviation that
    multiplies: $e^{\ell/2}$, not $e^\ell$."""
    made = Q.sample(mu, sigma, eps)
    density = normal_density(made, mu, sigma**2) * sp.diff(made, eps)
    return symbolic(density / normal_density(eps, sp.Integer(0), sp.Integer(1)), 1)


@steps.add(
    "V26",
    r"\nabla_\phi\,\mathbb E_{q_\phi(z\mid x)}[f(z)]",
    r"\mathbb E_{\epsilon}\big[f'(\mu+\sigma\epsilon)\;\nabla_\phi(\mu+\sigma\epsilon)\big]",
    kind="symbolic",
    title="the pathwise gradient",
)
def _():
    r"""The distribution of $\epsilon$ is fixed, so gradient and mean may change places, and the chain rule does the
    rest: the last factor is 1 for $\mu$ and $\epsilon$ for $\sigma$. Backpropagation computes exactly this."""
    made = Q.sample(mu, sigma, eps)
    evidence = []
    for parameter in (mu, sigma):
        pathwise = expected_over_noise((4 * z**3).subs(z, made) * sp.diff(made, parameter))
        evidence.append(symbolic(sp.diff(expected(z**4), parameter), pathwise))
    return together(*evidence)


@steps.add(
    "V27",
    r"\mathbb E_{\epsilon}\big[f(\mu+\sigma\epsilon)\big]",
    r"\approx f\big(\mu+\sigma\,\epsilon^{(1)}\big)",
    kind="monte carlo",
    title="one draw per picture",
)
def _():
    r"""A single draw is right on average, and so is its gradient. The mini-batch does the averaging, and the next
    step of training draws anew."""
    noise = np.random.default_rng(5).standard_normal(20_000)
    draws = log_likelihood(Q.sample(Q_MEAN, np.sqrt(Q_VARIANCE), noise))
    return monte_carlo(draws.mean(), mean_under(log_likelihood), draws.std() / np.sqrt(len(draws)))


@steps.add(
    "V28",
    r"\operatorname{Var}\big[f'(z)\big]=4\sigma^2\quad\text{for}\ f(z)=z^2",
    r"\operatorname{Var}\Big[f(z)\,\frac{z-\mu}{\sigma^2}\Big]=\frac{\mu^4}{\sigma^2}+14\mu^2+15\sigma^2",
    kind="symbolic",
    title="what each way costs",
)
def _():
    r"""Both are unbiased, so compare their spread from draw to draw. The score-function gradient has the whole size
    of $f$ in it and explodes for a precise code; the pathwise gradient knows the slope. At $\mu=1$, $\sigma=0.1$
    the variances are 114 and 0.04."""
    score, path = z**2 * Q.score(z, mu, sigma**2), 2 * z
    variances = [expected(gradient**2) - expected(gradient) ** 2 for gradient in (score, path)]
    numbers = [float(variance.subs({mu: 1, sigma: sp.Rational(1, 10)})) for variance in variances]
    return together(
        symbolic(sp.Matrix(variances), sp.Matrix([mu**4 / sigma**2 + 14 * mu**2 + 15 * sigma**2, 4 * sigma**2])),
        numeric(np.round(numbers, 2), [114.15, 0.04]),
    )
