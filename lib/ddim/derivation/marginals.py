"""Steps I07 to I13: every member keeps all the levels; which one is DDPM, and that it alone is a Markov chain."""

import numpy as np
import sympy as sp

from lib.ddim.derivation.quantities import SHARES, X_0, Q, bar_s, bar_t, exactly, schedule
from lib.ddpm.derivation.quantities import Q as DDPM
from lib.ddpm.derivation.quantities import alpha, alpha_bar, alpha_bar_prev, beta, sigma, x_0, x_prev
from lib.derivation import Gaussian, Steps, differ, gaussian, normal_density, quadrature, together

steps = Steps()
TILDE = beta * (1 - alpha_bar_prev) / (1 - alpha_bar)  # variance of DDPM's posterior, D045


@steps.add(
    "I07",
    r"\mathbb E[x_{t-1}\mid x_0]=a_tx_0+b_t\,\mathbb E[x_t\mid x_0]",
    r"(a_t+b_t\sqrt{\bar\alpha_t})\,x_0=\sqrt{\bar\alpha_{t-1}}\;x_0",
    kind="symbolic",
    title="one level down: the mean",
)
def _():
    r"""Suppose level $t$ is as it should be. In the form of I06 the noise has mean 0, and only the first term is
    left."""
    mean_of_x_t = DDPM.marginal(x_0, bar_t)[0]
    return exactly(Q.mean(x_0, mean_of_x_t, bar_s, bar_t, sigma**2), DDPM.marginal(x_0, bar_s)[0])


@steps.add(
    "I08",
    r"\operatorname{Var}(x_{t-1}\mid x_0)=b_t^2\operatorname{Var}(x_t\mid x_0)+\sigma_t^2",
    r"b_t^2(1-\bar\alpha_t)+\sigma_t^2=1-\bar\alpha_{t-1}",
    kind="symbolic",
    title="one level down: the variance",
)
def _():
    r"""Old noise of variance $1-\bar\alpha_{t-1}-\sigma_t^2$ and fresh noise of variance $\sigma_t^2$ are
    independent, so their variances add, and $\sigma_t$ cancels. Note that it is squared: variances add, standard
    deviations do not."""
    carried = Q.mean(0, 1, bar_s, bar_t, sigma**2) ** 2 * (1 - bar_t)
    return exactly(carried + sigma**2, 1 - bar_s)


def levels_by_force(share):
    """Densities of x_900, x_600, x_300 and x_100 given x_0, pushed down on a grid from level 1,000"""
    bars, grid = schedule()[1][[1000, 900, 600, 300, 100]], np.linspace(-7, 7, 701)
    density = normal_density(grid, *DDPM.marginal(X_0, bars[0]))
    for level, below in zip(bars, bars[1:], strict=False):
        variance = max(share, 0.1) * Q.largest_variance(below)
        kernel = normal_density(grid[:, None], Q.mean(X_0, grid, below, level, variance), variance)
        density = kernel @ density * (grid[1] - grid[0])
        yield density, normal_density(grid, *DDPM.marginal(X_0, below))


@steps.add(
    "I09",
    r"q_\sigma(x_T\mid x_0)=\mathcal N\big(\sqrt{\bar\alpha_T}\,x_0,\;(1-\bar\alpha_T)I\big)",
    r"q_\sigma(x_t\mid x_0)=\mathcal N\big(\sqrt{\bar\alpha_t}\,x_0,\;(1-\bar\alpha_t)I\big)\quad\forall t,"
    r"\;\forall\sigma",
    kind="quadrature",
    title="all levels, for every choice of noise",
)
def _():
    r"""The top level is right because we put it there, and each level hands the property to the one below: an
    induction downwards. So one trained network fits the whole family, whatever $\sigma_t$ is. The check pushes
    densities down the schedule on a grid, with little and with much fresh noise."""
    pairs = [pair for share in SHARES for pair in levels_by_force(share)]
    return quadrature([pair[0] for pair in pairs], [pair[1] for pair in pairs])


