"""Toys in the plane, small enough to see everything: clouds of points and mixtures with a known score.

Every cloud is centred at the origin with an average variance of 1 a coordinate, so that adding noise as diffusion
models do leaves its size unchanged and pictures of different clouds can share their axes.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from lib.data.mixtures import GaussianMixture

PI = math.pi


def mixture(name: str) -> GaussianMixture:
    """Return a mixture by name: "gaussians8", eight small blobs on a circle, or "mixture", three unequal ones.

    Raises:
        ValueError: if there is no mixture of this name.
    """
    if name not in MIXTURES:
        raise ValueError(f"name must be one of {', '.join(MIXTURES)}, got {name!r}")
    return MIXTURES[name]().standardized()


def points(name: str, num: int, generator: torch.Generator | None = None) -> Float[Tensor, "num 2"]:
    """Draw points (float32) from a toy distribution.

    Args:
        name: "two_moons", "swiss_roll", "checkerboard", "rings", "gaussians8" or "mixture".
        num: how many, at least 1.
        generator: source of randomness, for repeatable draws.

    Raises:
        ValueError: if there is no toy of this name, or ``num`` is below 1.
    """
    if name not in POINTS:
        raise ValueError(f"name must be one of {', '.join(POINTS)}, got {name!r}")
    if num < 1:
        raise ValueError(f"num must be at least 1, got {num}")
    return POINTS[name](num, generator).float()


def _gaussians8() -> GaussianMixture:
    """Eight round blobs on a circle, their spread a tenth of its radius."""
    angle = torch.arange(8, dtype=torch.float64) * PI / 4
    means = torch.stack([angle.cos(), angle.sin()], dim=1)
    return GaussianMixture(torch.full((8,), 1 / 8), means, 0.01 * torch.eye(2).expand(8, 2, 2))


def _three_gaussians() -> GaussianMixture:
    """One wide, one long and one small blob of different weights: nothing about it is symmetric."""
    means = torch.tensor([[-1.0, 0.6], [0.9, 0.9], [0.5, -1.2]])
    covs = torch.tensor([[[0.20, 0.00], [0.00, 0.20]], [[0.30, -0.18], [-0.18, 0.15]], [[0.03, 0.0], [0.0, 0.03]]])
    return GaussianMixture(torch.tensor([0.45, 0.35, 0.20]), means, covs)


def _uniform(num: int, generator: torch.Generator | None) -> Float[Tensor, " num"]:
    return torch.rand(num, dtype=torch.float64, generator=generator)


def _noise(num: int, std: float, generator: torch.Generator | None) -> Float[Tensor, "num 2"]:
    return std * torch.randn(num, 2, dtype=torch.float64, generator=generator)


def _two_moons(num: int, generator: torch.Generator | None) -> Float[Tensor, "num 2"]:
    """Two half circles of radius 1 that hook into each other; one is the other turned by half a turn."""
    std = 0.07
    t, sign = PI * _uniform(num, generator), 1 - 2 * torch.randint(2, (num, 1), generator=generator)
    moons = sign * torch.stack([t.cos() - 0.5, t.sin() - 0.25], dim=1)
    variance = (0.75 + 0.5625 - 1 / PI) / 2 + std**2  # mean squares of cos t - 1/2 and sin t - 1/4 over half a turn
    return (moons + _noise(num, std, generator)) / math.sqrt(variance)


def _swiss_roll(num: int, generator: torch.Generator | None) -> Float[Tensor, "num 2"]:
    """A spiral of one and a half turns, t (cos t, sin t) with t uniform in [1.5 pi, 4.5 pi]."""
    std, start, end = 0.4, 1.5 * PI, 4.5 * PI
    t = start + (end - start) * _uniform(num, generator)
    mean = torch.tensor([2.0, 2 / (3 * PI)], dtype=torch.float64)  # integrals of t cos t and t sin t over the range
    variance = ((end**3 - start**3) / (3 * (end - start)) - mean.square().sum().item()) / 2 + std**2
    spiral = t[:, None] * torch.stack([t.cos(), t.sin()], dim=1) - mean
    return (spiral + _noise(num, std, generator)) / math.sqrt(variance)


def _checkerboard(num: int, generator: torch.Generator | None) -> Float[Tensor, "num 2"]:
    """The dark squares of a 4 x 4 board on [-2, 2] x [-2, 2], before scaling; each coordinate alone is uniform."""
    column, half = torch.randint(4, (num,), generator=generator), torch.randint(2, (num,), generator=generator)
    row = 2 * half + column % 2
    corner = torch.stack([column, row], dim=1) - 2.0
    inside = torch.stack([_uniform(num, generator), _uniform(num, generator)], dim=1)
    return (corner + inside) / math.sqrt(4 / 3)


def _rings(num: int, generator: torch.Generator | None) -> Float[Tensor, "num 2"]:
    """Three circles of radius 1, 2, 3 before scaling, each with points in proportion to its length."""
    std = 0.08
    radius = 1 + torch.multinomial(torch.tensor([1.0, 2.0, 3.0]), num, replacement=True, generator=generator)
    angle = 2 * PI * _uniform(num, generator)
    circles = radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    variance = (1 + 2**3 + 3**3) / (1 + 2 + 3) / 2 + std**2  # half the mean squared radius
    return (circles + _noise(num, std, generator)) / math.sqrt(variance)


MIXTURES = {"gaussians8": _gaussians8, "mixture": _three_gaussians}
POINTS = {
    "two_moons": _two_moons,
    "swiss_roll": _swiss_roll,
    "checkerboard": _checkerboard,
    "rings": _rings,
    "gaussians8": lambda num, generator: mixture("gaussians8").sample(num, generator),
    "mixture": lambda num, generator: mixture("mixture").sample(num, generator),
}
