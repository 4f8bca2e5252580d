"""Steps D015 to D023: from the picture to any noise level in one jump."""

import numpy as np
import sympy as sp

from lib.ddpm.derivation.quantities import (
    BETAS,
    Q,
    after,
    alpha,
    alpha_bar,
    alpha_bar_prev,
    coefficients,
    eps,
    eps_prev,
    eps_t,
    schedule,
    x_0,
    x_prev,
    x_t,
)
from lib.derivation import (
    Gaussian,
    Steps,
    gaussian,
    monte_carlo,
    normal_density,
    numeric,
    quadrature,
    symbolic,
    together,
)

steps = Steps()


def walk(alphas):
    """Distribution of x_t given x_0, one step after the other"""
    state = Gaussian.of(x_0, 0)
    for factor in alphas:
        signal, noise = coefficients(Q.step(x_prev, factor, eps), x_prev, eps)
        state = state.image([[signal]], noise=[[noise**2]])
    return state


def jumped(bar):
    """Distribution of x_t given x_0, in one jump"""
    return after(Q.jump(x_0, bar, eps), x_0, eps)


@steps.add(
    "D015",
    r"\alpha_1\alpha_2\cdots\alpha_t",
    r"\bar\alpha_t:=\prod_{s=1}^t\alpha_s,\quad\bar\alpha_0=1,\quad\bar\alpha_t=\alpha_t\,\bar\alpha_{t-1}",
    kind="symbolic",
    title="a name for the product",
)
def _():
    r"""Read $\bar\alpha_t$ as *how much of the picture's variance is left*. It begins at 1 with the clean picture,
    before any step: an array of it has $T+1$ entries, and forgetting the first is the classic slip by one."""
    alphas = sp.symbols("alpha_1:6", positive=True)
    bars = Q.alpha_bar(alphas)
    recursion = [alphas[t - 1] * bars[t - 1] for t in range(1, 6)]
    return symbolic(sp.Matrix([len(bars), *bars]), sp.Matrix([6, 1, *recursion]))


@steps.add(
    "D016",
    r"t=1",
    r"x_1=\sqrt{\bar\alpha_1}\,x_0+\sqrt{1-\bar\alpha_1}\,\epsilon",
    kind="symbolic",
    title="the claim holds for one step",
)
def _():
    r"""We guess that $t$ steps look like one step with $\bar\alpha_t$ for $\alpha$. For a single step there is
    nothing to prove, because $\bar\alpha_1=\alpha_1$."""
    return symbolic(Q.jump(x_0, Q.alpha_bar([alpha])[1], eps), Q.step(x_0, alpha, eps))


@steps.add(
    "D017",
    r"\text{the claim at }t-1",
    r"x_{t-1}=\sqrt{\bar\alpha_{t-1}}\,x_0+\sqrt{1-\bar\alpha_{t-1}}\;\bar\epsilon_{t-1}",
    kind="gaussian",
    title="suppose it held one step earlier",
)
def _():
    r"""Take the claim for granted at $t-1$; the check walks four steps to see that this is not empty. The noise
    gathered so far, $\bar\epsilon_{t-1}$, knows nothing of the coming $\epsilon_t$."""
    alphas = sp.symbols("alpha_1:5", positive=True)
    return gaussian(walk(alphas), jumped(Q.alpha_bar(alphas)[4]))


@steps.add(
    "D018",
    r"\sqrt{\alpha_t}\,\sqrt{\bar\alpha_{t-1}}",
    r"\sqrt{\bar\alpha_t}",
    kind="symbolic",
    title="what is left of the picture",
)
def _():
    r"""One more step shrinks the picture by one more $\sqrt{\alpha_t}$, and the recursion of D015 gathers the
    product."""
    next_state = Q.step(Q.jump(x_0, alpha_bar_prev, eps_prev), alpha, eps_t)
    return symbolic(coefficients(next_state, x_0)[0], sp.sqrt(alpha_bar))


