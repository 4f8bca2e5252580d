"""Why a linear autoencoder is PCA, in fifteen executed steps on a small cloud of points.

Rows x_n of a cloud, mean mu, centred y_n = x_n - mu; decoder matrix D (P x d), encoder matrix E (d x P).
"""

import numpy as np
import sympy as sp

from lib.derivation import Derivation, Group, Quantities, Steps, at_most, differ, numeric, symbolic, together

_rng = np.random.default_rng(0)
N, P, d = 40, 4, 2
X = _rng.normal(size=(N, P)) @ _rng.normal(size=(P, P)) + 3
MU = X.mean(0)
Y = X - MU
S = Y.T @ Y / N
D, E = _rng.normal(size=(P, d)), _rng.normal(size=(d, P))
U = np.linalg.qr(D)[0]
LAMBDA, V = (part[..., ::-1] for part in np.linalg.eigh(S))


def loss(reconstruct, points: np.ndarray) -> float:
    """Mean squared distance between points and their reconstructions."""
    return float(np.square(points - reconstruct(points)).sum(1).mean())


Q = Quantities(
    best_offset=lambda D, E, mu: mu - D @ E @ mu,
    code=lambda D, y: y @ D @ np.linalg.inv(D.T @ D),  # one row per point
    projector=lambda D: D * (D.T * D).inv() * D.T if isinstance(D, sp.MatrixBase) else D @ np.linalg.inv(D.T @ D) @ D.T,
    variance_kept=lambda U, S: np.trace(U.T @ S @ U),
    shares=lambda W: np.square(W).sum(1),
    eigenvalues=lambda singular, num: singular**2 / num,
    smallest_loss=lambda eigenvalues, d: eigenvalues[d:].sum(),
    encoder=lambda A, V_d: np.linalg.inv(A) @ V_d.T,
)

steps = Steps()


@steps.add(
    "A01",
    r"L = \frac1N \sum_n \lVert x_n - D(E x_n + c) - b \rVert^2",
    r"L = \frac1N \sum_n \lVert x_n - D E x_n - a \rVert^2, \quad a = D c + b",
    kind="numeric",
    title="one offset",
)
def _():
    """The two biases $c$ and $b$ only ever appear together, so call what they add up to $a$."""
    c, b = np.array([0.3, -1.0]), np.array([1.0, 0.5, -2.0, 0.0])
    return numeric(loss(lambda x: (x @ E.T + c) @ D.T + b, X), loss(lambda x: x @ E.T @ D.T + D @ c + b, X))


@steps.add("A02", r"a = \mu - D E \mu, \quad \mu = \frac1N \sum_n x_n", kind="numeric", title="best offset")
def _():
    """Whatever $D$ and $E$ are, a constant that is subtracted is best chosen as the mean of what is left over.
    Any other $a$ costs exactly its squared distance from that mean."""
    best, other = Q.best_offset(D, E, MU), np.array([1.0, -1.0, 0.5, 2.0])
    at_best, at_other = (loss(lambda x, a=a: x @ E.T @ D.T + a, X) for a in (best, other))
    return numeric(at_other - at_best, np.square(other - best).sum())


@steps.add(
    "A03",
    r"L = \frac1N \sum_n \lVert y_n - D E y_n \rVert^2, \quad y_n = x_n - \mu",
    kind="numeric",
    title="centre the cloud",
)
def _():
    """Put that $a$ in, and every $x_n$ stands beside its $\\mu$. So the biases do one thing: they move the cloud to the
    origin. From here on there are none."""
    a = Q.best_offset(D, E, MU)
    return numeric(loss(lambda x: x @ E.T @ D.T + a, X), loss(lambda y: y @ E.T @ D.T, Y))


@steps.add(
    "A04",
    r"\min_{z} \lVert y - D z \rVert^2",
    r"z = (D^\top D)^{-1} D^\top y",
    kind="numeric",
    title="best code for a decoder",
)
def _():
    """Hold the decoder still and ask for the best code of one point. That is least squares: the error $y - Dz$ is
    orthogonal to every column of $D$, or a small change of $z$ would still help. The best encoder is linear."""
    return numeric(Q.code(D, Y), np.linalg.lstsq(D, Y.T, rcond=None)[0].T)


@steps.add(
    "A05",
    r"\hat y = D z = \Pi\, y, \quad \Pi = D (D^\top D)^{-1} D^\top, \quad \Pi^2 = \Pi = \Pi^\top",
    kind="symbolic",
    title="a projection",
)
def _():
    """Decode that code. The matrix $\\Pi$ drops each point perpendicularly onto the flat sheet that the columns of $D$
    span; dropping it twice changes nothing."""
    column = sp.Matrix(sp.symbols("p q r", positive=True))
    projector = Q.projector(column)
    return together(symbolic(projector * projector, projector), symbolic(projector.T, projector))


@steps.add(
    "A06",
    r"D \to D A",
    r"\Pi \to D A (A^\top D^\top D A)^{-1} A^\top D^\top = \Pi",
    kind="symbolic",
    title="only the sheet counts",
)
def _():
    """Mix the columns of $D$ by any invertible matrix $A$: the sheet is the same sheet, and so is the projection. The
    loss cannot see $A$. Keep this in mind for the end."""
    tall, mix = sp.Matrix([[1, 0], [2, 1], [0, 3]]), sp.Matrix(2, 2, sp.symbols("s t u v", positive=True))
    return symbolic(Q.projector(tall * mix), Q.projector(tall))


