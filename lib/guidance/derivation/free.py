"""Steps G09 to G13: guidance without a classifier, its two conventions, what it is not, and how it is trained."""

import numpy as np
import sympy as sp

from lib.derivation import Gaussian, Steps, differ, numeric, quadrature, symbolic, together
from lib.guidance.derivation.bayes import log_verdict, tilted
from lib.guidance.derivation.quantities import (
    BAR,
    GRID,
    SCALE,
    SHARES,
    WANTED,
    Q,
    best_noise,
    eps_cond,
    eps_uncond,
    of_all,
    of_class,
    slope,
    w,
)

steps = Steps()


@steps.add(
    "G09",
    r"\nabla\log q(y\mid x_t)=\nabla\log q(x_t\mid y)-\nabla\log q(x_t)",
    r"-\frac{\epsilon_\theta(x_t,t,y)-\epsilon_\theta(x_t,t,\varnothing)}{\sqrt{1-\bar\alpha_t}}",
    kind="quadrature",
    title="a classifier that nobody trained",
)
def _():
    r"""Read Bayes' rule the other way round. Two denoisers, one that knows the class and one that does not, contain a
    classifier: where they disagree about the noise, the class matters. Nobody trained it, and its gradient
    is no more than a difference of two answers."""
    difference = Q.implicit_gradient(best_noise(GRID, WANTED), best_noise(GRID), BAR)
    return quadrature(difference, slope(log_verdict, GRID))


@steps.add(
    "G10",
    r"\hat\epsilon=\epsilon_u-s\sqrt{1-\bar\alpha_t}\;\nabla\log q(y\mid x_t)",
    r"\hat\epsilon=\epsilon_u+s\,(\epsilon_c-\epsilon_u),\quad\epsilon_c=\epsilon_\theta(x_t,t,y),\quad"
    r"\epsilon_u=\epsilon_\theta(x_t,t,\varnothing)",
    kind="quadrature",
    title="classifier-free guidance",
)
def _():
    r"""Put G09 into G06: minus times minus, and the roots cancel. Start at the answer without a class and walk towards
    the one with it; $s=1$ arrives there, $s>1$ walks past. It costs two calls of the network in each step."""
    without, with_class = best_noise(GRID), best_noise(GRID, WANTED)
    guided = Q.guide(without, with_class, SCALE)
    return together(
        quadrature(guided, Q.guided_eps(without, slope(log_verdict, GRID), BAR, SCALE)),
        quadrature(Q.score(guided, BAR), slope(lambda x: np.log(tilted(x)), GRID)),
        quadrature(Q.guide(without, with_class, 0.0), without),
        quadrature(Q.guide(without, with_class, 1.0), with_class),
    )


@steps.add(
    "G11",
    r"\epsilon_u+s\,(\epsilon_c-\epsilon_u)",
    r"(1+w)\,\epsilon_c-w\,\epsilon_u,\quad s=1+w",
    kind="symbolic",
    title="two conventions, one slider",
)
def _():
    r"""The paper of Ho and Salimans starts at the *conditional* answer and goes on by $w$; most later papers and
    programs start at the unconditional one. Both walk on the same line, with zero marks at different places: off is
    $w=0$ or $s=1$. A 3 on one slider is a 4 on the other, so say
    which one you mean."""
    ours, theirs = Q.guide(eps_uncond, eps_cond, Q.from_w(w)), Q.guide_by_w(eps_uncond, eps_cond, w)
    confused = [f(0.5, -0.2, 3.0) for f in (Q.guide, Q.guide_by_w)]
    return together(
        symbolic(sp.expand(ours), sp.expand(theirs)),
        symbolic(Q.guide_by_w(eps_uncond, eps_cond, 0), eps_cond),
        symbolic(sp.expand(Q.guide(eps_uncond, eps_cond, 1)), eps_cond),
        differ(*confused, by=0.5),
    )


