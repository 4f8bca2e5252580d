"""Steps D052 to D061: the posterior mean in terms of the noise, and which noise it is."""

import numpy as np
import sympy as sp

from lib.ddpm.derivation.quantities import (
    ALPHA,
    BAR,
    BAR_PREV,
    Q,
    alpha,
    alpha_bar,
    alpha_bar_prev,
    beta,
    eps,
    eps_t,
    exactly,
    x_0,
    x_prev,
    x_t,
)
from lib.derivation import Gaussian, Steps, gaussian, monte_carlo, together

steps = Steps()
ROOT, ROOT_BAR, ROOT_PREV, NOISE = (sp.sqrt(v) for v in (alpha, alpha_bar, alpha_bar_prev, 1 - alpha_bar))
OF_X_T, OF_X_0 = ROOT * (1 - alpha_bar_prev) / (1 - alpha_bar), ROOT_PREV * beta / (1 - alpha_bar)
FIRST, SECOND = OF_X_T * x_t, beta / ((1 - alpha_bar) * ROOT) * x_t
THIRD = beta * NOISE / ((1 - alpha_bar) * ROOT) * eps


def posterior_mean():
    """The mean with x_0 replaced by x_t and the noise"""
    return Q.posterior_mean(x_t, Q.x_0_hat(x_t, eps, alpha_bar), alpha, alpha_bar_prev)


@steps.add(
    "D052",
    r"\tilde\mu_t(x_t,x_0)",
    r"\frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\,x_t+\frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}"
    r"{1-\bar\alpha_t}\cdot\frac{x_t-\sqrt{1-\bar\alpha_t}\;\epsilon}{\sqrt{\bar\alpha_t}}",
    kind="symbolic",
    title="ask for the noise instead",
)
def _():
    r"""$x_t$ is in hand, so to guess the picture and to guess the noise in it is one task, by D023. Put that in for
    $x_0$, and let us see what becomes of the two weights."""
    return exactly(posterior_mean(), OF_X_T * x_t + OF_X_0 * (x_t - NOISE * eps) / ROOT_BAR)


@steps.add(
    "D053",
    r"\frac{\sqrt{\bar\alpha_{t-1}}}{\sqrt{\bar\alpha_t}}",
    r"\frac{1}{\sqrt{\alpha_t}}",
    kind="symbolic",
    title="two roots make one",
)
def _():
    r"""The two levels differ by the one factor $\alpha_t$. With a slip by one in $\bar\alpha$ this would be another
    $\alpha$, and every sample a little wrong."""
    bars = Q.alpha_bar(sp.symbols("alpha_1:4", positive=True))
    return together(
        exactly(ROOT_PREV / ROOT_BAR, 1 / ROOT),
        exactly(sp.sqrt(bars[2] / bars[3]), 1 / sp.sqrt(sp.Symbol("alpha_3", positive=True))),
    )


@steps.add(
    "D054",
    r"\frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{(1-\bar\alpha_t)\sqrt{\bar\alpha_t}}"
    r"\big(x_t-\sqrt{1-\bar\alpha_t}\;\epsilon\big)",
    r"\frac{\beta_t}{(1-\bar\alpha_t)\sqrt{\alpha_t}}\big(x_t-\sqrt{1-\bar\alpha_t}\;\epsilon\big)",
    kind="symbolic",
    title="the second term gets shorter",
)
def _():
    r"""Use it in the second term. No $\bar\alpha$ stands under a root in the denominator any more."""
    second = OF_X_0 * Q.x_0_hat(x_t, eps, alpha_bar)
    return exactly(second, beta / ((1 - alpha_bar) * ROOT) * (x_t - NOISE * eps))


@steps.add(
    "D055",
    r"\tilde\mu_t",
    r"\frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\,x_t+\frac{\beta_t}{(1-\bar\alpha_t)\sqrt{\alpha_t}}"
    r"\,x_t-\frac{\beta_t\sqrt{1-\bar\alpha_t}}{(1-\bar\alpha_t)\sqrt{\alpha_t}}\;\epsilon",
    kind="symbolic",
    title="sort by what they multiply",
)
def _():
    r"""Open the bracket: two terms with $x_t$, one with $\epsilon$. We take care of $x_t$ first."""
    return exactly(posterior_mean(), FIRST + SECOND - THIRD)


@steps.add(
    "D056",
    r"\frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\,x_t",
    r"\frac{\alpha_t(1-\bar\alpha_{t-1})}{(1-\bar\alpha_t)\sqrt{\alpha_t}}\,x_t",
    kind="symbolic",
    title="the same denominator",
)
def _():
    r"""Multiply above and below by $\sqrt{\alpha_t}$, so that both terms stand over the same thing."""
    written = alpha * (1 - alpha_bar_prev) / ((1 - alpha_bar) * ROOT) * x_t
    return exactly(Q.posterior_mean(x_t, 0, alpha, alpha_bar_prev), written)


