"""Steps C08-C12: how the codebook learns."""

import numpy as np

from lib.derivation import Steps, numeric, symbolic, together
from lib.vqvae.derivation.quantities import CODES, D, Q, Z, e, gamma, m, n, n_bar, rho

steps = Steps()


@steps.add(
    "C08",
    r"\arg\min_{e_j} \sum_{i:\, k_i = j} \lVert z_i - e_j \rVert^2",
    r"\frac{m_j}{n_j}, \quad m_j = \sum_{i:\, k_i = j} z_i",
    kind="numeric",
    title="the best code is a mean",
)
def _():
    """Place $i$ of the batch says $z_i$ and chose code $k_i$; $n_j$ places chose code $j$. Hold the choices still. The
    codebook term is then a sum of squares, smallest at the mean of the vectors that chose the code; any other $e_j$
    costs its squared distance from there, once for each of them. Choosing and averaging in turn is k-means."""
    own = Z[Q.score(Z, CODES).argmin(1) == 0]
    best, other = Q.best_code(own), CODES[0]
    cost = lambda code: np.square(own - code).sum()  # noqa: E731
    return numeric(cost(other) - cost(best), len(own) * np.square(other - best).sum())


@steps.add(
    "C09",
    r"\bar n_j \leftarrow \gamma \bar n_j + (1 - \gamma)\, n_j, "
    r"\quad \bar m_j \leftarrow \gamma \bar m_j + (1 - \gamma)\, m_j, \quad e_j = \frac{\bar m_j}{\bar n_j}",
    r"e_j = \frac{m_j + \gamma m_j^{(-1)} + \gamma^2 m_j^{(-2)} + \dots}"
    r"{n_j + \gamma n_j^{(-1)} + \gamma^2 n_j^{(-2)} + \dots}",
    kind="numeric",
    title="a mean that forgets",
)
def _():
    """Batches come one at a time and the encoder changes. So count and add up with a memory, the running mean
    $\\bar n_j$ of the counts and $\\bar m_j$ of the sums: each batch fades by $\\gamma$ with every later one;
    $m_j^{(-1)}$ is the sum of the batch before. The code is the mean of all vectors that chose it, *old ones weighing
    less*."""
    counts, sums, decay = np.array([3.0, 1.0, 4.0]), np.random.default_rng(1).normal(size=(3, D)), 0.8
    n_run, m_run = 0.0, np.zeros(D)
    for count, total in zip(counts, sums, strict=True):
        n_run, m_run = Q.running(n_run, count, decay), Q.running(m_run, total, decay)
    fade = decay ** np.array([2, 1, 0])
    return numeric(m_run / n_run, fade @ sums / (fade @ counts))


@steps.add(
    "C10",
    r"e_j \leftarrow \frac{\gamma \bar n_j e_j + (1 - \gamma)\, m_j}{\gamma \bar n_j + (1 - \gamma)\, n_j}",
    r"e_j \leftarrow e_j + \rho_j \left( \frac{m_j}{n_j} - e_j \right), "
    r"\quad \rho_j = \frac{(1 - \gamma)\, n_j}{\gamma \bar n_j + (1 - \gamma)\, n_j}",
    kind="symbolic",
    title="online k-means",
)
def _():
    """Insert $\\bar m_j = \\bar n_j e_j$ and sort the terms by $e_j$: the code walks a part $\\rho_j$ of the way to the
    mean $m_j / n_j$ of its new vectors. With $\\gamma = 0$ it goes all the way, one step of k-means."""
    new = Q.running(n_bar * e, m, gamma) / Q.running(n_bar, n, gamma)
    step = Q.step_size(n_bar, n, gamma)
    return together(symbolic(new, e + step * (m / n - e)), symbolic(Q.step_size(n_bar, n, 0), 1))


@steps.add(
    "C11",
    r"e_j - \rho\, \frac{\partial}{\partial e_j} \frac{1}{n_j} \sum_{i:\, k_i = j} \lVert z_i - e_j \rVert^2",
    r"e_j + 2 \rho \left( \frac{m_j}{n_j} - e_j \right)",
    kind="symbolic",
    title="and gradient descent",
)
def _():
    """A gradient step of rate $\\rho$ on the codebook term walks the same way. So both rules do the same, with another
    step length: the running mean chooses its own, long while a code is young or suddenly popular."""
    return symbolic(e - rho * Q.codebook_gradient(m / n, e), e + 2 * rho * (m / n - e))


@steps.add(
    "C12",
    r"n_j = 0",
    r"e_j \leftarrow \frac{\gamma \bar m_j}{\gamma \bar n_j} = e_j",
    kind="symbolic",
    title="dead codes stay dead",
)
def _():
    """A code that no vector chose does not move, under either rule. So it is as far away as before, and nobody chooses
    it the next time. Only a *restart* among the vectors of today helps."""
    new = Q.running(n_bar * e, 0, gamma) / Q.running(n_bar, 0, gamma)
    return together(symbolic(new, e), symbolic(Q.step_size(n_bar, 0, gamma), 0))
