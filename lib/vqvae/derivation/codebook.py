"""Steps C08-C12: how the codebook learns."""

import numpy as np

from lib.derivation import Steps, numeric, symbolic, together
from lib.vqvae.derivation.quantities import CODES, D, Q, Z, e, gamma, mean, n, n_old, rate

steps = Steps()


@steps.add(
    "C08",
    r"\arg\min_e \sum_{n:\, k_n = j} \lVert z_n - e \rVert^2",
    r"\frac{1}{n_j} \sum_{n:\, k_n = j} z_n",
    kind="numeric",
    title="the best code is a mean",
)
def _():
    """Hold the choices still. The codebook term is then a sum of squares, smallest at the mean of the vectors that
    chose the code; any other $e$ costs its squared distance from there, once for each of them. Choosing and
    averaging in turn is $k$-means."""
    own = Z[Q.score(Z, CODES).argmin(1) == 0]
    best, other = Q.best_code(own), CODES[0]
    cost = lambda code: np.square(own - code).sum()  # noqa: E731
    return numeric(cost(other) - cost(best), len(own) * np.square(other - best).sum())


@steps.add(
    "C09",
    r"N \leftarrow \gamma N + (1 - \gamma)\, n, \quad M \leftarrow \gamma M + (1 - \gamma) \sum z_n, "
    r"\quad e = \frac{M}{N}",
    r"e = \frac{\sum_t \gamma^{T - t} \sum_n z_n^{(t)}}{\sum_t \gamma^{T - t}\, n^{(t)}}",
    kind="numeric",
    title="a mean that forgets",
)
def _():
    """Batches come one at a time and the encoder changes. So count and add up with a memory: each batch fades by
    $\\gamma$ with every later one. The code is the mean of all vectors that chose it, *old ones weighing less*."""
    counts, sums, decay = np.array([3.0, 1.0, 4.0]), np.random.default_rng(1).normal(size=(3, D)), 0.8
    big_n, big_m = 0.0, np.zeros(D)
    for count, total in zip(counts, sums, strict=True):
        big_n, big_m = Q.running(big_n, count, decay), Q.running(big_m, total, decay)
    fade = decay ** np.array([2, 1, 0])
    return numeric(big_m / big_n, fade @ sums / (fade @ counts))


@steps.add(
    "C10",
    r"e \leftarrow \frac{\gamma N e + (1 - \gamma)\, n\, \bar z}{\gamma N + (1 - \gamma)\, n}",
    r"e \leftarrow e + \eta\, (\bar z - e), \quad \eta = \frac{(1 - \gamma)\, n}{\gamma N + (1 - \gamma)\, n}",
    kind="symbolic",
    title="online k-means",
)
def _():
    """Sort the terms by $e$: the code walks a part $\\eta$ of the way to the mean $\\bar z$ of its new vectors. With
    $\\gamma = 0$ it goes all the way, one step of $k$-means."""
    new = Q.running(n_old * e, n * mean, gamma) / Q.running(n_old, n, gamma)
    step = Q.step_size(n_old, n, gamma)
    return together(symbolic(new, e + step * (mean - e)), symbolic(Q.step_size(n_old, n, 0), 1))


@steps.add(
    "C11",
    r"e - \eta'\, \frac{\partial}{\partial e} \frac1n \sum_n \lVert z_n - e \rVert^2",
    r"e + 2 \eta'\, (\bar z - e)",
    kind="symbolic",
    title="and gradient descent",
)
def _():
    """A gradient step on the codebook term walks the same way. So both rules do the same, with another step length:
    the running mean chooses its own, long while a code is young or suddenly popular."""
    return symbolic(e - rate * Q.codebook_gradient(mean, e), e + 2 * rate * (mean - e))


@steps.add(
    "C12", r"n = 0", r"e \leftarrow \frac{\gamma M}{\gamma N} = e", kind="symbolic", title="dead codes stay dead"
)
def _():
    """A code that no vector chose does not move, under either rule. So it is as far away as before, and nobody chooses
    it the next time. Only a *restart* among the vectors of today helps."""
    new = Q.running(n_old * e, 0, gamma) / Q.running(n_old, 0, gamma)
    return together(symbolic(new, e), symbolic(Q.step_size(n_old, 0, gamma), 0))