@steps.add(
    "I10",
    r"q_\sigma(x_t\mid x_{t-1},x_0)=\frac{q_\sigma(x_{t-1}\mid x_t,x_0)\,q_\sigma(x_t\mid x_0)}"
    r"{q_\sigma(x_{t-1}\mid x_0)}",
    r"\mathcal N\Big(c_tx_{t-1}+d_tx_0,\;\frac{1-\bar\alpha_t}{1-\bar\alpha_{t-1}}\,\sigma_t^2I\Big),\quad "
    r"c_t=\frac{b_t(1-\bar\alpha_t)}{1-\bar\alpha_{t-1}},\quad d_t=\sqrt{\bar\alpha_t}-c_t\sqrt{\bar\alpha_{t-1}}",
    kind="gaussian",
    title="forwards it remembers the picture",
)
def _():
    r"""Bayes turns the step round. In general $d_t$ is not 0: to go on from $x_{t-1}$ one must still know the
    picture, so the forward process is *not* a Markov chain. With $\sigma_t=0$ even the variance is 0: picture and
    $x_{t-1}$ together leave nothing to chance. We never need this kernel, neither to train nor to sample."""
    kernel = [[Q.weight_of_x_t(bar_s, bar_t, sigma**2)]]
    shift = [Q.weight_of_x_0(bar_s, bar_t, sigma**2) * x_0]
    pair = Gaussian.of(*DDPM.marginal(x_0, bar_t)).with_image(kernel, shift=shift, noise=[[sigma**2]])
    of_x_prev, of_x_0, variance = Q.forward_kernel(bar_s, bar_t, sigma**2)
    forgetful = Q.forward_kernel(0.6, 0.54, 0.01)[1]
    return together(
        gaussian(pair.given({1: x_prev}), Gaussian.of(of_x_prev * x_prev + of_x_0 * x_0, variance)),
        differ(forgetful, 0, by=0.05),
    )


@steps.add(
    "I11",
    r"1-\bar\alpha_{t-1}-\tilde\beta_t",
    r"\frac{\alpha_t(1-\bar\alpha_{t-1})^2}{1-\bar\alpha_t}",
    kind="symbolic",
    title="try the noise of DDPM",
)
def _():
    r"""DDPM's own posterior has the variance $\tilde\beta_t$. Put it under the root: it takes the share
    $\beta_t/(1-\bar\alpha_t)$ of all the noise at level $t-1$, and the rest has a square in it, which is what a root
    likes."""
    left_over = 1 - alpha_bar_prev - Q.beta_tilde(alpha_bar_prev, alpha_bar)
    return exactly(left_over, alpha * (1 - alpha_bar_prev) ** 2 / (1 - alpha_bar))


@steps.add(
    "I12",
    r"q_\sigma(x_{t-1}\mid x_t,x_0)\ \text{and}\ q_\sigma(x_t\mid x_{t-1},x_0)\quad\text{at}\ \sigma_t^2=\tilde\beta_t",
    r"\mathcal N\big(\tilde\mu_t(x_t,x_0),\,\tilde\beta_tI\big)\ \text{and}\ "
    r"\mathcal N\big(\sqrt{\alpha_t}\,x_{t-1},\,\beta_tI\big)",
    kind="symbolic",
    title="and DDPM comes out",
)
def _():
    r"""The mean is now the posterior mean of D050, and the step forward is DDPM's and has forgotten the picture. So
    DDPM is one member of the family, and the only one whose way forward is a Markov
    chain."""
    tilde = Q.beta_tilde(alpha_bar_prev, alpha_bar)
    of_x_t = Q.weight_of_x_t(alpha_bar_prev, alpha_bar, tilde)
    of_x_prev, of_x_0, variance = Q.forward_kernel(alpha_bar_prev, alpha_bar, tilde)
    root = sp.sqrt(alpha)
    size = sp.Symbol("size", positive=True)  # of sigma_t^2: the square of the factor is linear in it, so one size fits
    square = sp.expand(Q.forward_kernel(bar_s, bar_t, size)[0] ** 2)
    fits = (bar_t / bar_s - square.subs(size, 0)) / sp.diff(square, size)
    expected = DDPM.posterior_mean(1, 0, alpha, alpha_bar_prev), DDPM.posterior_mean(0, 1, alpha, alpha_bar_prev)
    picture = Q.weight_of_x_0(alpha_bar_prev, alpha_bar, tilde)
    return together(
        exactly(of_x_t, expected[0], of_squares=True),
        exactly(picture.subs(of_x_t, expected[0]), expected[1]),
        exactly(of_x_prev, root, of_squares=True),
        exactly(of_x_0.subs(of_x_prev, root), 0),
        exactly(variance, beta),
        exactly(sp.diff(square, size, 2), 0),
        exactly(fits, Q.beta_tilde(bar_s, bar_t)),
    )


@steps.add(
    "I13",
    r"\tilde\beta_t=\frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\,\beta_t",
    r"\frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\Big(1-\frac{\bar\alpha_t}{\bar\alpha_{t-1}}\Big)",
    kind="symbolic",
    title="without a neighbour in it",
)
def _():
    r"""$\beta_t=1-\alpha_t$, and $\alpha_t$ is the quotient of two neighbouring $\bar\alpha$. In this form nothing
    says that the two levels must be neighbours, and soon they will not be."""
    return exactly(Q.beta_tilde(alpha_bar_prev, alpha_bar), DDPM.beta_tilde(alpha, alpha_bar_prev))
