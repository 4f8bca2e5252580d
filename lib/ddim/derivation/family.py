"""Steps I01 to I06: what the loss leaves open, and a family of joint distributions that fills it."""

import numpy as np
import sympy as sp

from lib.ddim.derivation.quantities import CHAIN, X_0, Q, bar_s, bar_t, exactly, sqrt
from lib.ddpm.derivation.quantities import sigma, x_0, x_t
from lib.derivation import Chain, Gaussian, Steps, differ, discrete, gaussian, numeric, quadrature, together

steps = Steps()
LATER = tuple(CHAIN.times)
a, b = sp.symbols("a b", real=True)


def gauss_hermite(num=40):
    """Points and weights for a mean over a standard normal."""
    points, weights = np.polynomial.hermite_e.hermegauss(num)
    return points, weights / weights.sum()


def loss(x_t, bar, weights):
    """Mean squared error of the noise for a network that answers sin(2 x_t), whatever it is asked"""
    return (weights * (Q.noise_in(x_t, X_0, bar) - np.sin(2 * x_t)) ** 2).sum()


@steps.add(
    "I01",
    r"L_{\mathrm{simple}}=\mathbb E_{t,x_0,\epsilon}\lVert\epsilon-\epsilon_\theta(\sqrt{\bar\alpha_t}\,x_0"
    r"+\sqrt{1-\bar\alpha_t}\;\epsilon,\;t)\rVert^2",
    r"\mathbb E_{t,x_0}\;\mathbb E_{q(x_t\mid x_0)}\Big\lVert\frac{x_t-\sqrt{\bar\alpha_t}\,x_0}"
    r"{\sqrt{1-\bar\alpha_t}}-\epsilon_\theta(x_t,t)\Big\rVert^2",
    kind="quadrature",
    title="the loss looks at one level at a time",
)
def _():
    r"""Training draws a picture, a level and one noise. How $x_t$ and $x_{t-1}$ hang together is never asked, so two
    processes with the same $q(x_t\mid x_0)$ have the same loss and share one network. The check tries two: a walk
    with fresh noise in each step, and one that keeps a single noise for all levels."""
    noise, weights = gauss_hermite()
    earlier, fresh, both = noise[:, None], noise[None, :], weights[:, None] * weights
    x_prev = sqrt(0.6) * X_0 + sqrt(0.4) * earlier
    walked, kept = sqrt(0.9) * x_prev + sqrt(0.1) * fresh, sqrt(0.54) * X_0 + sqrt(0.46) * earlier
    direct = (weights * (noise - np.sin(2 * (sqrt(0.54) * X_0 + sqrt(0.46) * noise))) ** 2).sum()
    covariances = [(both * (x_t - sqrt(0.54) * X_0) * (x_prev - sqrt(0.6) * X_0)).sum() for x_t in (walked, kept)]
    return together(
        quadrature(loss(walked, 0.54, both), direct),
        quadrature(loss(kept, 0.54, both), direct),
        differ(*covariances, by=0.04),
    )


@steps.add(
    "I02",
    r"q(x_{1:T}\mid x_0)=\prod_{t=1}^Tq(x_t\mid x_{t-1})",
    r"q_\sigma(x_{1:T}\mid x_0)=q_\sigma(x_T\mid x_0)\prod_{t=2}^Tq_\sigma(x_{t-1}\mid x_t,x_0)",
    kind="discrete",
    title="build it from the top",
)
def _():
    r"""Any joint distribution may be unfolded from its last variable down, the walk of DDPM too. But written
    like this, each factor is ours to choose: put in any other kernels, and it is still a distribution with the same
    $x_T$. Every factor may look at $x_0$."""
    paths = CHAIN.conditional(CHAIN.q, LATER, (0,))
    other, last = Chain(seed=11), CHAIN.conditional(CHAIN.q, (CHAIN.num_timesteps,), (0,))
    free = last
    for t in reversed(LATER[1:]):
        free = free * other.conditional(other.q, (t - 1,), (t, 0))
    return together(
        discrete(Q.top_down(CHAIN), paths),
        discrete(CHAIN.marginal(free, 0), 1),
        discrete(CHAIN.marginal(free, 0, CHAIN.num_timesteps), last),
    )


