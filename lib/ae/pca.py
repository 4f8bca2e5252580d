"""Principal component analysis by the singular value decomposition, and the angle between two subspaces."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class PrincipalComponents:
    """The flat sheet of dimension D that lies closest to a cloud of points.

    Attributes:
        mean: the centre of the cloud.
        components: D orthonormal rows, the directions of largest variance first.
        variances: variance of the cloud along each component (divided by N, not N - 1).
    """

    mean: Float[Tensor, " P"]
    components: Float[Tensor, "D P"]
    variances: Float[Tensor, " D"]

    def encode(self, x: Float[Tensor, "B P"]) -> Float[Tensor, "B D"]:
        """The D coordinates of each point on the sheet, measured from the centre."""
        return (x - self.mean) @ self.components.T

    def decode(self, z: Float[Tensor, "B D"]) -> Float[Tensor, "B P"]:
        """The point of the sheet with coordinates ``z``."""
        return z @ self.components + self.mean

    def reconstruct(self, x: Float[Tensor, "B P"]) -> Float[Tensor, "B P"]:
        """The point of the sheet that is nearest to each ``x``."""
        return self.decode(self.encode(x))


def pca(x: Float[Tensor, "N P"], num_components: int) -> PrincipalComponents:
    """The ``num_components`` principal components of the rows of ``x``.

    Raises:
        ValueError: if there are fewer than two rows, or ``num_components`` is not in 1..min(N - 1, P).

    Source: Eckart & Young 1936, Psychometrika 1: the truncated SVD is the best approximation of its rank.
    """
    largest = min(len(x) - 1, x.shape[1])
    if len(x) < 2 or not 1 <= num_components <= largest:
        raise ValueError(
            f"num_components must be in 1..{largest} for {len(x)} rows of {x.shape[1]}, got {num_components}"
        )
    mean = x.mean(dim=0)
    _, singular, rows = torch.linalg.svd(x - mean, full_matrices=False)
    variances = singular[:num_components].square() / len(x)
    return PrincipalComponents(mean, rows[:num_components], variances)


def subspace_angle(a: Float[Tensor, "D P"], b: Float[Tensor, "D P"]) -> float:
    """Largest angle, in degrees, between the span of the rows of ``a`` and the span of the rows of ``b``.

    0 means the same subspace, whatever the basis; 90 means that some direction of one is orthogonal to all of the
    other. Computed from the sine (the part of b outside the span of a), which stays exact for small angles where the
    cosine is 1 to all digits.

    Raises:
        ValueError: if the rows of either are linearly dependent, so that they span fewer than D dimensions.

    Source: Björck & Golub 1973, Math. Comp. 27.
    """
    bases = []
    for name, rows in (("a", a), ("b", b)):
        rank = int(torch.linalg.matrix_rank(rows.double()))
        if rank < len(rows):
            raise ValueError(f"the {len(rows)} rows of {name} must be linearly independent, but have rank {rank}")
        bases.append(torch.linalg.qr(rows.double().T).Q)
    basis_a, basis_b = bases
    outside = basis_b - basis_a @ (basis_a.T @ basis_b)
    sine = torch.linalg.matrix_norm(outside, ord=2).clamp(max=1.0)  # rounding may pass 1 by 1e-16
    return torch.rad2deg(torch.asin(sine)).item()
