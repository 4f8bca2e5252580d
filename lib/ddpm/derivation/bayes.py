"""Steps D024 to D033: backwards by Bayes' rule, which works only with the picture in hand."""

import numpy as np
import sympy as sp

from lib.ddpm.derivation.quantities import (
    ALPHA,
    BAR,
    BAR_PREV,
    CHAIN,
    X_0,
    X_T,
    Q,
    noised_points,
    posterior_on_a_grid,
    q_given_data,
    x_0,
    x_prev,
    x_t,
)
from lib.derivation import (
    Steps,
    at_most,
    differ,
    discrete,
    integrate,
    log_normal_density,
    normal_density,
    quadrature,
    symbolic,
    together,
)

steps = Steps()
GRID = np.linspace(-4, 4, 161)


def reverse(value, end=0.4, bar=0.6, factor=0.9, points=(-1.0, 1.0)):
    """q(x_{t-1} | x_t = end) when the data are these points, by Bayes"""
    likelihood = normal_density(end, *Q.kernel(value, 1 - factor))
    return likelihood * noised_points(value, bar, points) / noised_points(end, bar * factor, points)


def distance_from_gaussian(noise):
    """KL divergence of q(x_{t-1} | x_t = 0) from the Gaussian with its mean and variance"""
    mass, first, second = (integrate(lambda x, k=k: x**k * reverse(x, 0.0, 0.9, 1 - noise)) for k in range(3))
    mean = first / mass
    variance = second / mass - mean**2

    def integrand(x):
        density = reverse(x, 0.0, 0.9, 1 - noise) / mass + 1e-300
        return density * (np.log(density) - log_normal_density(x, mean, variance))

    return integrate(integrand)


@steps.add(
    "D024",
    r"q(x_{t-1}\mid x_t)",
    r"\frac{q(x_t\mid x_{t-1})\,q(x_{t-1})}{q(x_t)}",
    kind="quadrature",
    title="turn one step round",
)
def _():
    r"""Where was the walk one step ago? Bayes' rule answers: weigh every $x_{t-1}$ by how likely it was, and by how
    likely it would have led to the $x_t$ in hand."""
    return quadrature(integrate(reverse), 1)


@steps.add(
    "D025",
    r"q(x_t)",
    r"\int q(x_t\mid x_0)\,q(x_0)\,dx_0",
    kind="quadrature",
    title="this needs all pictures of the world",
)
def _():
    r"""Both marginals are averages over the data, which we do not know as a formula. So the way back depends on the
    data, however well we know the way forth: from the same $x_t$, two data sets lead back to different places, here
    0.33 and −0.29."""
    pushed = integrate(lambda x: normal_density(0.4, *Q.kernel(x, 0.1)) * noised_points(x, 0.6))
    data = (-1.0, 1.0), (-1.5, -0.5)
    means = [integrate(lambda x, p=p: x * reverse(x, factor=0.5, points=p)) for p in data]
    return together(quadrature(pushed, noised_points(0.4, 0.54)), differ(*means, by=0.5))


@steps.add(
    "D026",
    r"q(x_{t-1}\mid x_t)",
    r"\approx\mathcal N\quad\text{as}\ \beta_t\to0",
    kind="quadrature",
    title="small steps back are nearly Gaussian",
)
def _():
    r"""A small step looks at a small stretch of the marginal only, and there its logarithm is nearly a straight
    line, which shifts a Gaussian and keeps its shape. That is why a Gaussian model may do, and why it takes many
    steps: *nearly* is earned by small $\beta_t$."""
    gaps = [distance_from_gaussian(noise) for noise in (0.004, 0.02, 0.1, 0.4)]
    return together(at_most(gaps[0], 1e-3), *(at_most(*pair) for pair in zip(gaps, gaps[1:], strict=False)))


@steps.add(
    "D027",
    r"q(x_{t-1}\mid x_t,x_0)",
    r"\frac{q(x_{t-1},x_t,x_0)}{q(x_t,x_0)}",
    kind="discrete",
    title="ask an easier question",
)
def _():
    r"""Suppose a friend tells us the picture $x_0$. Where was the walk one step ago, *now*? Begin with the
    definition of a conditional probability: joint over what is known."""
    joint, known = CHAIN.marginal(CHAIN.q, 0, 2, 3), CHAIN.marginal(CHAIN.q, 0, 3)
    return together(
        discrete((joint / known).sum(2), 1), discrete(joint / known, CHAIN.conditional(CHAIN.q, (2,), (3, 0)))
    )


@steps.add(
    "D028",
    r"q(x_{t-1},x_t,x_0)",
    r"q(x_t\mid x_{t-1},x_0)\,q(x_{t-1}\mid x_0)\,q(x_0)",
    kind="discrete",
    title="unfold the numerator",
)
def _():
    r"""The chain rule in the order in which things happen: first the picture, then the walk up to $t-1$, then one
    step more."""
    last = CHAIN.conditional(CHAIN.q, (3,), (2, 0))
    return discrete(CHAIN.marginal(CHAIN.q, 0, 2, 3), last * q_given_data(CHAIN, 2) * CHAIN.data)