@steps.add(
    "A07",
    r"\Pi = D (D^\top D)^{-1} D^\top",
    r"\Pi = U U^\top, \quad U^\top U = I",
    kind="numeric",
    title="an orthonormal basis",
)
def _():
    """So use the freedom to make life easy: take for the sheet a basis $U$ of unit vectors at right angles."""
    return together(numeric(U @ U.T, Q.projector(D)), numeric(U.T @ U, np.eye(d)))


@steps.add(
    "A08",
    r"\lVert y - U U^\top y \rVert^2",
    r"\lVert y \rVert^2 - \lVert U^\top y \rVert^2",
    kind="symbolic",
    title="Pythagoras",
)
def _():
    """Point, foot of the perpendicular and origin form a right-angled triangle: what is lost squared is what there was
    squared minus what is kept squared."""
    t, a, b = sp.symbols("t a b", real=True)
    u, y = sp.Matrix([1 - t**2, 2 * t]) / (1 + t**2), sp.Matrix([a, b])  # every direction, by half its angle's tangent
    lost, kept = y - u * (u.T * y), u.T * y
    return symbolic(lost.dot(lost), y.dot(y) - kept.dot(kept))


@steps.add(
    "A09",
    r"L = \operatorname{tr} S - \operatorname{tr}(U^\top S\, U), \quad S = \frac1N \sum_n y_n y_n^\top",
    kind="numeric",
    title="average over the cloud",
)
def _():
    """Averaged over all points, the first term is the total variance of the cloud and the second the variance along the
    sheet, both with $1/N$, because the loss is a mean. *The error is the variance that the sheet leaves out.* The first
    term is fixed; make the second large."""
    return numeric(loss(lambda y: y @ U @ U.T, Y), np.trace(S) - Q.variance_kept(U, S))


@steps.add(
    "A10",
    r"\operatorname{tr}(U^\top S\, U)",
    r"\sum_i \lambda_i w_i, \quad S = V \Lambda V^\top, \quad w_i = \sum_j (V^\top U)_{ij}^2",
    kind="numeric",
    title="look along the eigenvectors",
)
def _():
    """Turn the axes to the eigenvectors of $S$. Then each eigenvalue counts with a share $w_i$: how much of that
    direction lies in the sheet."""
    return numeric(Q.variance_kept(U, S), LAMBDA @ Q.shares(V.T @ U))


@steps.add("A11", r"0 \le w_i \le 1, \quad \sum_i w_i = d", kind="numeric", title="the shares")
def _():
    """A direction cannot lie in the sheet more than wholly, and a sheet of dimension $d$ has $d$ shares to give."""
    w = Q.shares(V.T @ U)
    return together(numeric(w.sum(), d), at_most(w.max(), 1))


@steps.add(
    "A12",
    r"\sum_i \lambda_i w_i \le \lambda_1 + \dots + \lambda_d",
    kind="numeric",
    title="spend them on the largest",
)
def _():
    """With $d$ whole shares to spend, nothing beats the $d$ largest eigenvalues. They are equal if the sheet is spanned
    by their eigenvectors, the principal components. If $\\lambda_d$ is larger than $\\lambda_{d+1}$, no other sheet
    does as well."""
    top = V[:, :d]
    return together(
        at_most(LAMBDA @ Q.shares(V.T @ U), LAMBDA[:d].sum()), numeric(LAMBDA @ Q.shares(V.T @ top), LAMBDA[:d].sum())
    )


@steps.add(
    "A13",
    r"\min_{D, E} L",
    r"\sum_{i > d} \lambda_i",
    kind="numeric",
    title="the smallest loss",
)
def _():
    """What remains are the small eigenvalues. No linear encoder and decoder can do better, however long they are
    trained (Eckart and Young)."""
    top = V[:, :d]
    return numeric(loss(lambda y: y @ top @ top.T, Y), Q.smallest_loss(LAMBDA, d))


@steps.add(
    "A14",
    r"Y = A_{\mathrm{left}}\, \Sigma\, V^\top",
    r"S = V\, \frac{\Sigma^2}{N}\, V^\top, \quad \lambda_i = \frac{\sigma_i^2}{N}",
    kind="numeric",
    title="by singular values",
)
def _():
    """Nobody needs to form $S$: the singular value decomposition of the centred matrix $Y$ has the same $V$. This is
    what the function `pca` computes."""
    return numeric(Q.eigenvalues(np.linalg.svd(Y, compute_uv=False), N), LAMBDA)


@steps.add(
    "A15",
    r"D = V_d, \quad E = V_d^\top",
    r"D = V_d A, \quad E = A^{-1} V_d^\top \quad \text{for every invertible } A",
    kind="numeric",
    title="what stays free",
)
def _():
    """The freedom of step A06 is still there: all these pairs have the smallest loss. Training finds *some* $A$, so the
    code of a linear autoencoder is the PCA code mixed by a matrix nobody chose: the subspace, not the axes."""
    mix, top = np.array([[2.0, 1.0], [-1.0, 0.5]]), V[:, :d]
    decoder, encoder = top @ mix, Q.encoder(mix, top)
    return together(
        numeric(loss(lambda y: y @ encoder.T @ decoder.T, Y), Q.smallest_loss(LAMBDA, d)), differ(decoder, top, by=0.1)
    )


LINEAR_IS_PCA = Derivation(
    name="ae.linear_is_pca",
    title="A linear autoencoder finds the principal subspace",
    steps=tuple(steps),
    zoom={
        5: [
            Group("the biases only centre the cloud", "A01", "A03"),
            Group("every decoder is a flat sheet", "A04", "A07"),
            Group("the error is the variance left out", "A08", "A09"),
            Group("the best sheet: largest eigenvalues", "A10", "A13"),
            Group("computed by SVD; the axes stay free", "A14", "A15"),
        ]
    },
    quantities=Q,
)
