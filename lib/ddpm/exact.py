"""The network that training would end with: score, noise and clean picture in closed form, for data that are known.

For a finite set of pictures, or a mixture of Gaussians, the mean of x_0 over all pictures that could be behind x_t has
a formula. It is what the loss of a diffusion model is minimised by. For a training set taken literally it returns
nothing but training pictures: a good network is good because it does *not* reach it.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib.data import GaussianMixture, PointSet
from lib.ddpm.forward import convert

Data = GaussianMixture | PointSet


def exact_score(data: Data, x_t: Float[Tensor, "B ..."], alpha_bar_t: float | Tensor) -> Float[Tensor, "B ..."]:
    """Gradient of log q(x_t), the density of the noisy data at one level.

    Args:
        data: a mixture or a finite set.
        x_t: where to ask.
        alpha_bar_t: signal variance of the level, in [0, 1); a mixture allows 1 as well.

    Source: Song & Ermon 2019, arXiv:1907.05600, eq. 2 (what a score network is trained towards).
    """
    if isinstance(data, PointSet):
        return data.score(x_t, alpha_bar_t)
    return data.diffused(alpha_bar_t).score(x_t)


def exact_denoised(data: Data, x_t: Float[Tensor, "B ..."], alpha_bar_t: float | Tensor) -> Float[Tensor, "B ..."]:
    """E[x_0 | x_t], the best guess of the clean picture in the mean square; no training picture, but a mean of them."""
    return data.denoised(x_t, alpha_bar_t)


def exact_eps(data: Data, x_t: Float[Tensor, "B ..."], alpha_bar_t: float | Tensor) -> Float[Tensor, "B ..."]:
    """E[eps | x_t], the best guess of the noise: minus the score times sqrt(1 - alpha_bar_t)."""
    return -math.sqrt(1 - float(alpha_bar_t)) * exact_score(data, x_t, alpha_bar_t)


def score_at_sigma(data: Data, x: Float[Tensor, "B ..."], sigma: float) -> Float[Tensor, "B ..."]:
    """Score of the data with noise of standard deviation sigma added and no shrinking: x = x_0 + sigma · eps.

    Raises:
        ValueError: if ``sigma`` is not positive.
    """
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, got {sigma}")
    alpha_bar_t = 1 / (1 + sigma**2)
    return math.sqrt(alpha_bar_t) * exact_score(data, math.sqrt(alpha_bar_t) * x, alpha_bar_t)


class ExactModel:
    """The perfect network for known data, called like any other: ``model(x_t, t)``.

    Args:
        data: a mixture or a finite set.
        alpha_bar: the schedule.
        target: what it answers: "eps", "x_0", "v" or "score".
    """

    def __init__(self, data: Data, alpha_bar: Float[Tensor, " levels"], target: str = "eps"):
        self.data, self.alpha_bar, self.target = data, alpha_bar, target

    def __call__(self, x_t: Float[Tensor, "B ..."], t: Int[Tensor, " B"]) -> Float[Tensor, "B ..."]:
        x_0_hat = torch.empty_like(x_t)
        for level in t.unique():
            rows = t == level
            x_0_hat[rows] = exact_denoised(self.data, x_t[rows], self.alpha_bar[level])
        return convert(x_t, x_0_hat, t, self.alpha_bar, "x_0", self.target)
