"""Steps V01 to V09: from the evidence to a bound on it, and what the bound leaves out."""

import numpy as np

from lib.derivation import (
    Steps,
    at_most,
    integrate,
    log_normal_density,
    monte_carlo,
    normal_density,
    numeric,
    quadrature,
    together,
)
from lib.vae.derivation.quantities import (
    EVIDENCE,
    POSTERIOR_MEAN,
    POSTERIOR_VARIANCE,
    Q_MEAN,
    Q_VARIANCE,
    Q,
    log_joint,
    log_posterior,
    mean_under,
)

steps = Steps()


@steps.add(
    "V01",
    r"\log p_\theta(x)",
    r"\log\int p_\theta(x\mid z)\,p(z)\,dz",
    kind="quadrature",
    title="average over all codes",
)
def _():
    r"""We want pictures like $x$ to be likely. The decoder says how likely $x$ is from *one* code $z$; any code may
    have been the one, so these densities are averaged over the prior. For a network the integral has no closed
    form."""
    return quadrature(np.log(integrate(lambda code: np.exp(log_joint(code)))), EVIDENCE)


@steps.add(
    "V02",
    r"\log\int q_\phi(z\mid x)\,\frac{p_\theta(x\mid z)\,p(z)}{q_\phi(z\mid x)}\,dz",
    kind="quadrature",
    title="multiply and divide by q",
)
def _():
    r"""Most codes explain $x$ badly, so draws from the prior are nearly all wasted. Let an encoder propose codes
    worth trying, $q_\phi(z\mid x)$. Any density will do that is positive wherever the prior is: the factor $q/q$ is
    1."""
    return quadrature(Q.log_of_mean(), EVIDENCE)


@steps.add(
    "V03",
    r"\log\mathbb E_{q_\phi(z\mid x)}\Big[\frac{p_\theta(x,z)}{q_\phi(z\mid x)}\Big]",
    kind="monte carlo",
    title="read it as a mean",
)
def _():
    r"""An integral against a density is a mean over draws from it. So the evidence can be estimated with codes
    drawn from $q$: without bias for any $q$, and with little noise for a good one."""
    codes = Q_MEAN + np.sqrt(Q_VARIANCE) * np.random.default_rng(0).standard_normal(20_000)
    ratios = np.exp(log_joint(codes) - log_normal_density(codes, Q_MEAN, Q_VARIANCE))
    return monte_carlo(ratios.mean(), np.exp(EVIDENCE), ratios.std() / np.sqrt(len(codes)))


@steps.add(
    "V04",
    r"\ge\;\mathbb E_{q_\phi(z\mid x)}\Big[\log\frac{p_\theta(x,z)}{q_\phi(z\mid x)}\Big]=:\mathrm{ELBO}",
    kind="quadrature",
    title="Jensen's inequality",
)
def _():
    r"""The logarithm is concave, so the mean of logs is at most the log of the mean. A mean of logs can be
    estimated from one draw without bias; the log of a mean cannot. That is what the inequality buys."""
    return at_most(Q.elbo(Q_MEAN, Q_VARIANCE), Q.log_of_mean())


@steps.add(
    "V05",
    r"\log p_\theta(x)-\mathrm{ELBO}",
    r"\log p_\theta(x)-\mathbb E_{q}\Big[\log\frac{p_\theta(z\mid x)\,p_\theta(x)}{q_\phi(z\mid x)}\Big]",
    kind="numeric",
    title="how much did it cost?",
)
def _():
    r"""Write the joint the other way round: how likely is $x$ at all, and which codes could have made it. The
    second factor, $p_\theta(z\mid x)$, is the true posterior."""
    codes = np.linspace(-4, 4, 81)
    return numeric(log_joint(codes), log_posterior(codes) + EVIDENCE)


@steps.add(
    "V06",
    r"\mathbb E_{q}\Big[\log\frac{q_\phi(z\mid x)}{p_\theta(z\mid x)}\Big]"
    r"=D_{\mathrm{KL}}\big(q_\phi(z\mid x)\,\Vert\,p_\theta(z\mid x)\big)",
    kind="quadrature",
    title="the evidence cancels",
)
def _():
    r"""$\log p_\theta(x)$ does not depend on $z$, so its mean over $z$ is itself, and it cancels. What remains has
    a name: the KL divergence from the encoder to the true posterior."""
    return quadrature(EVIDENCE - Q.elbo(Q_MEAN, Q_VARIANCE), Q.gap(Q_MEAN, Q_VARIANCE))


@steps.add(
    "V07",
    r"D_{\mathrm{KL}}(q\,\Vert\,p)=\mathbb E_q\Big[-\log\frac pq\Big]",
    r"\ge\;\mathbb E_q\Big[1-\frac pq\Big]=0",
    kind="quadrature",
    title="never negative",
)
def _():
    r"""Because $-\log t\ge 1-t$, with equality only at $t=1$. So the bound always holds, and it is exact when the
    encoder gives the true posterior, and only then."""
    ratio = mean_under(lambda code: 1 - np.exp(log_posterior(code) - log_normal_density(code, Q_MEAN, Q_VARIANCE)))
    return together(
        quadrature(ratio, 0),
        at_most(0, Q.gap(Q_MEAN, Q_VARIANCE)),
        quadrature(Q.gap(POSTERIOR_MEAN, POSTERIOR_VARIANCE), 0),
    )


@steps.add(
    "V08",
    r"\log p_\theta(x)",
    r"\mathrm{ELBO}(\theta,\phi)+D_{\mathrm{KL}}\big(q_\phi(z\mid x)\,\Vert\,p_\theta(z\mid x)\big)",
    kind="quadrature",
    title="one equation, two learners",
)
def _():
    r"""All of it in one line. Raise the ELBO by changing $\phi$: the left side stays, so the gap must shrink. Raise
    it by changing $\theta$: the bound pushes the evidence up from below. To optimise over a family of $q$ is what
    *variational* means; it does not mean that noise is kept alive."""
    guesses = [(Q_MEAN, Q_VARIANCE), (-1.0, 0.8), (POSTERIOR_MEAN, POSTERIOR_VARIANCE)]
    return quadrature([Q.elbo(*guess) + Q.gap(*guess) for guess in guesses], EVIDENCE)


@steps.add(
    "V09",
    r"q_\phi(z\mid x)=\mathcal N(\mu,\sigma^2)",
    r"\min_{\mu,\,\sigma}\,D_{\mathrm{KL}}\big(q_\phi(z\mid x)\,\Vert\,p_\theta(z\mid x)\big)>0\ \text{in general}",
    kind="quadrature",
    title="the encoder is chosen, the posterior is not",
)
def _():
    r"""Nothing makes the true posterior Gaussian. Let the decoder be $z^2$, which cannot tell $z$ from $-z$: the
    posterior has two peaks, and the best Gaussian covers one of them. It stays about $\log 2$ away, whatever we
    train."""
    grid = np.linspace(-3, 3, 601)
    width = grid[1] - grid[0]
    log_p = log_normal_density(0.9, grid**2, 0.05) + log_normal_density(grid, 0.0, 1.0)
    log_p -= np.log(np.exp(log_p).sum() * width)
    means, stds = np.meshgrid(np.linspace(-1.5, 1.5, 61), np.linspace(0.05, 1.5, 59))
    q = normal_density(grid, means[..., None], stds[..., None] ** 2)
    log_q = log_normal_density(grid, means[..., None], stds[..., None] ** 2)
    return at_most(0.6, (q * (log_q - log_p)).sum(-1).min() * width)