@steps.add(
    "D057",
    r"\frac{\alpha_t(1-\bar\alpha_{t-1})}{(1-\bar\alpha_t)\sqrt{\alpha_t}}\,x_t"
    r"+\frac{\beta_t}{(1-\bar\alpha_t)\sqrt{\alpha_t}}\,x_t",
    r"\frac{\alpha_t(1-\bar\alpha_{t-1})+\beta_t}{(1-\bar\alpha_t)\sqrt{\alpha_t}}\,x_t",
    kind="symbolic",
    title="add them",
)
def _():
    r"""And there, in the numerator, is our old friend from D044."""
    merged = (alpha * (1 - alpha_bar_prev) + beta) / ((1 - alpha_bar) * ROOT) * x_t
    return exactly(posterior_mean().subs(eps, 0), merged)


@steps.add("D058", r"\frac{1}{\sqrt{\alpha_t}}\,x_t", kind="symbolic", title="the lemma once more")
def _():
    r"""The numerator is $1-\bar\alpha_t$ and cancels. All the weights of D050 have come down to undoing the shrink
    of the last step."""
    return exactly(sp.together(posterior_mean().subs(eps, 0)), x_t / ROOT)


@steps.add(
    "D059",
    r"\frac{\beta_t\sqrt{1-\bar\alpha_t}}{(1-\bar\alpha_t)\sqrt{\alpha_t}}",
    r"\frac{\beta_t}{\sqrt{\alpha_t}\,\sqrt{1-\bar\alpha_t}}",
    kind="symbolic",
    title="tidy the noise",
)
def _():
    r"""A root over its square is one over the root. The *bar* under that root stays: without it, the formula would
    be that of the last step's noise alone."""
    return exactly(-posterior_mean().subs({x_t: 0, eps: 1}), beta / (ROOT * NOISE))


@steps.add(
    "D060",
    r"\frac{x_t}{\sqrt{\alpha_t}}-\frac{\beta_t}{\sqrt{\alpha_t}\,\sqrt{1-\bar\alpha_t}}\;\epsilon",
    r"\tilde\mu_t=\frac{1}{\sqrt{\alpha_t}}\Big(x_t-\frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\;\epsilon\Big)",
    kind="symbolic",
    title="the mean in terms of the noise",
)
def _():
    r"""Take $1/\sqrt{\alpha_t}$ out. Read it aloud: remove a part of the noise, then undo the shrink. This line is
    the heart of the sampler."""
    return exactly(sp.together(posterior_mean()), Q.mean_from_noise(x_t, eps, alpha, alpha_bar))


@steps.add(
    "D061",
    r"\epsilon_t\ \text{of the step, or}\ \epsilon\ \text{in total?}",
    r"\mathbb E[\epsilon_t\mid x_t,x_0]=\sqrt{\frac{\beta_t}{1-\bar\alpha_t}}\;\epsilon",
    kind="gaussian",
    title="which noise?",
)
def _():
    r"""The $\epsilon$ above is *all* the noise since $x_0$, and the last step brought only a share of it. This is
    where $\sqrt{1-\bar\alpha_t}$ comes from: expect that share for $\epsilon_t$ in
    $x_{t-1}=(x_t-\sqrt{\beta_t}\,\epsilon_t)/\sqrt{\alpha_t}$, and D060 is back."""
    arrived = [[sp.sqrt(1 - alpha_bar_prev) * ROOT, sp.sqrt(beta)]]  # x_t = ... + these times the two noises
    noises = Gaussian.of([0, 0], sp.eye(2)).with_image(arrived, shift=[ROOT_BAR * x_0])
    share = Q.share_of_the_step(alpha, alpha_bar)
    of_step = noises.given({2: Q.jump(x_0, alpha_bar, eps)}).marginal(1)
    undone = sp.solve(sp.Eq(x_t, Q.step(x_prev, alpha, eps_t)), x_prev)[0]
    older, last = np.random.default_rng(1).standard_normal((2, 100_000))
    total = Q.step(Q.jump(0.0, BAR_PREV, older), ALPHA, last) / np.sqrt(1 - BAR)
    return together(
        gaussian(of_step, Gaussian.of(share * eps, 1 - share**2)),
        exactly(undone.subs(eps_t, share * eps), Q.mean_from_noise(x_t, eps, alpha, alpha_bar)),
        monte_carlo((last * total).mean(), Q.share_of_the_step(ALPHA, BAR), (last * total).std() / np.sqrt(len(last))),
    )
