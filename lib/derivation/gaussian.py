"""Gaussian algebra with symbols: affine images, marginals, conditionals, products, KL divergence, all exact."""

from dataclasses import dataclass
from typing import Any

import sympy as sp


@dataclass(frozen=True)
class Gaussian:
    """N(mean, covariance) with SymPy entries; `Gaussian.of(mean, variance)` makes one of a scalar variable.

    >>> z = Gaussian.of(0, 1)
    >>> joint = z.with_image([[w]], noise=[[v]])      # (z, x) with x = w z + noise
    >>> joint.given({1: x})                            # the posterior of z
    """

    mean: sp.Matrix
    covariance: sp.Matrix

    @classmethod
    def of(cls, mean: Any, covariance: Any) -> "Gaussian":
        """From numbers, expressions or nested lists.

        Raises:
            ValueError: if the sizes do not fit.
        """
        mean, covariance = _column(mean), _matrix(covariance)
        if covariance.shape != (mean.rows, mean.rows):
            raise ValueError(f"covariance must be {mean.rows} x {mean.rows}, got {covariance.shape}")
        return cls(mean, covariance)

    def image(self, matrix: Any, shift: Any = None, noise: Any = None) -> "Gaussian":
        """Distribution of ``matrix z + shift + noise``, the noise independent with that covariance."""
        matrix = _matrix(matrix)
        shift = sp.zeros(matrix.rows, 1) if shift is None else _column(shift)
        noise = sp.zeros(matrix.rows, matrix.rows) if noise is None else _matrix(noise)
        return Gaussian(matrix * self.mean + shift, matrix * self.covariance * matrix.T + noise)

    def with_image(self, matrix: Any, shift: Any = None, noise: Any = None) -> "Gaussian":
        """Joint distribution of ``z`` and its noisy image, in this order."""
        matrix, size = _matrix(matrix), self.mean.rows
        noise = sp.zeros(matrix.rows, matrix.rows) if noise is None else _matrix(noise)
        shift = sp.zeros(matrix.rows, 1) if shift is None else _column(shift)
        stacked = sp.Matrix.vstack(sp.eye(size), matrix)
        return self.image(stacked, sp.Matrix.vstack(sp.zeros(size, 1), shift), sp.diag(sp.zeros(size, size), noise))

    def marginal(self, *indices: int) -> "Gaussian":
        """Distribution of the variables at these places."""
        keep = list(indices)
        return Gaussian(self.mean.extract(keep, [0]), self.covariance.extract(keep, keep))

    def given(self, values: dict[int, Any]) -> "Gaussian":
        """Distribution of the other variables once those at the given places are known."""
        known, rest = list(values), [i for i in range(self.mean.rows) if i not in values]
        cross = self.covariance.extract(rest, known)
        gain = cross * self.covariance.extract(known, known).inv()
        surprise = sp.Matrix([values[i] for i in known]) - self.mean.extract(known, [0])
        here = self.marginal(*rest)
        return Gaussian(here.mean + gain * surprise, here.covariance - gain * cross.T)

    def times(self, other: "Gaussian") -> "Gaussian":
        """The product of both densities, normalised: precisions add, means are weighted by them."""
        ours, theirs = self.covariance.inv(), other.covariance.inv()
        covariance = (ours + theirs).inv()
        return Gaussian(covariance * (ours * self.mean + theirs * other.mean), covariance)

    def kl(self, other: "Gaussian") -> sp.Expr:
        """KL divergence from this distribution to ``other``, in nats."""
        precision, shift = other.covariance.inv(), other.mean - self.mean
        spread = (precision * self.covariance).trace() + (shift.T * precision * shift)[0]
        return (spread - self.mean.rows + sp.log(other.covariance.det()) - sp.log(self.covariance.det())) / 2


def _matrix(entries: Any) -> sp.Matrix:
    if isinstance(entries, sp.MatrixBase | list | tuple):
        return sp.Matrix(entries)
    return sp.Matrix([[entries]])


def _column(entries: Any) -> sp.Matrix:
    if isinstance(entries, sp.MatrixBase):
        return sp.Matrix(entries)
    return sp.Matrix(list(entries) if isinstance(entries, list | tuple) else [entries])
