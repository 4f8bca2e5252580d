"""The Fréchet distance between two Gaussians, and between two sets of features that are treated as Gaussian.

| equation | function |
|---|---|
| d² = |mu1 - mu2|² + tr(cov1) + tr(cov2) - 2 tr((cov1 cov2)^(1/2)) | `gaussian_frechet` |
| the same with sample mean and sample covariance of two sets of features | `frechet_distance` |

The value is a *squared* distance, as in the papers that report it (FID is this number in the features of Inception).
It depends on the features and on the number of samples: compare only numbers that share both, and see
`lib.metrics.frechet_unit` for the distance that two halves of the real data already have.

Sources: Dowson and Landau 1982, "The Fréchet distance between multivariate normal distributions", eq. 4;
Heusel et al. 2017, arXiv:1706.08500, eq. 6.
"""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor


def gaussian_frechet(
    mu1: Float[Tensor, " D"], cov1: Float[Tensor, "D D"], mu2: Float[Tensor, " D"], cov2: Float[Tensor, "D D"]
) -> float:
    """Squared Fréchet (2-Wasserstein) distance between N(mu1, cov1) and N(mu2, cov2), computed in float64.

    The trace of the matrix square root is taken from a symmetric matrix: with R = cov1^(1/2), the product R cov2 R is
    symmetric and positive semi-definite and has the eigenvalues of cov1 cov2, so the trace is the sum of their roots.
    No general matrix root is needed and no complex number can appear. Rounding leaves about 1e-7 times the variance
    when a covariance is singular and 1e-12 otherwise; a result below zero is rounding and is returned as 0.

    Args:
        mu1: mean of the first Gaussian.
        cov1: its covariance: symmetric, no negative eigenvalue; it may be singular.
        mu2: mean of the second Gaussian.
        cov2: its covariance.

    Raises:
        ValueError: if the shapes do not fit, or a covariance is not finite, not symmetric or has a negative eigenvalue.

    Source: Dowson and Landau 1982, eq. 4.
    """
    mu1, cov1, mu2, cov2 = (tensor.detach().double() for tensor in (mu1, cov1, mu2, cov2))
    _check_mean("mu1", mu1, mu1.numel())
    _check_mean("mu2", mu2, mu1.numel())
    _check_covariance("cov1", cov1, mu1.numel())
    _check_covariance("cov2", cov2, mu1.numel())
    root = _symmetric_root(cov1)
    shared = torch.linalg.eigvalsh(root @ cov2 @ root).clamp(min=0).sqrt().sum()
    distance = (mu1 - mu2).square().sum() + cov1.trace() + cov2.trace() - 2 * shared
    return max(distance.item(), 0.0)


def frechet_distance(features_a: Float[Tensor, "N D"], features_b: Float[Tensor, "M D"]) -> float:
    """Squared Fréchet distance between the Gaussians fitted to two sets of features; 0 is best, there is no upper end.

    Covariances divide by N - 1. The estimate is too large for small sets (its bias falls like 1/N), so compare sets of
    the same size only.

    Args:
        features_a: one row per picture, for example from `lib.metrics.emoji_features`.
        features_b: rows of the other set, from the same network; M may differ from N.

    Raises:
        ValueError: if a set has fewer than two rows, the widths differ, or a value is not finite.

    Warns:
        UserWarning: if a set has no more rows than dimensions; its covariance is singular and the distance mostly bias.

    Source: Heusel et al. 2017, arXiv:1706.08500, eq. 6.
    """
    for name, features in (("features_a", features_a), ("features_b", features_b)):
        if features.ndim != 2 or len(features) < 2:
            raise ValueError(f"{name} must have shape (N, D) with N >= 2 rows, got {tuple(features.shape)}")
        if not features.isfinite().all():
            raise ValueError(f"{name} must be finite, got NaN or infinity; look for them in the pictures first")
    if features_a.shape[1] != features_b.shape[1]:
        raise ValueError(
            f"both sets must come from the same network: features_a has {features_a.shape[1]} columns, "
            f"features_b has {features_b.shape[1]}"
        )
    fewest, num_dims = min(len(features_a), len(features_b)), features_a.shape[1]
    if fewest <= num_dims:
        warnings.warn(
            f"{fewest} rows cannot fill a covariance of {num_dims} dimensions: it is singular and the distance is "
            f"mostly bias; use more than {num_dims} pictures, better ten times as many",
            stacklevel=2,
        )
    return gaussian_frechet(*_mean_and_covariance(features_a), *_mean_and_covariance(features_b))


def _mean_and_covariance(features: Float[Tensor, "N D"]) -> tuple[Float[Tensor, " D"], Float[Tensor, "D D"]]:
    """Sample mean and unbiased sample covariance in float64."""
    features = features.detach().double()
    mu = features.mean(0)
    centred = features - mu
    return mu, centred.T @ centred / (len(features) - 1)


def _symmetric_root(cov: Float[Tensor, "D D"]) -> Float[Tensor, "D D"]:
    """The symmetric R with R R = cov; eigenvalues that rounding pushed below zero count as zero."""
    values, vectors = torch.linalg.eigh(cov)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def _check_mean(name: str, mu: Tensor, num_dims: int) -> None:
    """Raise unless ``mu`` is a finite vector with ``num_dims`` entries."""
    if tuple(mu.shape) != (num_dims,):
        raise ValueError(f"{name} must have shape ({num_dims},) like mu1, got {tuple(mu.shape)}")
    if not mu.isfinite().all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")


def _check_covariance(name: str, cov: Tensor, num_dims: int) -> None:
    """Raise unless ``cov`` is square, finite, symmetric and without negative eigenvalues, up to rounding."""
    if tuple(cov.shape) != (num_dims, num_dims):
        raise ValueError(f"{name} must be {num_dims} x {num_dims} to go with mu1, got shape {tuple(cov.shape)}")
    if not cov.isfinite().all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    size = cov.abs().max().item()
    gap = (cov - cov.T).abs().max().item()
    if gap > 1e-6 * size:
        raise ValueError(f"{name} must be symmetric, but it differs from its transpose by {gap:.3g}")
    lowest = torch.linalg.eigvalsh(cov).min().item()
    if lowest < -1e-6 * size:
        raise ValueError(f"{name} must have no negative eigenvalue, got {lowest:.3g}; a covariance cannot have one")
