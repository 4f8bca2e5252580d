"""Steps D043 to D051: the variance and the mean of the posterior, made simple."""

import numpy as np
import sympy as sp

from lib.ddpm.derivation.quantities import (
    BETAS,
    Q,
    alpha,
    alpha_bar,
    alpha_bar_prev,
    beta,
    coefficients,
    exactly,
    schedule,
    x_0,
    x_t,
)
from lib.derivation import Steps, at_most, differ, integrate, normal_density, numeric, quadrature, symbolic, together

steps = Steps()


def weights():
    """The factors of x_t and x_0 in the posterior mean"""
    mean = Q.posterior_mean(x_t, x_0, alpha, alpha_bar_prev)
    return mean.subs({x_t: 1, x_0: 0}), mean.subs({x_t: 0, x_0: 1})


def tilde():
    """The posterior variance in symbols"""
    return Q.beta_tilde(alpha, alpha_bar_prev)


@steps.add(
    "D043",
    r"A=\frac{\alpha_t}{\beta_t}+\frac{1}{1-\bar\alpha_{t-1}}",
    r"A=\frac{\alpha_t(1-\bar\alpha_{t-1})+\beta_t}{\beta_t(1-\bar\alpha_{t-1})}",
    kind="symbolic",
    title="one fraction",
)
def _():
    r"""Bring both to the same denominator, crosswise. Now look at the numerator: we have seen it before, in D019."""
    fraction = (alpha * (1 - alpha_bar_prev) + beta) / (beta * (1 - alpha_bar_prev))
    return exactly(Q.precision(alpha, alpha_bar_prev), fraction)


@steps.add(
    "D044",
    r"\alpha_t(1-\bar\alpha_{t-1})+\beta_t",
    r"1-\bar\alpha_t",
    kind="symbolic",
    title="the one lemma",
)
def _():
    r"""Multiply out: $\alpha_t+\beta_t$ is 1, and $\alpha_t\bar\alpha_{t-1}$ is $\bar\alpha_t$. Most texts jump over
    this line, and it is the only trick in the whole posterior; it comes back in D058."""
    return exactly(Q.precision(alpha, alpha_bar_prev) * beta * (1 - alpha_bar_prev), 1 - alpha_bar)


@steps.add(
    "D045",
    r"\frac1A",
    r"\tilde\beta_t:=\frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\,\beta_t",
    kind="symbolic",
    title="the posterior variance",
)
def _():
    r"""Turn the fraction over. The tilde says: this is the variance of a step *back* when the picture is known, and
    it is not $\beta_t$."""
    return exactly(1 / Q.precision(alpha, alpha_bar_prev), tilde())


@steps.add(
    "D046",
    r"\tilde\beta_t",
    r"0\le\tilde\beta_t<\beta_t,\quad\tilde\beta_1=0,\quad"
    r"\beta_t-\tilde\beta_t=\frac{\bar\alpha_{t-1}\beta_t^2}{1-\bar\alpha_t}",
    kind="symbolic",
    title="knowing more means doubting less",
)
def _():
    r"""The friend's hint can only take doubt away, and at $t=1$ it takes all of it: $x_0$ *is* the answer there.
    Late in the chain the two variances are nearly the same; at $t=2$ of the usual schedule $\tilde\beta$ is less
    than half of $\beta$."""
    alphas, bars = schedule()
    tildes = Q.beta_tilde(alphas, bars[:-1])
    return together(
        exactly(beta - tilde(), alpha_bar_prev * beta**2 / (1 - alpha_bar)),
        exactly(tilde().subs(alpha_bar_prev, 1), 0),
        at_most(0, (BETAS - tildes).min()),
        numeric(np.round((tildes / BETAS)[1], 3), 0.455),
    )


