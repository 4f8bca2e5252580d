"""Steps D034 to D042: complete the square, and read a Gaussian off."""

import numpy as np
import sympy as sp

from lib.ddpm.derivation.quantities import (
    ALPHA,
    BAR_PREV,
    X_0,
    X_T,
    Q,
    alpha,
    alpha_bar,
    alpha_bar_prev,
    beta,
    exactly,
    posterior_on_a_grid,
    x_0,
    x_prev,
    x_t,
)
from lib.derivation import Steps, integrate, normal_density, quadrature, together

steps = Steps()


def square(end, mean, variance):
    """Twice the exponent of a Gaussian, with its sign turned"""
    return (end - mean) ** 2 / variance


def bracket():
    """What stands in the brackets of D033"""
    before, now = Q.marginal(x_0, alpha_bar_prev), Q.marginal(x_0, alpha_bar)
    return square(x_t, *Q.kernel(x_prev, beta)) + square(x_prev, *before) - square(x_t, *now)


def power(k):
    """The factor of x_{t-1} to the k in the bracket"""
    return sp.Poly(sp.expand(bracket()), x_prev).coeff_monomial(x_prev**k)


def posterior_terms():
    """A and B"""
    return Q.precision(alpha, alpha_bar_prev), Q.pull(x_t, x_0, alpha, alpha_bar_prev)


@steps.add(
    "D034",
    r"\frac{(x_t-\sqrt{\alpha_t}\,x_{t-1})^2}{\beta_t}",
    r"\frac{x_t^2-2\sqrt{\alpha_t}\,x_tx_{t-1}+\alpha_tx_{t-1}^2}{\beta_t}",
    kind="symbolic",
    title="open the first square",
)
def _():
    r"""We look for a parabola in $x_{t-1}$, so multiply out. This square is what the *present* picture says about
    the past."""
    opened = x_t**2 - 2 * sp.sqrt(alpha) * x_t * x_prev + alpha * x_prev**2
    return exactly(square(x_t, *Q.kernel(x_prev, beta)), opened / beta)


@steps.add(
    "D035",
    r"\frac{(x_{t-1}-\sqrt{\bar\alpha_{t-1}}\,x_0)^2}{1-\bar\alpha_{t-1}}",
    r"\frac{x_{t-1}^2-2\sqrt{\bar\alpha_{t-1}}\,x_0x_{t-1}+\bar\alpha_{t-1}x_0^2}{1-\bar\alpha_{t-1}}",
    kind="symbolic",
    title="open the second square",
)
def _():
    r"""And this is what the friend's hint says. The third square has no $x_{t-1}$ in it; it may stay as it is."""
    opened = x_prev**2 - 2 * sp.sqrt(alpha_bar_prev) * x_0 * x_prev + alpha_bar_prev * x_0**2
    return exactly(square(x_prev, *Q.marginal(x_0, alpha_bar_prev)), opened / (1 - alpha_bar_prev))


@steps.add(
    "D036",
    r"\text{factor of}\ x_{t-1}^2",
    r"A=\frac{\alpha_t}{\beta_t}+\frac{1}{1-\bar\alpha_{t-1}}",
    kind="symbolic",
    title="how sure we are",
)
def _():
    r"""Gather what multiplies $x_{t-1}^2$. One over a variance is called a *precision*, and here the precisions of
    the two witnesses add: two measurements of one thing are better than either."""
    return exactly(power(2), posterior_terms()[0])


@steps.add(
    "D037",
    r"\text{factor of}\ x_{t-1}",
    r"-2B,\quad B=\frac{\sqrt{\alpha_t}}{\beta_t}\,x_t+\frac{\sqrt{\bar\alpha_{t-1}}}{1-\bar\alpha_{t-1}}\,x_0",
    kind="symbolic",
    title="where it pulls",
)
def _():
    r"""Gather what multiplies $x_{t-1}$ once. Each witness pulls with its own strength: $x_t$ with
    $\sqrt{\alpha_t}/\beta_t$, the hint $x_0$ with the other fraction."""
    return exactly(power(1), -2 * posterior_terms()[1])


