"""Steps V29 to V35: what the KL term does to all pictures together, and when a code dies."""

import numpy as np
import sympy as sp

from lib.derivation import (
    Gaussian,
    Steps,
    at_most,
    gaussian,
    log_normal_density,
    numeric,
    quadrature,
    symbolic,
    together,
)
from lib.vae.derivation.quantities import Q, eigenvalue, kl_by_quadrature, log_prior, s, x

steps = Steps()
rho = sp.Symbol("rho", positive=True)
CLOUDS = ((-0.8, 0.3), (0.5, 0.6))  # q(z | x) of a data set of two pictures: means and variances


def log_clouds():
    """log q(z | x) of each picture"""
    return [lambda code, m=m, v=v: log_normal_density(code, m, v) for m, v in CLOUDS]


def log_aggregate(code):
    """log q(z): the clouds of all pictures mixed"""
    return np.logaddexp(*(log(code) for log in log_clouds())) - np.log(len(CLOUDS))


def mean_kl():
    """E_x of the KL term"""
    return sum(Q.kl(m, v) for m, v in CLOUDS) / len(CLOUDS)


def mismatch():
    """KL divergence from the aggregate to the prior"""
    return kl_by_quadrature(lambda code: np.exp(log_aggregate(code)), log_aggregate, log_prior)


@steps.add(
    "V29",
    r"\mathbb E_x\,D_{\mathrm{KL}}\big(q_\phi(z\mid x)\,\Vert\,p(z)\big)",
    r"\mathbb E_x\mathbb E_{q}\Big[\log\frac{q_\phi(z\mid x)}{q_\phi(z)}+\log\frac{q_\phi(z)}{p(z)}\Big],"
    r"\quad q_\phi(z)=\mathbb E_x\,q_\phi(z\mid x)",
    kind="quadrature",
    title="insert the aggregate posterior",
)
def _():
    r"""Now over the whole data set. Mix the clouds of all pictures: $q_\phi(z)$ is the distribution of codes that
    the decoder sees in training. Multiply and divide by it."""
    inserted = [
        kl_by_quadrature(lambda code, log=log: np.exp(log(code)), log, log_aggregate)
        + kl_by_quadrature(lambda code, log=log: np.exp(log(code)), log_aggregate, log_prior)
        for log in log_clouds()
    ]
    return quadrature(np.mean(inserted), mean_kl())


@steps.add(
    "V30",
    r"I_q(x;z)+D_{\mathrm{KL}}\big(q_\phi(z)\,\Vert\,p(z)\big)",
    kind="quadrature",
    title="two bills in one",
)
def _():
    r"""The first part is the mutual information: what a code says about its picture. The second says how far the
    cloud of all codes is from the prior: what spoils samples. The KL term charges for both, and generating needs
    only the second small."""
    return quadrature(Q.information(log_clouds(), log_aggregate) + mismatch(), mean_kl())


@steps.add(
    "V31",
    r"I_q(x;z)",
    r"\le\;\min\Big(\mathbb E_x\,D_{\mathrm{KL}}\big(q_\phi(z\mid x)\,\Vert\,p(z)\big),\;\log N\Big)",
    kind="quadrature",
    title="the KL term is a budget",
)
def _():
    r"""No KL divergence is negative, so a code cannot say more than the KL term is charged. And $\log N$ nats are
    enough to tell $N$ pictures apart, so it never says more than that."""
    information = Q.information(log_clouds(), log_aggregate)
    return together(at_most(information, mean_kl()), at_most(information, np.log(len(CLOUDS))))


@steps.add(
    "V32",
    r"x\sim\mathcal N(0,1),\quad q(z\mid x)=\mathcal N(\rho x,\,1-\rho^2)",
    r"q(z)=p(z),\quad I_q(x;z)=-\tfrac12\log(1-\rho^2)=\mathbb E_x D_{\mathrm{KL}}",
    kind="gaussian",
    title="the whole cloud can match while every code speaks",
)
def _():
    r"""Here the mixed cloud is the prior exactly, for any $\rho$, while the code says as much as we like when
    $\rho$ nears 1. It is enough that the codes *together* look like the prior; the single ones need not, and should
    not."""
    codes = Gaussian.of(0, 1).image([[rho]], noise=[[1 - rho**2]])
    charged = Q.kl(rho * x, 1 - rho**2).expand().subs(x**2, 1)
    return together(gaussian(codes, Gaussian.of(0, 1)), symbolic(charged, -sp.log(1 - rho**2) / 2))


@steps.add(
    "V33",
    r"D_{\mathrm{KL}}\big(q_\phi(z\mid x)\,\Vert\,p(z)\big)=0\ \text{for every}\ x",
    r"I_q(x;z)=0,\quad\arg\min_{\hat x}\,\mathbb E_x\lVert x-\hat x\rVert^2=\mathbb E[x]",
    kind="quadrature",
    title="collapse",
)
def _():
    r"""Drive the KL term to nothing and every picture has the same cloud, the prior itself. The code says nothing
    then, and the best answer of a decoder without information is the mean picture, for every code."""
    pictures, answer = sp.symbols("x1:4", real=True), sp.Symbol("answer", real=True)
    best = sp.solve(sp.diff(sum((picture - answer) ** 2 for picture in pictures), answer), answer)
    return together(
        quadrature(Q.information([log_prior, log_prior], log_prior), 0),
        symbolic(sp.Matrix(best), sp.Matrix([sum(pictures) / 3])),
    )


@steps.add(
    "V34",
    r"\max_w\,\mathbb E_x\log\mathcal N\big(x;0,\,w^2+s^2\big),\quad\mathbb E\,x^2=\lambda",
    r"w^2=\max(\lambda-s^2,\,0)",
    kind="symbolic",
    title="which directions die",
)
def _():
    r"""One direction of a linear VAE, in which the data have variance $\lambda$; its encoder can be exact, so the
    bound is the evidence. A direction that varies less than the decoder's own noise gets the weight 0. No longer
    training helps there, but a smaller $s$ does."""
    total = sp.Symbol("total", positive=True)  # w^2 + s^2
    likelihood = -(sp.log(total) + eigenvalue / total) / 2
    best = Q.best_weight_squared(eigenvalue, s**2) + s**2
    weights = np.linspace(0, 2, 201)
    weak = -(np.log(weights**2 + 1) + 0.8 / (weights**2 + 1)) / 2  # lambda = 0.8 below s^2 = 1
    return together(
        symbolic(sp.diff(likelihood, total).subs(total, best), 0),
        numeric(weights[np.argmax(weak)], 0),
    )


@steps.add(
    "V35",
    r"\mathbb E_x\,D_{\mathrm{KL}}\ \text{at}\ w^2=\lambda-s^2",
    r"\tfrac12\log\frac{\lambda}{s^2}",
    kind="gaussian",
    title="what a living direction costs",
)
def _():
    r"""Half the log of signal over noise, the very number of rate-distortion theory. Halve $s$, and every living
    direction costs $\log 2$ more: one bit for one bit of precision."""
    weight = sp.sqrt(Q.best_weight_squared(eigenvalue, s**2))
    posterior = Gaussian.of(0, 1).with_image([[weight]], noise=[[s**2]]).given({1: x})
    mean_square = (posterior.mean[0] ** 2).expand().subs(x**2, eigenvalue)
    cost = Q.kl(sp.Symbol("m"), posterior.covariance[0]).subs(sp.Symbol("m") ** 2, mean_square)
    return symbolic(sp.exp(2 * cost), eigenvalue / s**2)
