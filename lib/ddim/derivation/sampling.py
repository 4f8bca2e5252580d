"""Steps I17 to I23: the sampler, without noise and with, along any levels that one likes."""

import numpy as np
import sympy as sp

from lib.ddim.derivation.quantities import (
    DATA_VARIANCE,
    SHARES,
    X_0,
    Q,
    bar_s,
    bar_t,
    best_noise,
    exactly,
    schedule,
)
from lib.ddpm.derivation.quantities import Q as DDPM
from lib.ddpm.derivation.quantities import (
    alpha,
    alpha_bar,
    alpha_bar_prev,
    eps,
    eps_hat,
    noised_points,
    sigma,
    x_0,
    x_t,
    z,
)
from lib.derivation import Gaussian, Steps, at_most, gaussian, numeric, symbolic, together

steps = Steps()
bar_u = sp.Symbol("bar_u", positive=True)  # a level between s and t
STEP = (
    r"x_{t-1}=\sqrt{\bar\alpha_{t-1}}\;\hat x_0+\sqrt{1-\bar\alpha_{t-1}-\sigma_t^2}\;\,\epsilon_\theta(x_t,t)"
    r"+\sigma_tz"
)


def variance_at_the_end(num_steps, eta):
    """Of the samples, from unit variance, with a perfect network for data of variance 0.25 and 1,000 levels"""
    bars = schedule()[1]
    tau = np.linspace(0, 1000, num_steps + 1).round().astype(int)
    variance = 1.0
    for i in range(num_steps, 0, -1):
        below, level = Q.level(bars, tau, i - 1), Q.level(bars, tau, i)
        std = Q.eta_std(below, level, eta)
        signal = Q.step(1.0, best_noise(1.0, level), below, level, std, 0.0)
        variance = signal**2 * variance + Q.step(0.0, 0.0, below, level, std, 1.0) ** 2
    return variance


@steps.add(
    "I17",
    r"x_{t-1}\sim q_\sigma(x_{t-1}\mid x_t,\hat x_0),\quad"
    r"\hat x_0=\frac{x_t-\sqrt{1-\bar\alpha_t}\;\epsilon_\theta(x_t,t)}{\sqrt{\bar\alpha_t}}",
    STEP + r",\quad z\sim\mathcal N(0,I)",
    kind="symbolic",
    title="one step of the sampler",
)
def _():
    r"""Put the guess into I06. The noise that is in $x_t$ if $\hat x_0$ is the picture is $\epsilon_\theta$ itself,
    so the direction needs no computing. Three terms: guessed picture, old noise, fresh noise; the fresh noise is
    multiplied by a standard deviation."""
    guess = Q.x_0_hat(x_t, eps_hat, bar_t)
    made = Q.step(x_t, eps_hat, bar_s, bar_t, sigma, z)
    drawn = Q.mean(guess, x_t, bar_s, bar_t, sigma**2) + sigma * z
    return together(
        exactly(sp.expand(Q.noise_in(x_t, guess, bar_t)), eps_hat), exactly(sp.expand(drawn), sp.expand(made))
    )


@steps.add(
    "I18",
    r"x_{t-1}=\sqrt{\bar\alpha_{t-1}}\;\hat x_0+\sqrt{1-\bar\alpha_{t-1}}\;\,\epsilon_\theta(x_t,t)\quad"
    r"\text{at}\ \sigma_t=0",
    kind="symbolic",
    title="no fresh noise at all",
)
def _():
    r"""This member of the family is called DDIM. Nothing is drawn after $x_T$, so the picture is a function of it:
    the same start gives the same picture, and $x_T$ becomes a code. That is the *implicit* in the name; a formula
    for the density of the pictures does not come with it."""
    guess = Q.x_0_hat(x_t, eps_hat, bar_t)
    made = Q.step(x_t, eps_hat, bar_s, bar_t, sp.Integer(0), z)
    return together(exactly(sp.expand(made), sp.expand(DDPM.jump(guess, bar_s, eps_hat))), exactly(sp.diff(made, z), 0))