@steps.add(
    "D038",
    r"\text{what has no}\ x_{t-1}",
    r"C=\frac{x_t^2}{\beta_t}+\frac{\bar\alpha_{t-1}x_0^2}{1-\bar\alpha_{t-1}}"
    r"-\frac{(x_t-\sqrt{\bar\alpha_t}\,x_0)^2}{1-\bar\alpha_t}",
    kind="symbolic",
    title="the rest",
)
def _():
    r"""Everything else, the third square included. Many texts now write *const* and go on; we keep it, because in
    two steps it will tell us whether anything was lost."""
    mean, variance = Q.marginal(x_0, alpha_bar)
    rest = x_t**2 / beta + alpha_bar_prev * x_0**2 / (1 - alpha_bar_prev) - (x_t - mean) ** 2 / variance
    return exactly(power(0), rest)


@steps.add(
    "D039",
    r"A\,x_{t-1}^2-2B\,x_{t-1}",
    r"A\,{\Big(x_{t-1}-\frac BA\Big)}^2-\frac{B^2}{A}",
    kind="symbolic",
    title="complete the square",
)
def _():
    r"""Open the bracket on the right: the middle terms are those on the left, and $B^2/A$ comes once with plus and
    once with minus. It holds for any two numbers, as long as $A$ is not 0."""
    a, b = sp.symbols("A B", nonzero=True)
    return exactly(a * x_prev**2 - 2 * b * x_prev, a * (x_prev - b / a) ** 2 - b**2 / a)


@steps.add("D040", r"C-\frac{B^2}{A}", r"0", kind="symbolic", title="nothing is left over")
def _():
    r"""A ratio that is a density cannot hold a leftover factor: it would spoil the integral. So this *had* to
    vanish, and it does so only because $\bar\alpha_t=\alpha_t\bar\alpha_{t-1}$. Change one sign above and it no
    longer does."""
    precision, pull = posterior_terms()
    return exactly(sp.together(power(0) - pull**2 / precision), 0)


@steps.add(
    "D041",
    r"\sqrt{\frac{1-\bar\alpha_t}{2\pi\beta_t(1-\bar\alpha_{t-1})}}",
    r"\sqrt{\frac{A}{2\pi}}",
    kind="symbolic",
    title="the factor in front fits",
)
def _():
    r"""The same argument for the factor in front: it can only be the one that a Gaussian of variance $1/A$ needs.
    The check squares both sides and divides."""
    before, now = Q.marginal(x_0, alpha_bar_prev)[1], Q.marginal(x_0, alpha_bar)[1]
    prefactor_squared = now / (2 * sp.pi * Q.kernel(x_prev, beta)[1] * before)
    return exactly(prefactor_squared * 2 * sp.pi / posterior_terms()[0], 1)


@steps.add(
    "D042",
    r"\sqrt{\tfrac{A}{2\pi}}\,\exp\Big(-\tfrac A2{\big(x_{t-1}-\tfrac BA\big)}^2\Big)",
    r"q(x_{t-1}\mid x_t,x_0)=\mathcal N\Big(x_{t-1};\,\frac BA,\,\frac1A\Big)",
    kind="symbolic",
    title="read it off",
)
def _():
    r"""This is what a Gaussian looks like, so it is one: its mean is $B/A$, the pulls divided by the total
    precision, and its variance $1/A$. The check also compares it with brute force on a grid."""
    precision, pull = posterior_terms()
    grid = np.linspace(-4, 4, 161)
    a, b = Q.precision(ALPHA, BAR_PREV), Q.pull(X_T, X_0, ALPHA, BAR_PREV)
    return together(
        exactly(sp.together(bracket() - precision * (x_prev - pull / precision) ** 2), 0),
        quadrature(normal_density(grid, b / a, 1 / a), posterior_on_a_grid(grid) / integrate(posterior_on_a_grid)),
    )
