"""Steps D085 to D090: the KL divergence between two Gaussians."""

import sympy as sp

from lib.ddpm.derivation.quantities import Q
from lib.derivation import (
    Gaussian,
    Steps,
    integrate,
    log_normal_density,
    normal_density,
    normal_expectation,
    quadrature,
    symbolic,
    together,
)

steps = Steps()
x, mu_1, mu_2 = sp.symbols("x mu_1 mu_2", real=True)
sigma_1, sigma_2 = sp.symbols("sigma_1 sigma_2", positive=True)
LOG_RATIO = sp.log(sigma_2 / sigma_1) - (x - mu_1) ** 2 / (2 * sigma_1**2) + (x - mu_2) ** 2 / (2 * sigma_2**2)


def under_first(expression):
    """E over x ~ N(mu_1, sigma_1^2), exact for polynomials"""
    return normal_expectation(expression, x, mu_1, sigma_1**2)


@steps.add(
    "D085",
    r"\log\frac{\mathcal N(x;\mu_1,\sigma_1^2)}{\mathcal N(x;\mu_2,\sigma_2^2)}",
    r"\log\frac{\sigma_2}{\sigma_1}-\frac{(x-\mu_1)^2}{2\sigma_1^2}+\frac{(x-\mu_2)^2}{2\sigma_2^2}",
    kind="symbolic",
    title="subtract two log densities",
)
def _():
    r"""All middle terms of the bound compare two Gaussians, so let us settle that once, in general. The $2\pi$
    stands in both and cancels."""
    return symbolic(log_normal_density(x, mu_1, sigma_1**2) - log_normal_density(x, mu_2, sigma_2**2), LOG_RATIO)


@steps.add("D086", r"\mathbb E_1\big[(x-\mu_1)^2\big]", r"\sigma_1^2", kind="symbolic", title="around its own mean")
def _():
    r"""We average under the *first* Gaussian. Around its own mean that is its variance, by definition."""
    return symbolic(under_first((x - mu_1) ** 2), sigma_1**2)


@steps.add(
    "D087",
    r"\mathbb E_1\big[(x-\mu_2)^2\big]",
    r"\sigma_1^2+(\mu_1-\mu_2)^2",
    kind="symbolic",
    title="around the other's mean",
)
def _():
    r"""Write $x-\mu_2$ as $(x-\mu_1)+(\mu_1-\mu_2)$ and square. The mixed term is 0 on average, so seen from a
    wrong place the spread grows by the distance squared."""
    return symbolic(under_first((x - mu_2) ** 2), sigma_1**2 + (mu_1 - mu_2) ** 2)


@steps.add(
    "D088",
    r"\mathbb E_1\Big[\log\frac{\mathcal N(x;\mu_1,\sigma_1^2)}{\mathcal N(x;\mu_2,\sigma_2^2)}\Big]",
    r"\log\frac{\sigma_2}{\sigma_1}+\frac{\sigma_1^2+(\mu_1-\mu_2)^2}{2\sigma_2^2}-\frac12",
    kind="symbolic",
    title="the divergence in closed form",
)
def _():
    r"""Insert the two means; the $\tfrac12$ is the first Gaussian measured with its own ruler. With $\mu_2=0$ and
    $\sigma_2=1$ it is the KL term of the VAE."""

    def integrand(value):
        logs = [log_normal_density(value, *place) for place in ((0.3, 0.5), (-0.4, 1.2))]
        return normal_density(value, 0.3, 0.5) * (logs[0] - logs[1])

    return together(
        symbolic(under_first(LOG_RATIO), Q.kl(mu_1, sigma_1**2, mu_2, sigma_2**2)),
        quadrature(integrate(integrand), float(Q.kl(0.3, 0.5, -0.4, 1.2))),
    )


@steps.add(
    "D089",
    r"D_{\mathrm{KL}}\big(\mathcal N(\mu_1,\sigma_1^2I)\,\Vert\,\mathcal N(\mu_2,\sigma_2^2I)\big)",
    r"d\log\frac{\sigma_2}{\sigma_1}+\frac{d\sigma_1^2+\lVert\mu_1-\mu_2\rVert^2}{2\sigma_2^2}-\frac d2",
    kind="gaussian",
    title="back to all pixels",
)
def _():
    r"""Pixels are independent, so their divergences add, and the squares gather in a norm. Only here does the
    number of pixels $d$ come in."""
    ours, theirs = sp.symbols("m1:4", real=True), sp.symbols("n1:4", real=True)
    whole = Gaussian.of(ours, sigma_1**2 * sp.eye(3)).kl(Gaussian.of(theirs, sigma_2**2 * sp.eye(3)))
    return symbolic(whole, sum(Q.kl(m, sigma_1**2, n, sigma_2**2) for m, n in zip(ours, theirs, strict=True)))


@steps.add(
    "D090",
    r"\frac{\lVert\mu_1-\mu_2\rVert^2}{2\sigma_2^2}+\text{const}",
    kind="symbolic",
    title="only the means can still be learned",
)
def _():
    r"""Fix both variances beforehand, as DDPM does. Then all that training can change is the distance of the two
    means, and the divergence has become a squared error."""
    rest = Q.kl(mu_1, sigma_1**2, mu_2, sigma_2**2) - (mu_1 - mu_2) ** 2 / (2 * sigma_2**2)
    return symbolic(sp.Matrix([sp.diff(rest, mu_1), sp.diff(rest, mu_2)]), sp.zeros(2, 1))