@steps.add(
    "D019",
    r"\alpha_t(1-\bar\alpha_{t-1})+(1-\alpha_t)",
    r"1-\bar\alpha_t",
    kind="symbolic",
    title="what has come in as noise",
)
def _():
    r"""The old noise, shrunk, and the new one: the sum of D013 with $\bar\alpha_{t-1}$ in place of one $\alpha$.
    Remember this line, it will do nearly all the work of the posterior too."""
    next_state = Q.step(Q.jump(x_0, alpha_bar_prev, eps_prev), alpha, eps_t)
    return symbolic(sum(scale**2 for scale in coefficients(next_state, eps_prev, eps_t)), 1 - alpha_bar)


@steps.add(
    "D020",
    r"x_{t-1}=\sqrt{\bar\alpha_{t-1}}\,x_0+\sqrt{1-\bar\alpha_{t-1}}\;\bar\epsilon_{t-1}",
    r"x_t=\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\;\epsilon",
    kind="gaussian",
    title="any level in one jump",
)
def _():
    r"""So the claim climbs from each $t-1$ to $t$, and holds for all. This is why training is cheap: one draw takes
    a picture to any noise level, and no chain has to be run."""
    alphas = sp.symbols("alpha_1:8", positive=True)
    return together(*(gaussian(walk(alphas[:t]), jumped(Q.alpha_bar(alphas)[t])) for t in range(1, 8)))


@steps.add(
    "D021",
    r"q(x_t\mid x_0)=\mathcal N\big(x_t;\sqrt{\bar\alpha_t}\,x_0,\,(1-\bar\alpha_t)I\big)",
    kind="quadrature",
    title="the same as a density",
)
def _():
    r"""D006 read backwards. The check composes four kernels by brute force on a grid, and walks 300 steps with
    20,000 pictures of one pixel; on that side it uses nothing but single steps."""
    grid = np.linspace(-7, 7, 701)
    alphas = [0.9, 0.8, 0.95, 0.7]
    density = normal_density(grid, *Q.kernel(1.3, 1 - alphas[0]))
    for factor in alphas[1:]:
        density = normal_density(grid[:, None], *Q.kernel(grid, 1 - factor)) @ density * (grid[1] - grid[0])
    rng, state = np.random.default_rng(0), np.full(20_000, 0.8)
    for factor in 1 - BETAS[:300]:
        state = Q.step(state, factor, rng.standard_normal(len(state)))
    mean, variance = Q.marginal(0.8, schedule()[1][300])
    return together(
        quadrature(density, normal_density(grid, *Q.marginal(1.3, Q.alpha_bar(alphas)[4]))),
        monte_carlo(state.mean(), mean, np.sqrt(variance / len(state))),
        monte_carlo(state.var(), variance, variance * np.sqrt(2 / len(state))),
    )


@steps.add(
    "D022",
    r"\bar\alpha_T\to0",
    r"q(x_T\mid x_0)\to\mathcal N(0,I)",
    kind="numeric",
    title="at the end all pictures look alike",
)
def _():
    r"""With the schedule of the paper, $\bar\alpha_{1000}$ is 0.00004, so 0.6 % of the contrast is left. Hence
    sampling can begin with pure noise: hardly anybody could tell it from a picture noised to the end."""
    mean, variance = Q.marginal(1.0, schedule()[1][-1])
    return numeric([1e5 * (1 - variance), 1e3 * mean], [4.0358, 6.3528], tol=1e-3)


@steps.add(
    "D023",
    r"x_t=\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\;\epsilon",
    r"x_0=\frac{x_t-\sqrt{1-\bar\alpha_t}\;\epsilon}{\sqrt{\bar\alpha_t}}",
    kind="symbolic",
    title="solve for the picture",
)
def _():
    r"""Given $x_t$, to know the noise is to know the picture. Mind which noise: the *total* one between $x_0$ and
    $x_t$, not the one of step $t$."""
    solutions = sp.solve(sp.Eq(x_t, Q.jump(x_0, alpha_bar, eps)), x_0)
    return symbolic(sp.Matrix(solutions), sp.Matrix([Q.x_0_hat(x_t, eps, alpha_bar)]))
