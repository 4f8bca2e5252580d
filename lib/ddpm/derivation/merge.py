"""Steps D008 to D014: two steps of noising are one longer step, because independent Gaussian noises merge."""

import numpy as np
import sympy as sp

from lib.ddpm.derivation.quantities import (
    Q,
    after,
    alpha,
    alpha_prev,
    coefficients,
    eps,
    eps_prev,
    eps_t,
    x_pp,
)
from lib.derivation import Steps, gaussian, integrate, normal_density, quadrature, symbolic

steps = Steps()


def two_steps():
    """x_t written in x_{t-2} and the two noises"""
    return Q.step(Q.step(x_pp, alpha_prev, eps_prev), alpha, eps_t)


@steps.add(
    "D008",
    r"x_t=\sqrt{\alpha_t}\,x_{t-1}+\sqrt{1-\alpha_t}\,\epsilon_t",
    r"x_{t-1}=\sqrt{\alpha_{t-1}}\,x_{t-2}+\sqrt{1-\alpha_{t-1}}\,\epsilon_{t-1}",
    kind="symbolic",
    title="the same rule, one step earlier",
)
def _():
    r"""Nothing new: lower every index by one. But $\epsilon_{t-1}$ is *another* noise than $\epsilon_t$,
    independent of it, and that will matter in four steps."""
    signal, noise = coefficients(Q.step(x_pp, alpha_prev, eps_prev), x_pp, eps_prev)
    return symbolic(sp.Matrix([signal**2, noise**2]), sp.Matrix([alpha_prev, 1 - alpha_prev]))


@steps.add(
    "D009",
    r"x_t=\sqrt{\alpha_t}\,x_{t-1}+\sqrt{1-\alpha_t}\,\epsilon_t",
    r"x_t=\sqrt{\alpha_t}\big(\sqrt{\alpha_{t-1}}\,x_{t-2}+\sqrt{1-\alpha_{t-1}}\,\epsilon_{t-1}\big)"
    r"+\sqrt{1-\alpha_t}\,\epsilon_t",
    kind="symbolic",
    title="put it in",
)
def _():
    r"""Replace $x_{t-1}$ by what it was made of. We want to know how $x_t$ depends on pictures further and further
    back."""
    inner = sp.sqrt(alpha_prev) * x_pp + sp.sqrt(1 - alpha_prev) * eps_prev
    return symbolic(two_steps(), sp.sqrt(alpha) * inner + sp.sqrt(1 - alpha) * eps_t)


@steps.add(
    "D010",
    r"x_t=\sqrt{\alpha_t\alpha_{t-1}}\,x_{t-2}+\sqrt{\alpha_t(1-\alpha_{t-1})}\,\epsilon_{t-1}"
    r"+\sqrt{1-\alpha_t}\,\epsilon_t",
    kind="symbolic",
    title="multiply out",
)
def _():
    r"""The root of a product is the product of the roots, since nothing here is negative. The older noise has been
    shrunk along with the picture."""
    written = sp.sqrt(alpha * (1 - alpha_prev)) * eps_prev + sp.sqrt(1 - alpha) * eps_t
    return symbolic(two_steps(), sp.sqrt(alpha * alpha_prev) * x_pp + written)


@steps.add(
    "D011",
    r"c\,\epsilon,\quad\epsilon\sim\mathcal N(0,I)",
    r"c\,\epsilon\sim\mathcal N(0,c^2I)",
    kind="symbolic",
    title="stretched noise",
)
def _():
    r"""Stretching by $c$ multiplies the standard deviation by $c$ and the variance by $c^2$. So each of the two
    noises has the variance that stands under its root."""
    c = sp.Symbol("c", positive=True)
    return symbolic(normal_density(c * eps, 0, c**2) * c / normal_density(eps, 0, 1), 1)


@steps.add(
    "D012",
    r"\int\mathcal N(y;0,p)\,\mathcal N(z-y;0,q)\,dy",
    r"\mathcal N(z;0,\,p+q)",
    kind="quadrature",
    title="two noises make one",
)
def _():
    r"""To reach $z$, the first noise may bring any $y$ and the second the rest: sum over all $y$. The result is a
    Gaussian again and *variances* add, provided that the two are independent."""
    p, q, ends = 0.3, 0.5, (-1.2, 0.0, 0.7, 2.0)
    sums = [integrate(lambda y, z=z: normal_density(y, 0, p) * normal_density(z - y, 0, q)) for z in ends]
    return quadrature(sums, normal_density(np.array(ends), 0, p + q))


@steps.add(
    "D013",
    r"\alpha_t(1-\alpha_{t-1})+(1-\alpha_t)",
    r"1-\alpha_t\alpha_{t-1}",
    kind="symbolic",
    title="the books balance",
)
def _():
    r"""Add both variances: $\alpha_t$ comes once with plus and once with minus. What stays has the look of a single
    step whose $\alpha$ is the product."""
    scales = coefficients(two_steps(), eps_prev, eps_t)
    return symbolic(sum(scale**2 for scale in scales), 1 - alpha * alpha_prev)


@steps.add(
    "D014",
    r"\sqrt{\alpha_t\alpha_{t-1}}\,x_{t-2}+\sqrt{\alpha_t(1-\alpha_{t-1})}\,\epsilon_{t-1}+\sqrt{1-\alpha_t}\,\epsilon_t",
    r"x_t=\sqrt{\alpha_t\alpha_{t-1}}\,x_{t-2}+\sqrt{1-\alpha_t\alpha_{t-1}}\;\bar\epsilon",
    kind="gaussian",
    title="two steps are one longer step",
)
def _():
    r"""The two sides are equal *in distribution*: one fresh standard noise $\bar\epsilon$ does the work of both. It
    is a new variable, neither of the old ones; D061 comes back to this."""
    longer = Q.jump(x_pp, alpha * alpha_prev, eps)
    return gaussian(after(two_steps(), x_pp, eps_prev, eps_t), after(longer, x_pp, eps))