@steps.add(
    "G12",
    r"q_t(x)\;q_t(y\mid x)^s,\quad q_t=q(x_t)",
    r"\ne\;\text{the data}\ q_0(x)\,q_0(y\mid x)^s\ \text{with noise of level}\ t\quad(s\ne0,1)",
    kind="gaussian",
    title="what it is not",
)
def _():
    r"""One would like to think that we sample from the data, sharpened. But to sharpen at level $t$ is not to noise
    what was sharpened at level 0, so the guided slopes of different levels do not belong to one process. For
    $x_0\sim\mathcal N(0,1)$ and $y\mid x_0\sim\mathcal N(x_0,1)$ the two variances are apart by
    $\frac{s(1-s)\,\bar\alpha(1-\bar\alpha)}{(1+s)(2-\bar\alpha+s\bar\alpha)}$: 0 at $s=0$ and $s=1$ only."""
    bar, scale = sp.symbols("bar s", positive=True)
    noised = Gaussian.of(0, 1).with_image([[sp.sqrt(bar)]], noise=[[1 - bar]])  # (x_0, x_t)
    joint = noised.image([[1, 0], [0, 1], [1, 0]], noise=sp.diag(0, 0, 1))  # (x_0, x_t, y)
    seen = joint.marginal(1, 2).given({0: sp.Symbol("x_t", real=True)})  # y given x_t
    steepness = sp.diff(seen.mean[0], sp.Symbol("x_t", real=True))
    sharpened = 1 / (1 + scale * steepness**2 / seen.covariance[0])  # the variance of x_t is 1
    posterior = 1 / (1 + scale)  # of data with the verdict counted s times
    gap = scale * (1 - scale) * bar * (1 - bar) / ((1 + scale) * (2 - bar + scale * bar))
    ways = Q.noised_then_tilted(scale, bar), Q.tilted_then_noised(scale, bar)
    return together(
        symbolic(sp.together(ways[0]), sp.together(sharpened)),
        symbolic(sp.together(ways[1]), sp.together(bar * posterior + 1 - bar)),
        symbolic(sp.together(ways[0] - ways[1]), gap),
        differ(Q.noised_then_tilted(4.0, 0.5), Q.tilted_then_noised(4.0, 0.5), by=0.15),
    )


def trained(x, drop_prob):
    """Best answers at one x_t of a network with a free number per label: none, class 0, class 1"""
    noise = np.linspace(-9, 9, 1801)
    made_from = (x - np.sqrt(1 - BAR) * noise) / np.sqrt(BAR)
    square, to_noise = np.zeros((3, 3)), np.zeros(3)
    for y, share in enumerate(SHARES):
        density = share * of_class(made_from, y, 1.0) * np.exp(-(noise**2) / 2)
        for label, chance in zip((0, 1 + y), Q.drop(drop_prob, y), strict=True):
            square[label, label] += chance * density.sum()
            to_noise[label] += chance * (density * noise).sum()
    return np.linalg.solve(square, to_noise)


@steps.add(
    "G13",
    r"\arg\min_\theta\;\mathbb E\,\lVert\epsilon-\epsilon_\theta(x_t,t,\tilde y)\rVert^2,\quad"
    r"\tilde y=\varnothing\ \text{with probability}\ p,\ \text{else}\ y",
    r"\epsilon_\theta(x_t,t,\varnothing)=\mathbb E[\epsilon\mid x_t],\quad"
    r"\epsilon_\theta(x_t,t,y)=\mathbb E[\epsilon\mid x_t,y]",
    kind="quadrature",
    title="one network for both",
)
def _():
    r"""Hide the label of a picture now and then, at random, and change nothing else. Where the label is hidden, all
    classes come together and the best answer is the average over all; where it is shown, the average over the class.
    One call per picture, as ever. How often one hides it does not move the best answers, only how much practice each
    gets; with $p=0$ the null label is never practised and the equation has no solution for it."""
    points = (-1.0, 0.2, 1.4)
    densities = of_all, lambda x: of_class(x, 0), lambda x: of_class(x, 1)
    expected = [
        [-np.sqrt(1 - BAR) * slope(lambda x, density=density: np.log(density(x)), x) for density in densities]
        for x in np.array(points)
    ]
    try:
        trained(0.2, 0.0)
        solvable = True
    except np.linalg.LinAlgError:
        solvable = False
    return together(
        quadrature([trained(x, 0.15) for x in points], expected),
        quadrature([trained(x, 0.5) for x in points], expected),
        numeric(solvable, False),
    )