@steps.add(
    "I19",
    r"x_{t-1}=\sqrt{\frac{\bar\alpha_{t-1}}{\bar\alpha_t}}\;x_t+\Big(\sqrt{1-\bar\alpha_{t-1}}"
    r"-\sqrt{\frac{\bar\alpha_{t-1}(1-\bar\alpha_t)}{\bar\alpha_t}}\,\Big)\,\epsilon_\theta(x_t,t)",
    kind="symbolic",
    title="two factors are enough",
)
def _():
    r"""Sort by $x_t$ and $\epsilon_\theta$, and the step is a weighted sum whose weights the schedule fixes: make the
    image brighter, take noise away. The second factor is negative on the way down. With a plus there the sampler
    would add the noise that it has just found."""
    made = sp.expand(Q.step(x_t, eps_hat, bar_s, bar_t, sp.Integer(0), z))
    of_x_t, of_noise = Q.collected(bar_s, bar_t)
    return together(
        exactly(made.coeff(x_t), of_x_t),
        exactly(made.coeff(eps_hat), of_noise),
        at_most(Q.collected(0.6, 0.54)[1], 0),
    )


def variance_along(tau, share):
    """Of x_tau_1 given x_0, and its mean; pushed down from x_tau_S by exact steps with this share of fresh noise"""
    bars = schedule()[1]
    mean, variance = DDPM.marginal(X_0, Q.level(bars, tau, -1))
    for i in range(len(tau) - 1, 0, -1):
        below, level = Q.level(bars, tau, i - 1), Q.level(bars, tau, i)
        fresh = share * Q.largest_variance(below)
        slope = Q.weight_of_x_t(below, level, fresh)
        mean, variance = Q.mean(X_0, mean, below, level, fresh), slope**2 * variance + fresh
    return mean, variance


@steps.add(
    "I20",
    r"t\;\to\;t-1",
    r"\tau_i\;\to\;\tau_{i-1},\quad0=\tau_0<\tau_1<\dots<\tau_S\le T",
    kind="gaussian",
    title="leave levels out",
)
def _():
    r"""Look back: no step from I03 on used that the two levels are neighbours. So write down the family for any
    rising list of levels; the network knows them all. The list holds *levels*, and it is $\tau_i$ that the network
    and $\bar\alpha$ are asked for, not the position $i$. If $\sigma_t=0$ and the answer
    $\epsilon_\theta$ does not change on the way, one long step is even the same as two short ones."""
    level = Gaussian.of(*DDPM.marginal(x_0, bar_t))
    slope = Q.weight_of_x_t(bar_s, bar_t, sigma**2)
    below = level.image([[slope]], shift=[Q.weight_of_x_0(bar_s, bar_t, sigma**2) * x_0], noise=[[sigma**2]])
    tau, goal = np.array([100, 130, 400, 410, 1000]), DDPM.marginal(X_0, schedule()[1][100])
    middle = Q.step(x_t, eps_hat, bar_u, bar_t, sp.Integer(0), z)
    twice, once = (Q.step(x, eps_hat, bar_s, bar, sp.Integer(0), z) for x, bar in ((middle, bar_u), (x_t, bar_t)))
    return together(
        gaussian(below, Gaussian.of(*DDPM.marginal(x_0, bar_s))),
        *(numeric(variance_along(tau, share), goal) for share in SHARES),
        symbolic(sp.expand(twice), sp.expand(once)),
    )


