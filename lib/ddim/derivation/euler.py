"""Steps I24 to I29: the deterministic step is Euler's method, in the right variables; what follows from that."""

import numpy as np
import sympy as sp

from lib.ddim.derivation.quantities import (
    DATA_VARIANCE,
    Q,
    bar_s,
    bar_t,
    best_noise,
    continuous_bar,
    exactly,
    schedule,
)
from lib.ddpm.derivation.quantities import eps_hat, x_t, z
from lib.derivation import Steps, at_most, numeric, symbolic, together

steps = Steps()
w, rate = sp.symbols("w rate", positive=True)  # sigma_bar squared, and how fast it grows


def downwards(num_steps, x=1.0, noise=best_noise):
    """x at time 0 by DDIM from x at time 1"""
    times = np.linspace(1, 0, num_steps + 1)
    for level, below in zip(continuous_bar(times), continuous_bar(times[1:]), strict=False):
        x = Q.step(x, noise(x, level), below, level, 0.0, 0.0)
    return x


def upwards(num_steps, x=0.5):
    """x at time 1 by the same formula, with the network asked at the level where we are"""
    times = np.linspace(0, 1, num_steps + 1)
    for level, above in zip(continuous_bar(times), continuous_bar(times[1:]), strict=False):
        x = Q.step(x, best_noise(x, level), above, level, 0.0, 0.0)
    return x


def euler_in_time(num_steps, x, noise):
    """x at time 0 by Euler's method with equal steps in t"""
    times = np.linspace(1, 0, num_steps + 1)
    for t in times[:-1]:
        bar = continuous_bar(t)
        x = x - Q.velocity(x, noise(x, bar), 0.1 + 19.9 * t, bar) / num_steps
    return x


@steps.add(
    "I24",
    r"x_s=\sqrt{\frac{\bar\alpha_s}{\bar\alpha_t}}\;x_t+\Big(\sqrt{1-\bar\alpha_s}"
    r"-\sqrt{\frac{\bar\alpha_s(1-\bar\alpha_t)}{\bar\alpha_t}}\,\Big)\,\epsilon_\theta(x_t,t)",
    r"\bar x_s=\bar x_t+(\bar\sigma_s-\bar\sigma_t)\,\epsilon_\theta(x_t,t),\quad"
    r"\bar x=\frac{x}{\sqrt{\bar\alpha}},\quad\bar\sigma=\sqrt{\frac{1-\bar\alpha}{\bar\alpha}}",
    kind="symbolic",
    title="divide the brightness out",
)
def _():
    r"""Divide I19 by $\sqrt{\bar\alpha_s}$. In $\bar x=x_0+\bar\sigma\epsilon$ the picture keeps its brightness and
    only the noise grows, from 0 to about 157 at $t=1000$. And the roots have gone into the two new names: new
    value = old value + change of $\bar\sigma$ times what the network says."""
    made = Q.step(x_t, eps_hat, bar_s, bar_t, sp.Integer(0), z) / sp.sqrt(bar_s)
    moved = Q.euler(x_t / sp.sqrt(bar_t), eps_hat, Q.sigma_bar(bar_s), Q.sigma_bar(bar_t))
    factors = Q.collected(bar_s, bar_t)
    return together(
        exactly(sp.expand(made), sp.expand(moved)),
        numeric(np.round(Q.sigma_bar(schedule()[1][1000])), 157),
        exactly((factors[0] * x_t + factors[1] * eps_hat) / sp.sqrt(bar_s), sp.expand(moved)),
    )


@steps.add(
    "I25",
    r"\frac{dx}{dt}=-\tfrac12\beta(t)\,x+\frac{\beta(t)}{2\sqrt{1-\bar\alpha}}\;\epsilon_\theta(x,t),\quad"
    r"\frac{d\bar\alpha}{dt}=-\beta(t)\,\bar\alpha",
    r"\frac{d\bar x}{d\bar\sigma}=\epsilon_\theta(x,t)",
    kind="symbolic",
    title="an equation of motion",
)
def _():
    r"""Make the steps of I24 ever smaller and a differential equation is left, as short as they come. Its long form
    in $t$ is the probability-flow equation of a later chapter. Both say the same, because the product rule for
    $x/\sqrt{\bar\alpha}$ eats the first term."""
    t = sp.Symbol("t", positive=True)
    variance = sp.Function("w", positive=True)(t)  # sigma_bar^2; alpha_bar = 1 / (1 + w) then, and beta = w' / (1 + w)
    bar, growth = 1 / (1 + variance), sp.diff(variance, t)

    def plain(expression):
        return expression.subs(growth, rate).subs(variance, w)

    moved = Q.velocity(x_t, eps_hat, growth / (1 + variance), bar)
    of_x_bar = moved / sp.sqrt(bar) + x_t * sp.diff(1 / sp.sqrt(bar), t)
    change = eps_hat * sp.diff(sp.sqrt(variance), t)
    return together(
        symbolic(sp.simplify(plain(of_x_bar)), sp.simplify(plain(change))),
        symbolic(sp.simplify(Q.sigma_bar(1 / (1 + w))), sp.sqrt(w)),
        symbolic(sp.simplify(plain(-sp.diff(sp.log(bar), t))), rate / (1 + w)),
    )


