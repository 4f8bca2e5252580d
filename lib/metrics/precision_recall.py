"""Improved precision and recall: how much of the fake set looks real, and how much of the real set is reached.

The region that a set of features covers is drawn as the union of balls, one around each point, each reaching to the
point's k-th nearest neighbour in the same set. Precision is the share of fake points inside the region of the real
ones; recall is the share of real points inside the region of the fake ones.

| equation | function |
|---|---|
| radius NN_k(phi, Phi) | `neighbour_radii` |
| f(phi, Phi), eq. 1 | `inside_manifold` |
| precision and recall, eq. 2 | `precision_recall` |

Source: Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative models",
arXiv:1904.06991, section 2.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class PrecisionRecall(NamedTuple):
    """Two shares in [0, 1]; 1 is best for both."""

    precision: float
    recall: float


def precision_recall(real: Float[Tensor, "N D"], fake: Float[Tensor, "M D"], k: int = 3) -> PrecisionRecall:
    """Precision (do the fakes look real?) and recall (is all of the real set reached?), each in [0, 1].

    Swapping the two sets swaps the two numbers. Both depend on ``k`` and on the sizes of the sets: the paper takes
    k = 3 and equal sizes.

    Args:
        real: features of real pictures, one row each.
        fake: features of generated pictures from the same network.
        k: number of neighbours that set the radius of a ball; at least 1 and smaller than both sets.

    Raises:
        ValueError: if the widths differ, a value is not finite, or ``k`` does not fit the sizes.

    Source: Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 2.
    """
    _check_points("real", real, k + 1)
    _check_points("fake", fake, k + 1)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"both sets must come from the same network: real has {real.shape[1]} columns, fake has {fake.shape[1]}"
        )
    precision = inside_manifold(fake, real, neighbour_radii(real, k))
    recall = inside_manifold(real, fake, neighbour_radii(fake, k))
    return PrecisionRecall(precision.double().mean().item(), recall.double().mean().item())


def neighbour_radii(points: Float[Tensor, "N D"], k: int = 3) -> Float[Tensor, " N"]:
    """Distance (float64) from every point to its k-th nearest neighbour in the same set, itself not counted.

    Raises:
        ValueError: if ``k`` is below 1 or there are not more than ``k`` points.

    Source: Kynkäänniemi et al. 2019, arXiv:1904.06991, below eq. 1.
    """
    if k < 1:
        raise ValueError(f"k counts neighbours and must be at least 1, got {k}")
    _check_points("points", points, k + 1)
    # The nearest point of all is the point itself, at distance 0: hence k + 1.
    return torch.cat([block.kthvalue(k + 1, dim=1).values for block in distance_blocks(points, points)])


def inside_manifold(
    queries: Float[Tensor, "M D"], centres: Float[Tensor, "N D"], radii: Float[Tensor, " N"]
) -> Bool[Tensor, " M"]:
    """For every query, whether at least one ball around a centre contains it (its surface belongs to the ball).

    Source: Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 1.
    """
    return torch.cat([(block <= radii).any(dim=1) for block in distance_blocks(queries, centres)])


def distance_blocks(
    queries: Float[Tensor, "M D"], centres: Float[Tensor, "N D"], rows: int = 512
) -> Iterator[Float[Tensor, "m N"]]:
    """Euclidean distances in float64, ``rows`` queries at a time, so that memory stays small.

    Differences are squared directly. The faster route over a matrix product loses the small distances to rounding:
    equal points would be apart.
    """
    queries, centres = queries.detach().double(), centres.detach().double()
    for block in queries.split(rows):
        yield torch.cdist(block, centres, compute_mode="donot_use_mm_for_euclid_dist")


def _check_points(name: str, points: Float[Tensor, "N D"], fewest: int) -> None:
    """Raise unless ``points`` is a finite (N, D) table with at least ``fewest`` rows."""
    if points.ndim != 2 or len(points) < fewest:
        raise ValueError(f"{name} must have shape (N, D) and at least k + 1 = {fewest} rows, got {tuple(points.shape)}")
    if not points.isfinite().all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
