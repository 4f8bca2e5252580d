"""Steps G01 to G06: noise is a score, Bayes' rule is a sum of scores, and a scale is an exponent."""

import numpy as np
import sympy as sp

from lib.ddpm.derivation.quantities import Q as DDPM
from lib.ddpm.derivation.quantities import alpha, alpha_bar_prev, eps, exactly, x_0, x_t
from lib.derivation import Steps, at_most, integrate, log_normal_density, quadrature, together
from lib.guidance.derivation.quantities import (
    BAR,
    GRID,
    SCALE,
    SHARES,
    WANTED,
    Q,
    best_noise,
    of_all,
    of_class,
    slope,
)

steps = Steps()
alpha_bar = alpha * alpha_bar_prev


def log_verdict(x):
    """log q(y | x_t) for the class that we want"""
    return np.log(Q.verdict(x, BAR))


def tilted(x, scale=SCALE):
    """q(x_t) q(y | x_t)^scale, not normalised"""
    return of_all(x) * (SHARES[WANTED] * of_class(x, WANTED) / of_all(x)) ** scale


def mean_and_wanted(scale):
    """Of the tilted density: its mean, and the mean verdict for the class that we want"""
    mass = integrate(lambda x: tilted(x, scale))
    return [
        integrate(lambda x, f=f: tilted(x, scale) * f(x)) / mass for f in (lambda x: x, lambda x: Q.verdict(x, BAR))
    ]


@steps.add(
    "G01",
    r"x_t=\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\;\epsilon",
    r"\nabla_{x_t}\log q(x_t\mid x_0)=-\frac{\epsilon}{\sqrt{1-\bar\alpha_t}}",
    kind="symbolic",
    title="noise is a slope",
)
def _():
    r"""Differentiate the logarithm of a Gaussian: the way back to its middle, divided by the variance. That way *is*
    the noise, up to its strength. The slope points uphill, where the density is higher, and so against the noise:
    hence the minus, from which every sign in this chapter comes."""
    uphill = sp.diff(log_normal_density(x_t, *DDPM.marginal(x_0, alpha_bar)), x_t)
    return exactly(sp.together(uphill.subs(x_t, DDPM.jump(x_0, alpha_bar, eps))), Q.score(eps, alpha_bar))


@steps.add(
    "G02",
    r"\epsilon_\theta(x_t,t)\approx\mathbb E[\epsilon\mid x_t]",
    r"\nabla_{x_t}\log q(x_t)=-\frac{\mathbb E[\epsilon\mid x_t]}{\sqrt{1-\bar\alpha_t}}",
    kind="quadrature",
    title="the network knows the slope",
)
def _():
    r"""Many pictures may hide in $x_t$; averaging G01 over them gives the slope of the whole density, and the average
    noise is what a trained network answers (D097). The same holds among the pictures of one class. The check averages
    over all noises by force, and differentiates the density."""
    whole, one = slope(lambda x: np.log(of_all(x)), GRID), slope(lambda x: np.log(of_class(x, WANTED)), GRID)
    return together(
        quadrature(Q.score(best_noise(GRID), BAR), whole), quadrature(Q.score(best_noise(GRID, WANTED), BAR), one)
    )


@steps.add(
    "G03",
    r"q(x_t\mid y)=\frac{q(x_t)\,q(y\mid x_t)}{q(y)}",
    r"\log q(x_t\mid y)=\log q(x_t)+\log q(y\mid x_t)-\log q(y)",
    kind="quadrature",
    title="Bayes' rule at a noise level",
)
def _():
    r"""$q(y\mid x_t)$ is a classifier that sees *noisy* pictures. It is the average of the clean verdicts over all
    pictures that may hide in $x_t$, and so more careful than a classifier of clean pictures, asked about the same
    numbers: 0.48 against 0.67 at $x_t=0.3$. That is why the classifier must be trained on noise."""
    clean = np.linspace(-9, 9, 3601)[:, None]
    hidden = of_all(clean, 1.0) * np.exp(log_normal_density(GRID, *DDPM.marginal(clean, BAR)))
    averaged = (hidden * Q.verdict(clean, 1.0)).sum(0) / hidden.sum(0)
    return together(
        quadrature(averaged, Q.verdict(GRID, BAR)),
        quadrature(np.log(of_all(GRID)) + log_verdict(GRID) - np.log(SHARES[WANTED]), np.log(of_class(GRID, WANTED))),
        quadrature(np.round([Q.verdict(0.3, bar) for bar in (BAR, 1.0)], 2), [0.48, 0.67]),
    )


@steps.add(
    "G04",
    r"\nabla_{x_t}\log q(x_t\mid y)=\nabla_{x_t}\log q(x_t)+\nabla_{x_t}\log q(y\mid x_t)",
    kind="quadrature",
    title="scores add",
)
def _():
    r"""Differentiate by $x_t$: how common the class is, $q(y)$, does not depend on it and drops out. An unconditional
    network gives the first term, a classifier the second, and neither was trained with the other in mind."""
    whole, one = slope(lambda x: np.log(of_all(x)), GRID), slope(lambda x: np.log(of_class(x, WANTED)), GRID)
    return quadrature(Q.guided_score(whole, slope(log_verdict, GRID), 1.0), one)


@steps.add(
    "G05",
    r"\nabla\log q(x_t)+s\,\nabla\log q(y\mid x_t)",
    r"\nabla\log\big[q(x_t)\;q(y\mid x_t)^s\big]",
    kind="quadrature",
    title="a scale is an exponent",
)
def _():
    r"""A factor before a logarithm is a power inside it. $s=0$ is the plain model, $s=1$ is Bayes, $s>1$ trusts the
    classifier more than it deserves: what it is sure of gains, what it doubts dies out. In the check the mean verdict
    climbs from 0.40 over 0.75 to 0.89 at $s=0,1,3$."""
    pushed = Q.guided_score(slope(lambda x: np.log(of_all(x)), GRID), slope(log_verdict, GRID), SCALE)
    climbs = [mean_and_wanted(scale)[1] for scale in (0.0, 1.0, SCALE)]
    return together(
        quadrature(pushed, slope(lambda x: np.log(tilted(x)), GRID)), quadrature(np.round(climbs, 2), [0.4, 0.75, 0.89])
    )


@steps.add(
    "G06",
    r"-\frac{\hat\epsilon}{\sqrt{1-\bar\alpha_t}}=-\frac{\epsilon_\theta}{\sqrt{1-\bar\alpha_t}}"
    r"+s\,\nabla\log q(y\mid x_t)",
    r"\hat\epsilon=\epsilon_\theta(x_t,t)-s\,\sqrt{1-\bar\alpha_t}\;\nabla_{x_t}\log p_\phi(y\mid x_t)",
    kind="quadrature",
    title="translate it into noise",
)
def _():
    r"""The sampler wants noise, not slopes, so multiply by $-\sqrt{1-\bar\alpha_t}$: here the *minus* and the factor
    are born. Taking the noise away then moves the picture uphill. The factor is the strength of *all* the noise at
    this level, not the $\sigma_t$ that a sampler adds in one step, and which is 0 in DDIM."""
    push = slope(log_verdict, GRID)
    guided = Q.guided_eps(best_noise(GRID), push, BAR, SCALE)
    picture = [DDPM.x_0_hat(GRID, noise, BAR) for noise in (guided, best_noise(GRID))]
    return together(
        quadrature(Q.score(guided, BAR), slope(lambda x: np.log(tilted(x)), GRID)),
        at_most(0, ((picture[0] - picture[1]) * np.sign(push)).min()),
    )