@steps.add(
    "D029",
    r"q(x_t,x_0)",
    r"q(x_t\mid x_0)\,q(x_0)",
    kind="discrete",
    title="unfold the denominator",
)
def _():
    r"""The chain rule once more, with one link less."""
    return discrete(CHAIN.marginal(CHAIN.q, 0, 3), q_given_data(CHAIN, 3) * CHAIN.data)


@steps.add(
    "D030",
    r"\frac{q(x_t\mid x_{t-1},x_0)\,q(x_{t-1}\mid x_0)\,q(x_0)}{q(x_t\mid x_0)\,q(x_0)}",
    r"\frac{q(x_t\mid x_{t-1},x_0)\,q(x_{t-1}\mid x_0)}{q(x_t\mid x_0)}",
    kind="discrete",
    title="the unknown cancels",
)
def _():
    r"""How likely the picture itself is, $q(x_0)$, was the only factor that nobody can write down, and it stands
    above and below. This is what the friend's hint was for."""
    last = CHAIN.conditional(CHAIN.q, (3,), (2, 0))
    cancelled = last * q_given_data(CHAIN, 2) / q_given_data(CHAIN, 3)
    return discrete(cancelled, CHAIN.conditional(CHAIN.q, (2,), (3, 0)))


@steps.add(
    "D031",
    r"q(x_{t-1}\mid x_t,x_0)=\frac{q(x_t\mid x_{t-1})\,q(x_{t-1}\mid x_0)}{q(x_t\mid x_0)}",
    kind="discrete",
    title="a step forgets where it came from",
)
def _():
    r"""The chain is Markov: who knows $x_{t-1}$ learns nothing about the next step from $x_0$. Only the forward
    kernel may drop it; the two others need it."""
    return together(
        discrete(CHAIN.conditional(CHAIN.q, (3,), (2, 0)), np.broadcast_to(CHAIN.forward(3), (3, 1, 3, 3, 1))),
        discrete(Q.bayes(CHAIN, 3), CHAIN.conditional(CHAIN.q, (2,), (3, 0))),
    )


@steps.add(
    "D032",
    r"\frac{q(x_t\mid x_{t-1})\,q(x_{t-1}\mid x_0)}{q(x_t\mid x_0)}",
    r"\frac{\mathcal N(x_t;\sqrt{\alpha_t}\,x_{t-1},\,\beta_t)\;\mathcal N(x_{t-1};\sqrt{\bar\alpha_{t-1}}\,x_0,\,"
    r"1-\bar\alpha_{t-1})}{\mathcal N(x_t;\sqrt{\bar\alpha_t}\,x_0,\,1-\bar\alpha_t)}",
    kind="quadrature",
    title="put in what we know",
)
def _():
    r"""All three are Gaussians whose means and variances we have: D005 gives the first, D021 the other two, at the
    levels $t-1$ and $t$. From here on it is algebra for a single pixel."""
    step_back = normal_density(X_T, *Q.kernel(GRID, 1 - ALPHA)) * normal_density(GRID, *Q.marginal(X_0, BAR_PREV))
    by_force = posterior_on_a_grid(GRID) / integrate(posterior_on_a_grid)
    return quadrature(step_back / normal_density(X_T, *Q.marginal(X_0, BAR)), by_force)


@steps.add(
    "D033",
    r"\sqrt{\tfrac{1-\bar\alpha_t}{2\pi\beta_t(1-\bar\alpha_{t-1})}}\;\exp\Big(-\tfrac12\Big[\tfrac{(x_t-"
    r"\sqrt{\alpha_t}\,x_{t-1})^2}{\beta_t}+\tfrac{(x_{t-1}-\sqrt{\bar\alpha_{t-1}}\,x_0)^2}{1-\bar\alpha_{t-1}}-"
    r"\tfrac{(x_t-\sqrt{\bar\alpha_t}\,x_0)^2}{1-\bar\alpha_t}\Big]\Big)",
    kind="symbolic",
    title="one exponential",
)
def _():
    r"""Factors multiply, so exponents add; the denominator enters with a minus. Long, but there is only one thing
    in it that we do not know, $x_{t-1}$, and it comes at most squared."""
    u, w = sp.symbols("u w", positive=True)  # noise over signal of the step and of all before: 1 - alpha > 0 is seen
    step, before = 1 / (1 + u), 1 / (1 + w)
    levels = [(u / (1 + u), x_t, step, x_prev), (w / (1 + w), x_prev, before, x_0)]
    levels.append(((u + w + u * w) / ((1 + u) * (1 + w)), x_t, step * before, x_0))
    logs = [log_normal_density(end, sp.sqrt(share) * start, variance) for variance, end, share, start in levels]
    squares = [(end - sp.sqrt(share) * start) ** 2 / variance for variance, end, share, start in levels]
    prefactor = levels[2][0] / (2 * sp.pi * levels[0][0] * levels[1][0])
    written = sp.log(prefactor) / 2 - (squares[0] + squares[1] - squares[2]) / 2
    return symbolic(logs[0] + logs[1] - logs[2], written)
