"""Steps C01-C07: the nearest code, a gradient through a choice, the three terms."""

import numpy as np
import sympy as sp

from lib.derivation import Steps, differ, numeric, symbolic, together
from lib.vqvae.derivation.quantities import CODES, Q, Z, beta, c, e, picture_loss, z

steps = Steps()


@steps.add(
    "C01",
    r"k = \arg\min_j \lVert z_e - e_j \rVert^2",
    r"k = \arg\min_j \left( \lVert e_j \rVert^2 - 2\, z_e \cdot e_j \right)",
    kind="numeric",
    title="the nearest code",
)
def _():
    """Multiply the square out. $\\lVert z_e \\rVert^2$ is the same for all codes and cannot change which is nearest.
    What is left needs one matrix product. It is *not* the largest dot product: a code's own length counts."""
    nearest = np.square(Z[:, None] - CODES).sum(2).argmin(1)
    return together(numeric(Q.score(Z, CODES).argmin(1), nearest), differ((Z @ CODES.T).argmax(1), nearest, by=0.5))


@steps.add(
    "C02",
    r"\frac{\partial}{\partial z_e} E(e_k)",
    r"0 \quad \text{almost everywhere}",
    kind="numeric",
    title="a choice has no slope",
)
def _():
    """$E(z_q)$ is the error of the picture that the decoder makes of $z_q$. Move $z_e$ a little: the same code stays
    nearest, and the error does not change at all. Its true gradient would teach the encoder nothing."""
    look_up = lambda vectors: CODES[Q.score(vectors, CODES).argmin(1)]  # noqa: E731
    shift = 1e-6 * np.random.default_rng(1).normal(size=Z.shape)
    return numeric((look_up(Z + shift) - look_up(Z - shift)) / 2e-6, 0)


@steps.add(
    "C03",
    r"z_q = e_k",
    r"z_q = z_e + \operatorname{sg}[e_k - z_e]",
    kind="symbolic",
    title="the same value, written otherwise",
)
def _():
    """Add and subtract $z_e$, and declare the difference to be a constant. No number changes."""
    return symbolic(Q.straight(z, e - z), e)


@steps.add(
    "C04",
    r"\frac{\partial}{\partial z_e} E(z_e + \operatorname{sg}[e_k - z_e])",
    r"E'(e_k)",
    kind="symbolic",
    title="straight through",
)
def _():
    """Now $z_e$ stands in the formula, and the gradient that arrives at the decoder's input is handed on to the encoder
    as it is. It is the slope *at the code*, where the decoder really was."""
    slope = sp.diff(picture_loss(Q.straight(z, c)), z).subs(c, e - z)
    return symbolic(slope, sp.diff(picture_loss(e), e))


@steps.add(
    "C05",
    r"E'(e_k) - E'(z_e)",
    r"\int_{z_e}^{e_k} \frac{d^2 E}{d r^2}\, dr",
    kind="symbolic",
    title="what the pretence costs",
)
def _():
    """Had the decoder seen $z_e$ itself, the slope would be $E'(z_e)$. The copied one differs by as much as $E'$
    changes at the points $r$ between $z_e$ and its code: little, if the encoder stays *near its codes*. Hence the
    terms that follow."""
    r = sp.Symbol("r", real=True)
    slope = sp.diff(picture_loss(r), r)
    return symbolic(slope.subs(r, e) - slope.subs(r, z), sp.integrate(sp.diff(slope, r), (r, z, e)))


@steps.add(
    "C06",
    r"\frac{\partial}{\partial e_k} E(z_e + \operatorname{sg}[e_k - z_e]) = 0",
    r"\frac{\partial}{\partial e_k} \lVert \operatorname{sg}[z_e] - e_k \rVert^2 = 2\,(e_k - z_e)",
    kind="symbolic",
    title="a term for the codes",
)
def _():
    """The straight-through step hides the codes from the error: they would never move. So they get a term of their own,
    which draws each code towards what chose it."""
    hidden = sp.diff(picture_loss(Q.straight(z, c)), e)
    return together(symbolic(hidden, 0), symbolic(sp.diff((c - e) ** 2, e).subs(c, z), Q.codebook_gradient(z, e)))


@steps.add(
    "C07",
    r"L = E(z_q) + \lVert \operatorname{sg}[z_e] - e_k \rVert^2 "
    r"+ \beta \lVert z_e - \operatorname{sg}[e_k] \rVert^2",
    kind="symbolic",
    title="the three terms",
)
def _():
    """The same distance once more with the other side held still: *commitment*, which draws the encoder to its code,
    with the smaller weight $\\beta$. Both together pull $z_e$ and $e_k$ at each other, the code $1/\\beta$ times as
    hard."""
    encoder = sp.diff(beta * (z - c) ** 2, z).subs(c, e)
    return together(
        symbolic(encoder, Q.commitment_gradient(z, e, beta)),
        symbolic(Q.codebook_gradient(z, e) / Q.commitment_gradient(z, e, beta), -1 / beta),
    )