@steps.add(
    "I03",
    r"q_\sigma(x_{t-1}\mid x_t,x_0)=\mathcal N\big(a_tx_0+b_tx_t,\;\sigma_t^2I\big)",
    r"q_\sigma(x_{t-1}\mid x_0)=\mathcal N\big((a_t+b_t\sqrt{\bar\alpha_t})\,x_0,\;(b_t^2(1-\bar\alpha_t)+\sigma_t^2)I"
    r"\big)",
    kind="gaussian",
    title="a guess with two open numbers",
)
def _():
    r"""Take the simplest kernel that can do it: a weighted sum of picture and present state, plus noise of a size
    $\sigma_t$ that we keep free. Average over $x_t$: the weight $b_t$ carries the mean of $x_t$ along, and its
    square carries the variance."""
    level_t = Gaussian.of(sp.sqrt(bar_t) * x_0, 1 - bar_t)
    reached = level_t.image([[b]], shift=[a * x_0], noise=[[sigma**2]])
    return gaussian(reached, Gaussian.of(*Q.pushed(x_0, bar_t, a, b, sigma**2)))


@steps.add(
    "I04",
    r"a_t+b_t\sqrt{\bar\alpha_t}=\sqrt{\bar\alpha_{t-1}},\quad b_t^2(1-\bar\alpha_t)+\sigma_t^2=1-\bar\alpha_{t-1}",
    r"b_t=\sqrt{\frac{1-\bar\alpha_{t-1}-\sigma_t^2}{1-\bar\alpha_t}},\quad "
    r"a_t=\sqrt{\bar\alpha_{t-1}}-b_t\sqrt{\bar\alpha_t}",
    kind="symbolic",
    title="two demands, two numbers",
)
def _():
    r"""The level below must come out as the network knows it: mean $\sqrt{\bar\alpha_{t-1}}\,x_0$, variance
    $1-\bar\alpha_{t-1}$. The second demand gives $b_t$, up to its sign, then the first gives $a_t$. The other sign
    would turn the noise over at every step, so nobody takes it."""
    mean, variance = Q.pushed(x_0, bar_t, a, b, sigma**2)
    demands = [sp.expand(mean / x_0) - sp.sqrt(bar_s), variance - (1 - bar_s)]
    found = {b: Q.weight_of_x_t(bar_s, bar_t, sigma**2), a: Q.weight_of_x_0(bar_s, bar_t, sigma**2)}
    ways = sp.Poly(demands[1], b).degree(), sp.Poly(demands[0], a).degree()
    return together(*(exactly(demand.subs(found), 0) for demand in demands), numeric(ways, (2, 1)))


@steps.add(
    "I05",
    r"1-\bar\alpha_{t-1}-\sigma_t^2\ge0",
    r"0\le\sigma_t^2\le1-\bar\alpha_{t-1}",
    kind="symbolic",
    title="how much noise a step may add",
)
def _():
    r"""There is a root, so there is a limit: a step cannot add more noise than the level has altogether. At the
    limit $b_t=0$, and $x_{t-1}$ is made from the picture and fresh noise, without a look at $x_t$. Beyond it the
    root is imaginary."""
    largest = Q.largest_variance(bar_s)
    root = Q.weight_of_x_t(bar_s, bar_t, sigma**2).subs({bar_s: 0.6, bar_t: 0.54})
    return together(
        exactly(Q.weight_of_x_t(bar_s, bar_t, largest), 0),
        exactly(Q.weight_of_x_0(bar_s, bar_t, largest), sp.sqrt(bar_s)),
        *(numeric(bool(root.subs(sigma, sqrt(v)).is_real), v <= 0.4) for v in (0.39, 0.41)),
    )


@steps.add(
    "I06",
    r"a_tx_0+b_tx_t",
    r"\sqrt{\bar\alpha_{t-1}}\;x_0+\sqrt{1-\bar\alpha_{t-1}-\sigma_t^2}\;\;"
    r"\frac{x_t-\sqrt{\bar\alpha_t}\,x_0}{\sqrt{1-\bar\alpha_t}}",
    kind="symbolic",
    title="picture plus direction",
)
def _():
    r"""Sorted anew, the mean can be read aloud: the picture at its new brightness, plus the *same noise* that is in
    $x_t$ now, at its new strength. What $\sigma_t$ adds afresh is taken from the old noise."""
    weighted = Q.weight_of_x_0(bar_s, bar_t, sigma**2) * x_0 + Q.weight_of_x_t(bar_s, bar_t, sigma**2) * x_t
    in_words = sp.sqrt(bar_s) * x_0 + sp.sqrt(1 - bar_s - sigma**2) * Q.noise_in(x_t, x_0, bar_t)
    written = Q.mean(x_0, x_t, bar_s, bar_t, sigma**2)
    return together(exactly(sp.expand(weighted), sp.expand(written)), exactly(in_words, written))
