"""Steps V15 to V22: the KL divergence to the prior in closed form, and how it pulls."""

import sympy as sp

from lib.derivation import (
    Gaussian,
    Steps,
    differ,
    log_normal_density,
    normal_expectation,
    quadrature,
    symbolic,
    together,
)
from lib.vae.derivation.quantities import (
    Q_MEAN,
    Q_VARIANCE,
    Q,
    log_prior,
    logvar,
    mean_under,
    mu,
    mu_2,
    sigma,
    sigma_2,
    z,
)

steps = Steps()


@steps.add(
    "V15",
    r"D_{\mathrm{KL}}\big(\mathcal N(\mu,\operatorname{diag}\sigma^2)\,\Vert\,\mathcal N(0,I)\big)",
    r"\sum_j D_{\mathrm{KL}}\big(\mathcal N(\mu_j,\sigma_j^2)\,\Vert\,\mathcal N(0,1)\big)",
    kind="gaussian",
    title="one coordinate at a time",
)
def _():
    r"""The coordinates are independent, so both densities are products, and the log of a product is a sum. A *sum*:
    a mean over coordinates would make the same message cheaper for every coordinate that is added."""
    together_ = Gaussian.of([mu, mu_2], sp.diag(sigma**2, sigma_2**2)).kl(Gaussian.of([0, 0], sp.eye(2)))
    return symbolic(together_, Q.over_coordinates([Q.kl(mu, sigma**2), Q.kl(mu_2, sigma_2**2)]))


@steps.add(
    "V16",
    r"\log\mathcal N(z;\mu,\sigma^2)-\log\mathcal N(z;0,1)",
    r"-\tfrac12\log\sigma^2-\frac{(z-\mu)^2}{2\sigma^2}+\frac{z^2}{2}",
    kind="symbolic",
    title="write both densities out",
)
def _():
    r"""For one coordinate. The $2\pi$ stands in both and cancels."""
    difference = log_normal_density(z, mu, sigma**2) - log_normal_density(z, sp.Integer(0), sp.Integer(1))
    return symbolic(difference, -sp.log(sigma**2) / 2 - (z - mu) ** 2 / (2 * sigma**2) + z**2 / 2)


@steps.add("V17", r"\mathbb E_q\big[(z-\mu)^2\big]", r"\sigma^2", kind="symbolic", title="first mean")
def _():
    r"""The definition of the variance, for the middle term."""
    return symbolic(normal_expectation((z - mu) ** 2, z, mu, sigma**2), sigma**2)


@steps.add("V18", r"\mathbb E_q\big[z^2\big]", r"\mu^2+\sigma^2", kind="symbolic", title="second mean")
def _():
    r"""The variance is the mean square minus the squared mean. Read backwards: a code's mean square has one part
    that can carry a message, $\mu^2$, and one that is noise, $\sigma^2$."""
    return symbolic(normal_expectation(z**2, z, mu, sigma**2), Q.second_moment(mu, sigma**2))


@steps.add(
    "V19",
    r"D_{\mathrm{KL}}=-\tfrac12\log\sigma^2-\frac{\mathbb E_q[(z-\mu)^2]}{2\sigma^2}+\frac{\mathbb E_q[z^2]}{2}",
    r"\tfrac12\big(\mu^2+\sigma^2-\log\sigma^2-1\big)",
    kind="symbolic",
    title="insert both means",
)
def _():
    r"""It charges $\mu^2$ for standing away from the origin and $\sigma^2-\log\sigma^2-1$ for a spread that is not
    the prior's; neither is ever negative."""
    inserted = (Q.second_moment(mu, sigma**2) - sp.log(sigma**2) - 1) / 2
    direct = mean_under(lambda code: log_normal_density(code, Q_MEAN, Q_VARIANCE) - log_prior(code))
    return together(symbolic(inserted, Q.kl(mu, sigma**2)), quadrature(direct, Q.kl(Q_MEAN, Q_VARIANCE)))


@steps.add(
    "V20",
    r"\tfrac12\big(\mu^2+e^{\ell}-\ell-1\big),\quad\ell=\log\sigma^2",
    kind="symbolic",
    title="let the network predict the log variance",
)
def _():
    r"""The output of a layer can have any sign, a variance cannot. So the second head predicts $\ell$, in the code
    `logvar`: $e^\ell$ is positive whatever it says, and a variance of 0.001 is as near as one of 1000."""
    return symbolic(Q.kl(mu, sp.exp(logvar)), (mu**2 + sp.exp(logvar) - logvar - 1) / 2)


@steps.add(
    "V21",
    r"\frac{\partial D_{\mathrm{KL}}}{\partial\mu}=\mu,"
    r"\quad\frac{\partial D_{\mathrm{KL}}}{\partial\ell}=\tfrac12(e^\ell-1)",
    kind="symbolic",
    title="where it pulls",
)
def _():
    r"""Both derivatives vanish at $\mu=0$, $\ell=0$ and nowhere else, and the second ones, 1 and $\tfrac12e^\ell$,
    are positive: a bowl with its bottom, 0, at the prior. Every code hangs on a spring that ends there."""
    kl = Q.kl(mu, sp.exp(logvar))
    slopes, curvatures = [sp.diff(kl, v) for v in (mu, logvar)], [sp.diff(kl, v, 2) for v in (mu, logvar)]
    return together(
        symbolic(sp.Matrix(slopes), sp.Matrix([mu, (sp.exp(logvar) - 1) / 2])),
        symbolic(sp.Matrix([*curvatures, sp.diff(kl, mu, logvar)]), sp.Matrix([1, sp.exp(logvar) / 2, 0])),
        symbolic(kl.subs({mu: 0, logvar: 0}), 0),
    )


@steps.add(
    "V22",
    r"D_{\mathrm{KL}}\big(\mathcal N(\mu,\sigma^2)\,\Vert\,\mathcal N(0,1)\big)",
    r"\ne D_{\mathrm{KL}}\big(\mathcal N(0,1)\,\Vert\,\mathcal N(\mu,\sigma^2)\big)"
    r"=\tfrac12\Big(\frac{1+\mu^2}{\sigma^2}+\log\sigma^2-1\Big)",
    kind="quadrature",
    title="the order matters",
)
def _():
    r"""Jensen fixed the order, it is not ours to choose. The other order asks $q$ to cover the whole prior and so
    forbids a precise code: as $\sigma\to0$ it grows like $1/\sigma^2$, ours only like $\log(1/\sigma)$."""
    other = mean_under(lambda code: log_prior(code) - log_normal_density(code, Q_MEAN, Q_VARIANCE), 0.0, 1.0)
    formula = ((1 + mu**2) / sigma**2 + sp.log(sigma**2) - 1) / 2
    value = formula.subs({mu: Q_MEAN, sigma: sp.sqrt(Q_VARIANCE)})
    return together(quadrature(other, value), differ(Q.kl(Q_MEAN, Q_VARIANCE), value, by=0.1))
