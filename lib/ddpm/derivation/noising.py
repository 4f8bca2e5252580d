"""Steps D001 to D007: one step of noising, and why it shrinks before it adds."""

import numpy as np
import sympy as sp

from lib.ddpm.derivation.quantities import BETAS, Q, alpha, beta, coefficients, eps, x_prev, x_t
from lib.derivation import (
    Gaussian,
    Steps,
    gaussian,
    integrate,
    log_normal_density,
    normal_density,
    numeric,
    quadrature,
    symbolic,
    together,
)

steps = Steps()


@steps.add(
    "D001",
    r"x_{t-1}",
    r"q(x_t\mid x_{t-1})=\mathcal N\big(x_t;\sqrt{1-\beta_t}\,x_{t-1},\,\beta_tI\big)",
    kind="quadrature",
    title="one step of forgetting",
)
def _():
    r"""Shrink the picture a little, then add a little noise, each pixel for itself. This kernel is chosen, not
    learned; $\beta_t$ is a *variance*, so the noise has the standard deviation $\sqrt{\beta_t}$."""
    mean, variance = Q.kernel(0.7, 0.1)
    moments = [integrate(lambda x, k=k: x**k * normal_density(x, mean, variance)) for k in range(3)]
    return quadrature([*moments[:2], moments[2] - moments[1] ** 2], [1, np.sqrt(0.9) * 0.7, 0.1])


@steps.add(
    "D002",
    r"\int q(x_t\mid x_{t-1})\,dx_t",
    r"\int\frac{1}{\sqrt{2\pi\beta_t}}\exp\Big(-\frac{(x_t-\sqrt{1-\beta_t}\,x_{t-1})^2}{2\beta_t}\Big)dx_t=1",
    kind="symbolic",
    title="it is a density",
)
def _():
    r"""Wherever we start, we must arrive somewhere. So the kernel integrates to 1 over its *first* argument, for
    every value of the second."""
    mean, variance = sp.Symbol("mean", real=True), sp.Symbol("variance", positive=True)
    return symbolic(sp.integrate(normal_density(x_t, mean, variance), (x_t, -sp.oo, sp.oo)), 1)


@steps.add(
    "D003",
    r"\log\mathcal N(x_t;m,\beta_tI)",
    r"\sum_{i=1}^d\log\mathcal N(x_{t,i};m_i,\beta_t)=-\frac{\lVert x_t-m\rVert^2}{2\beta_t}-\frac d2\log(2\pi\beta_t)",
    kind="symbolic",
    title="one pixel is enough",
)
def _():
    r"""A covariance proportional to $I$ makes the pixels independent: densities multiply, logarithms add. From here
    on we may do all algebra with a single pixel and put the norm back at the end."""
    variance = sp.Symbol("variance", positive=True)
    pixels, means = sp.symbols("x1:4", real=True), sp.symbols("m1:4", real=True)
    pairs = list(zip(pixels, means, strict=True))
    squares = sum((pixel - mean) ** 2 for pixel, mean in pairs)
    total = sum(log_normal_density(pixel, mean, variance) for pixel, mean in pairs)
    return symbolic(total, -squares / (2 * variance) - sp.Rational(3, 2) * sp.log(2 * sp.pi * variance))


@steps.add(
    "D004",
    r"q(x_{1:T}\mid x_0)",
    r"\prod_{t=1}^Tq(x_t\mid x_{t-1})",
    kind="gaussian",
    title="a path is a product of steps",
)
def _():
    r"""The chain rule of probability gives a factor for each step, given *everything* before. But a step looks only
    at the state it starts from, so each factor shrinks to a kernel. Such a chain is called Markov."""
    start, first, second = sp.symbols("x_0 x_1 x_2", real=True)
    path = None
    for t, factor in enumerate(sp.symbols("alpha_1:4", positive=True)):
        mean, variance = Q.kernel(start, 1 - factor)
        if path is None:
            path = Gaussian.of(mean, variance)
        else:
            row = sp.zeros(1, t)
            row[t - 1] = mean.coeff(start)
            path = path.with_image(row, noise=[[variance]])
    return gaussian(path.given({0: first, 1: second}), Gaussian.of(*Q.kernel(second, 1 - factor)))


@steps.add(
    "D005",
    r"\mathcal N\big(\sqrt{1-\beta_t}\,x_{t-1},\,\beta_tI\big)",
    r"\mathcal N\big(\sqrt{\alpha_t}\,x_{t-1},\,(1-\alpha_t)I\big),\quad\alpha_t:=1-\beta_t",
    kind="symbolic",
    title="a better letter",
)
def _():
    r"""Only a new name. It is worth having because steps multiply: products of $\alpha$ will be everywhere, and
    products of $1-\beta$ are no joy to write."""
    return symbolic(sp.Matrix(Q.kernel(x_prev, beta)), sp.Matrix([sp.sqrt(alpha) * x_prev, 1 - alpha]))


@steps.add(
    "D006",
    r"x_t\sim\mathcal N\big(\sqrt{\alpha_t}\,x_{t-1},\,(1-\alpha_t)I\big)",
    r"x_t=\sqrt{\alpha_t}\,x_{t-1}+\sqrt{1-\alpha_t}\,\epsilon_t,\quad\epsilon_t\sim\mathcal N(0,I)",
    kind="symbolic",
    title="the same step as a recipe",
)
def _():
    r"""Draw a standard noise, stretch it, shift it: the same distribution, now as something a program can do. The
    root appears because a *standard deviation* multiplies the noise. We met this trick in the VAE."""
    made = Q.step(x_prev, alpha, eps)
    ratio = normal_density(made, *Q.kernel(x_prev, beta)) * sp.diff(made, eps) / normal_density(eps, 0, 1)
    return symbolic(ratio, 1)


@steps.add(
    "D007",
    r"\operatorname{Var}x_t=\alpha_t\operatorname{Var}x_{t-1}+1-\alpha_t",
    r"\operatorname{Var}x_{t-1}=1\;\Rightarrow\;\operatorname{Var}x_t=1",
    kind="symbolic",
    title="the shrink pays for the noise",
)
def _():
    r"""What the shrink takes away is just what the noise brings, and 1 is the only variance that stays. Leave the
    shrink out, as some notes do, and after 1,000 steps of the usual schedule the variance is 11."""
    variance = sp.Symbol("variance", positive=True)
    signal, noise = coefficients(Q.step(x_prev, alpha, eps), x_prev, eps)
    after = signal**2 * variance + noise**2
    return together(
        symbolic(sp.Matrix(sp.solve(sp.Eq(after, variance), variance)), sp.Matrix([1])),
        numeric(np.round(1 + BETAS.sum(), 2), 11.05),
    )