@steps.add(
    "I26",
    r"\bar x_{i-1}=\bar x_i+(\bar\sigma_{i-1}-\bar\sigma_i)\,\frac{d\bar x}{d\bar\sigma}\Big\rvert_i",
    r"\text{Euler's method in}\ (\bar x,\bar\sigma)=\text{DDIM with}\ \eta=0",
    kind="numeric",
    title="an old acquaintance",
)
def _():
    r"""Go straight on along the slope for the length of a step, ask for the slope again: this is the oldest way to
    solve a differential equation. The check walks 20 steps with both formulas and finds the same numbers."""
    times = np.linspace(1, 0, 21)
    bars, x_bar = continuous_bar(times), 1.0 / np.sqrt(continuous_bar(1.0))
    for level, below in zip(bars, bars[1:], strict=False):
        noise = best_noise(x_bar * np.sqrt(level), level)
        x_bar = Q.euler(x_bar, noise, Q.sigma_bar(below), Q.sigma_bar(level))
    return numeric(x_bar, downwards(20), tol=1e-12)


@steps.add(
    "I27",
    r"\bar x_s=\bar x_t+(\bar\sigma_s-\bar\sigma_t)\,\epsilon_\theta",
    r"\ne\;\text{Euler's method in}\ t",
    kind="numeric",
    title="the variables matter",
)
def _():
    r"""Euler's method in $t$ solves the same equation with other numbers. Suppose all data are one picture, 1.5:
    then $\epsilon_\theta$ is constant along the way, the path in $(\bar x,\bar\sigma)$ is a straight line, and a
    single step of DDIM is exact, while ten steps in $t$ miss by 0.107. It is not always the better one: on the
    Gaussian of I28 the steps in $t$ are nearer."""

    def noise(x, bar):
        return (x - np.sqrt(bar) * 1.5) / np.sqrt(1 - bar)

    exact = Q.flow(1.0, 1.0, continuous_bar(1.0), DATA_VARIANCE)
    return together(
        numeric(downwards(1, noise=noise), 1.5),
        numeric(np.round(euler_in_time(10, 1.0, noise) - 1.5, 3), 0.107),
        at_most(abs(euler_in_time(20, 1.0, best_noise) - exact), abs(downwards(20) - exact)),
    )


@steps.add(
    "I28",
    r"x_s=x_t\,\sqrt{\frac{\bar\alpha_sv+1-\bar\alpha_s}{\bar\alpha_tv+1-\bar\alpha_t}}\quad\text{exactly, for data}\ "
    r"\mathcal N(0,v)",
    r"\lvert\text{DDIM with}\ n\ \text{steps}-\text{exact}\rvert=O\Big(\frac1n\Big)",
    kind="numeric",
    title="half the error for twice the steps",
)
def _():
    r"""For Gaussian data the equation can be solved with pencil and paper: $x$ keeps its place relative to the
    spread of its level. Against this the error can be measured, and it halves when the steps double: order 1, as
    Euler promises. Methods of higher order do better with the same network, and a later chapter builds one."""
    variance = sp.Symbol("v", positive=True)
    solution = sp.sqrt(variance + w)  # of x_bar, up to a factor; alpha_bar = 1 / (1 + w)
    slope = sp.diff(solution, w) * 2 * sp.sqrt(w)  # by sigma_bar = sqrt(w)
    perfect = sp.sqrt(w / (1 + w)) * solution / sp.sqrt(1 + w) / (variance / (1 + w) + w / (1 + w))
    flowed = Q.flow(solution / sp.sqrt(1 + w), sp.Integer(1), 1 / (1 + w), variance)
    exact = Q.flow(1.0, 1.0, continuous_bar(1.0), DATA_VARIANCE)
    errors = np.array([abs(downwards(n) - exact) for n in (80, 160, 320)])
    return together(
        symbolic(sp.simplify(slope - perfect), 0),
        symbolic(sp.simplify(flowed**2), variance),
        numeric(np.log2(errors[:-1] / errors[1:]), 1, tol=0.1),
    )


@steps.add(
    "I29",
    r"\bar x_s=\bar x_t+(\bar\sigma_s-\bar\sigma_t)\,\epsilon_\theta(x_t,t)",
    r"\bar x_t\approx\bar x_s+(\bar\sigma_t-\bar\sigma_s)\,\epsilon_\theta(x_s,s)",
    kind="numeric",
    title="the way back up",
)
def _():
    r"""An equation of motion can be run backwards, so a picture can be turned into the noise that makes it. To undo a
    step exactly we would need $\epsilon_\theta(x_t,t)$, at the point where we are going; we take it where we are.
    The error is that of Euler again: there and back in 40, 80 and 160 steps loses 14, 7 and 4 percent."""
    there = Q.step(x_t, eps_hat, bar_s, bar_t, sp.Integer(0), z)
    back = Q.step(there, eps_hat, bar_t, bar_s, sp.Integer(0), z)
    lost = np.array([1 - downwards(n, upwards(n)) / 0.5 for n in (40, 80, 160)])
    return together(
        exactly(sp.expand(back), x_t),
        numeric(np.round(lost, 2), [0.14, 0.07, 0.04]),
        at_most(lost[2], 0.6 * lost[1]),
    )