@steps.add(
    "I21",
    r"x_s=\sqrt{\bar\alpha_s}\;\hat x_0+\sqrt{1-\bar\alpha_s}\;\,\epsilon_\theta(x_t,t)",
    r"x_0=\hat x_0\quad\text{for}\ s=0",
    kind="symbolic",
    title="why not in one jump?",
)
def _():
    r"""With $\bar\alpha_0=1$ a single jump lands on the guess. It would be exact if the network knew the noise; it
    knows the *average* of all noises that may be hidden in $x_t$, so it lands on an average of pictures. If the
    data are $-1$ and $1$, the jump from $x_t=0.3$ at $\bar\alpha_t=0.1$ lands on 0.105: no data at all. Steps in
    between let the network make up its mind."""
    jump = Q.step(x_t, eps_hat, sp.Integer(1), bar_t, sp.Integer(0), z)
    known = jump.subs({eps_hat: eps, x_t: DDPM.jump(x_0, bar_t, eps)})
    tiny = 1e-20  # a complex step gives the slope without rounding
    slope = np.log(noised_points(0.3 + 1j * tiny, 0.1)).imag / tiny
    landed = Q.step(0.3, -np.sqrt(0.9) * slope, 1.0, 0.1, 0.0, 0.0)
    return together(
        exactly(jump, Q.x_0_hat(x_t, eps_hat, bar_t)),
        exactly(sp.expand(known), x_0),
        numeric(landed, np.tanh(np.sqrt(0.1) * 0.3 / 0.9)),
    )


@steps.add(
    "I22",
    r"\sigma_t(\eta)=\eta\,\sqrt{\frac{1-\bar\alpha_s}{1-\bar\alpha_t}\Big(1-\frac{\bar\alpha_t}{\bar\alpha_s}\Big)}",
    r"\sigma_t(0)=0,\quad\sigma_t(1)^2=\tilde\beta_t,\quad\hat\sigma_t=\sqrt{1-\frac{\bar\alpha_t}{\bar\alpha_s}}",
    kind="symbolic",
    title="one slider from DDIM to DDPM",
)
def _():
    r"""$\eta$ multiplies the standard deviation, so $\eta=0.5$ gives a quarter of the variance. The paper's
    $\hat\sigma$ is the larger noise of DDPM, $\sqrt{\beta_t}$ for neighbours; it is put into the noise term only,
    while the direction stays that of $\eta=1$. So it is no member of the family: each step leaves more noise than
    the level has, by $\hat\sigma_t^2-\tilde\beta_t$, which is little for neighbours and a lot for long steps."""
    tilde, hat = Q.beta_tilde(bar_s, bar_t), Q.sigma_hat(bar_s, bar_t)
    too_much = Q.largest_variance(bar_s) - Q.eta_std(bar_s, bar_t, 1) ** 2 + hat**2 - (1 - bar_s)
    bars = schedule()[1]
    near, far = (float(too_much.subs({bar_s: bars[t - step], bar_t: bars[t]})) for t, step in ((200, 1), (200, 100)))
    return together(
        exactly(Q.eta_std(bar_s, bar_t, sp.Rational(1, 2)) ** 2, tilde / 4),
        exactly(Q.eta_std(bar_s, bar_t, 0), 0),
        exactly(Q.sigma_hat(alpha_bar_prev, alpha_bar) ** 2, 1 - alpha),
        exactly(too_much, hat**2 - tilde),
        numeric(np.round([near, far], 3), [0.0, 0.185]),
    )


@steps.add(
    "I23",
    r"x_T\sim\mathcal N(0,I)\;\to\;x_{\tau_S}\;\to\;\dots\;\to\;x_0",
    r"\operatorname{Var}(x_0)=0.243\ (\eta=0),\quad0.233\ (\eta=1)\quad\text{after 200 steps; the data have}\ 0.25",
    kind="numeric",
    title="from end to end",
)
def _():
    r"""Let the whole sampler run on data from $\mathcal N(0,0.25)$, where the best $\epsilon_\theta$ is known and the
    variance of the samples can be followed exactly. Both ends of the slider come near, and nearer with more steps.
    What is missing is not the network's fault but the price of long steps, and steps with noise pay more: with 20 of
    them 0.186 against 0.153."""
    reached = [[variance_at_the_end(num_steps, eta) for eta in (0, 1)] for num_steps in (20, 200, 1000)]
    gaps = DATA_VARIANCE - np.array(reached)
    return together(
        numeric(np.round(reached, 3), [[0.186, 0.153], [0.243, 0.233], [0.248, 0.246]]),
        *(at_most(gap[0], gap[1]) for gap in gaps),
    )
