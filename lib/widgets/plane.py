"""What figures of particles in the plane share: a schedule that a page can hold, and data as the page reads them."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from lib.data import GaussianMixture

MAX_POINTS, MAX_SETS = 300, 8


def checked_schedule(alpha_bar: Tensor, fewest: int, most: int) -> Tensor:
    """The schedule in float64.

    Raises:
        ValueError: if it has fewer or more steps than that, does not begin with 1, or does not fall to above 0.
    """
    values = alpha_bar.double()
    if values.ndim != 1 or not fewest <= len(values) - 1 <= most:
        raise ValueError(
            f"alpha_bar must hold {fewest} to {most} steps and its first entry 1, got {tuple(values.shape)}"
        )
    if values[0] != 1 or not (values.diff() < 0).all() or not values[-1] > 0:
        raise ValueError(
            f"alpha_bar must begin with 1, fall at every step and stay above 0, got {values.tolist()[:4]} …"
        )
    return values


def mixture_numbers(mixture: GaussianMixture) -> dict:
    """Weights, means and covariances (xx, xy, yy) as flat lists."""
    covs = torch.stack([mixture.covs[:, 0, 0], mixture.covs[:, 0, 1], mixture.covs[:, 1, 1]], dim=1)
    return {
        "weights": mixture.weights.tolist(),
        "means": mixture.means.flatten().tolist(),
        "covs": covs.flatten().tolist(),
    }


def entries(data: Mapping[str, Tensor | GaussianMixture], seed: int) -> list[dict]:
    """Sets of data as the browser reads them, each with up to 300 places where its particles start.

    Raises:
        ValueError: if there are too few or too many sets, or one is neither points in the plane nor a mixture.
    """
    if not isinstance(data, Mapping) or not 1 <= len(data) <= MAX_SETS:
        raise ValueError(f"data must be a dict of 1 to {MAX_SETS} names with their sets, got {data!r:.60}")
    return [_entry(str(name), one, seed) for name, one in data.items()]


def reach(starts: Iterable[bytes]) -> float:
    """Half the side of a square around 0 that holds all starting places and most of the noise."""
    largest = max(float(np.abs(np.frombuffer(start, "<f4")).max()) for start in starts)
    return math.ceil(10 * max(3.0, 1.1 * largest)) / 10


def _entry(name: str, data: Tensor | GaussianMixture, seed: int) -> dict:
    if isinstance(data, GaussianMixture):
        if data.means.shape[1] != 2:
            raise ValueError(f"data[{name!r}] must be a mixture in the plane, got {data.means.shape[1]} dimensions")
        start, made = data.sample(MAX_POINTS, torch.Generator().manual_seed(seed)), mixture_numbers(data)
    else:
        start, made = data, {}
        if start.ndim != 2 or start.shape[1] != 2 or not 1 <= len(start) <= MAX_POINTS or not start.isfinite().all():
            raise ValueError(
                f"data[{name!r}] must be 1 to {MAX_POINTS} finite points (N, 2) or a mixture, got {tuple(start.shape)}"
            )
    return {"name": name, "start": start.detach().cpu().numpy().astype("<f4").tobytes(), **made}