@steps.add(
    "D047",
    r"\frac BA",
    r"\Big(\frac{\sqrt{\alpha_t}}{\beta_t}\,x_t+\frac{\sqrt{\bar\alpha_{t-1}}}{1-\bar\alpha_{t-1}}\,x_0\Big)"
    r"\,\tilde\beta_t",
    kind="symbolic",
    title="now the mean",
)
def _():
    r"""To divide by the precision is to multiply by the variance. Two products are left to simplify, one for each
    witness."""
    pull = Q.pull(x_t, x_0, alpha, alpha_bar_prev)
    return exactly(pull / Q.precision(alpha, alpha_bar_prev), pull * tilde())


@steps.add(
    "D048",
    r"\frac{\sqrt{\alpha_t}}{\beta_t}\,\tilde\beta_t",
    r"\frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}",
    kind="symbolic",
    title="how much the present counts",
)
def _():
    r"""$\beta_t$ cancels. This is the weight of $x_t$: it is large when much noise was there before this step, so
    that the hint $x_0$ says little about $x_{t-1}$."""
    return exactly(sp.sqrt(alpha) / beta * tilde(), weights()[0])


@steps.add(
    "D049",
    r"\frac{\sqrt{\bar\alpha_{t-1}}}{1-\bar\alpha_{t-1}}\,\tilde\beta_t",
    r"\frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}",
    kind="symbolic",
    title="how much the hint counts",
)
def _():
    r"""$1-\bar\alpha_{t-1}$ cancels. This is the weight of $x_0$: small, because a single $\beta_t$ is small,
    except at the very end of the way back."""
    return exactly(sp.sqrt(alpha_bar_prev) / (1 - alpha_bar_prev) * tilde(), weights()[1])


@steps.add(
    "D050",
    r"\frac BA",
    r"\tilde\mu_t(x_t,x_0)=\frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\,x_t"
    r"+\frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}\,x_0",
    kind="quadrature",
    title="the posterior mean",
)
def _():
    r"""Put the two together. Some notes hang the first weight on $x_0$ and the second on $x_t$; the check computes
    our example by brute force and prints what the formula gives as it stands, and what it gives when swapped."""
    alphas, bars = schedule()
    levels, x_now, x_clean = (alphas[500], bars[500]), -0.4, 1.1  # t = 501 of the linear schedule

    def by_force(x):
        return normal_density(x_now, *Q.kernel(x, 1 - levels[0])) * normal_density(x, *Q.marginal(x_clean, levels[1]))

    mean = integrate(lambda x: x * by_force(x)) / integrate(by_force)
    ratio = Q.pull(x_t, x_0, alpha, alpha_bar_prev) / Q.precision(alpha, alpha_bar_prev)
    return together(
        quadrature(Q.posterior_mean(x_now, x_clean, *levels), mean),
        differ(mean, Q.posterior_mean(x_clean, x_now, *levels), by=1),
        exactly(Q.posterior_mean(x_t, x_0, alpha, alpha_bar_prev), ratio),
    )


@steps.add(
    "D051",
    r"\mathbb E[\tilde\mu_t\mid x_0],\quad\operatorname{Var}[\tilde\mu_t\mid x_0]+\tilde\beta_t",
    r"\sqrt{\bar\alpha_{t-1}}\,x_0,\quad 1-\bar\alpha_{t-1}",
    kind="symbolic",
    title="there and back again",
)
def _():
    r"""Go forward to $x_t$, then back with the posterior, and average over everything that can happen: we must be
    where a walk to $t-1$ would have been, in mean and in variance. It is a good test, since a wrong weight shows at
    once."""
    of_x_t, of_x_0 = weights()
    arrived = Q.posterior_mean(Q.marginal(x_0, alpha_bar)[0], x_0, alpha, alpha_bar_prev)
    mean, variance = Q.marginal(x_0, alpha_bar_prev)
    return together(
        symbolic(sp.Matrix(coefficients(arrived, x_0)), sp.Matrix([of_x_t * sp.sqrt(alpha_bar) + of_x_0])),
        exactly(sp.together(arrived), mean),
        exactly(sp.together(of_x_t**2 * Q.marginal(x_0, alpha_bar)[1] + tilde()), variance),
    )
