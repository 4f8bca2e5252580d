"""Distributions whose exact score is known: Gaussian mixtures and finite sets of points.

Both stay in closed form when noise is added, x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps, so at every noise
level the density, its score (the gradient of the log density) and the best denoiser E[x_0 | x_t] can be written down.
A network trained on samples can be compared with the truth. All sums run in float64 through logsumexp; results come
back in the precision of the argument.
"""

import math
from dataclasses import dataclass

import torch
from einops import einsum, rearrange
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """A weighted sum of K Gaussians in D dimensions, kept in float64.

    Attributes:
        weights: probability of each component; positive, sum 1.
        means: one row for each component.
        covs: covariance matrices, symmetric and positive definite.

    Raises:
        ValueError: if shapes disagree, weights are no probabilities, or a covariance is not positive definite.
    """

    weights: Float[Tensor, " K"]
    means: Float[Tensor, "K D"]
    covs: Float[Tensor, "K D D"]

    def __post_init__(self):
        weights, means, covs = (x.double() for x in (self.weights, self.means, self.covs))
        k, d = len(weights), means.shape[-1]
        if means.shape != (k, d) or covs.shape != (k, d, d):
            raise ValueError(f"{k} weights need means (K, D) and covs (K, D, D); got {means.shape} and {covs.shape}")
        if not (weights > 0).all() or abs(weights.sum() - 1) > 1e-6:
            raise ValueError(f"weights must be positive and sum to 1, got {weights.tolist()}")
        if not torch.allclose(covs, covs.mT) or torch.linalg.cholesky_ex(covs).info.any():
            raise ValueError(f"every covariance must be symmetric and positive definite, got {covs.tolist()}")
        for name, value in (("weights", weights / weights.sum()), ("means", means), ("covs", covs)):
            object.__setattr__(self, name, value)

    @property
    def mean(self) -> Float[Tensor, " D"]:
        """Mean of the whole mixture."""
        return self.weights @ self.means

    @property
    def cov(self) -> Float[Tensor, "D D"]:
        """Covariance of the whole mixture: within the components plus between their means."""
        apart = self.means - self.mean
        return einsum(self.weights, self.covs, "k, k d e -> d e") + apart.mT @ (self.weights[:, None] * apart)

    def log_prob(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch"]:
        """Logarithm of the density."""
        return self._joint_log_prob(x).logsumexp(-1).to(x.dtype)

    def responsibilities(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch K"]:
        """Probability that ``x`` came from each component."""
        return self._joint_log_prob(x).softmax(-1).to(x.dtype)

    def score(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch D"]:
        """Gradient of the log density: the components' pulls, cov^-1 (mean - x), weighted by responsibility."""
        apart = self.means - x.double()[..., None, :]
        pulls = torch.linalg.solve(self.covs, apart[..., None])[..., 0]
        return einsum(self.responsibilities(x.double()), pulls, "... k, ... k d -> ... d").to(x.dtype)

    def diffused(self, alpha_bar: float | Float[Tensor, ""]) -> "GaussianMixture":
        """Return the distribution of x_t at a noise level: again a mixture.

        Args:
            alpha_bar: signal variance in [0, 1]; 1 returns the same distribution, 0 pure noise.

        Source: Ho et al. 2020, arXiv:2006.11239, eq. 4, applied to each component.
        """
        alpha_bar = _level(alpha_bar)
        noise = (1 - alpha_bar) * torch.eye(self.means.shape[1], dtype=torch.float64)
        return GaussianMixture(self.weights, math.sqrt(alpha_bar) * self.means, alpha_bar * self.covs + noise)

    def denoised(
        self, x_t: Float[Tensor, "*batch D"], alpha_bar: float | Float[Tensor, ""]
    ) -> Float[Tensor, "*batch D"]:
        """Best guess of x_0 in the mean square: E[x_0 | x_t], from the linear-Gaussian rule in each component."""
        alpha_bar, noisy = _level(alpha_bar), self.diffused(alpha_bar)
        apart = x_t.double()[..., None, :] - noisy.means
        gains = math.sqrt(alpha_bar) * torch.linalg.solve(noisy.covs, self.covs)  # the two commute
        guesses = self.means + einsum(gains, apart, "k d e, ... k e -> ... k d")
        return einsum(noisy.responsibilities(x_t.double()), guesses, "... k, ... k d -> ... d").to(x_t.dtype)

    def sample(self, num: int, generator: torch.Generator | None = None) -> Float[Tensor, "num D"]:
        """Draw points (float64)."""
        return self.sample_with_labels(num, generator)[0]

    def sample_with_labels(
        self, num: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "num D"], Int64[Tensor, " num"]]:
        """Draw points together with the component that each came from."""
        k = torch.multinomial(self.weights, num, replacement=True, generator=generator)
        eps = torch.randn(num, self.means.shape[1], dtype=torch.float64, generator=generator)
        return self.means[k] + einsum(torch.linalg.cholesky(self.covs)[k], eps, "n d e, n e -> n d"), k

    def select(self, components: list[int]) -> "GaussianMixture":
        """Return the mixture of some components: for example one class."""
        weights = self.weights[components]
        return GaussianMixture(weights / weights.sum(), self.means[components], self.covs[components])

    def standardized(self) -> "GaussianMixture":
        """Shift and scale, the same in all directions, to mean 0 and an average variance of 1 a coordinate."""
        scale = self.cov.diagonal().mean().rsqrt()
        return GaussianMixture(self.weights, scale * (self.means - self.mean), scale**2 * self.covs)

    def _joint_log_prob(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch K"]:
        """log weight + log density of every component."""
        factor = torch.linalg.cholesky(self.covs)
        apart = x.double()[..., None, :] - self.means
        white = torch.linalg.solve_triangular(factor, apart[..., None], upper=False)[..., 0]
        log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return self.weights.log() - log_det - (white.square().sum(-1) + apart.shape[-1] * math.log(2 * math.pi)) / 2


@dataclass(frozen=True, eq=False)
class PointSet:
    """A finite set of equally likely points of any shape: what a training set is, taken literally.

    With noise it becomes a mixture of N equal round Gaussians. Its denoiser is a softmax-weighted mean of the points:
    a network that reached it would return nothing but training pictures.

    Attributes:
        points: the points, for example (N, 2) or pictures (N, C, H, W).
    """

    points: Float[Tensor, " N *shape"]

    def __post_init__(self):
        if self.points.ndim < 2 or len(self.points) == 0:
            raise ValueError(f"points must be (N, …) with N >= 1, got shape {tuple(self.points.shape)}")

    def weights(self, x_t: Float[Tensor, " B *shape"], alpha_bar: float | Float[Tensor, ""]) -> Float[Tensor, "B N"]:
        """Probability that each point is the one behind ``x_t``: a softmax of squared distances."""
        return self._joint_log_prob(x_t, alpha_bar).softmax(-1).to(x_t.dtype)

    def log_prob(self, x_t: Float[Tensor, " B *shape"], alpha_bar: float | Float[Tensor, ""]) -> Float[Tensor, " B"]:
        """Logarithm of the density of x_t.

        Args:
            x_t: noisy points.
            alpha_bar: signal variance in [0, 1); at 1 there is no noise and no density.
        """
        return self._joint_log_prob(x_t, alpha_bar).logsumexp(-1).to(x_t.dtype)

    def denoised(
        self, x_t: Float[Tensor, " B *shape"], alpha_bar: float | Float[Tensor, ""]
    ) -> Float[Tensor, " B *shape"]:
        """Best guess of x_0 in the mean square: the weighted mean of the points.

        Source: Karras et al. 2022, arXiv:2206.00364, eq. 57 (theirs has x = x_0 + sigma eps).
        """
        weights = self._joint_log_prob(x_t, alpha_bar).softmax(-1)
        mean = weights @ rearrange(self.points.double(), "n ... -> n (...)")
        return mean.reshape(x_t.shape).to(x_t.dtype)

    def score(
        self, x_t: Float[Tensor, " B *shape"], alpha_bar: float | Float[Tensor, ""]
    ) -> Float[Tensor, " B *shape"]:
        """Gradient of the log density: from x_t towards the scaled denoised point, over the noise variance."""
        alpha_bar = _level(alpha_bar)
        toward = math.sqrt(alpha_bar) * self.denoised(x_t.double(), alpha_bar) - x_t.double()
        return (toward / (1 - alpha_bar)).to(x_t.dtype)

    def _joint_log_prob(self, x_t: Float[Tensor, " B *shape"], alpha_bar: float | Float[Tensor, ""]):
        """log 1/N + log density of the Gaussian around every scaled point."""
        alpha_bar = _level(alpha_bar)
        if alpha_bar == 1:
            raise ValueError("a finite set without noise has no density: alpha_bar must be below 1")
        x = rearrange(x_t.double(), "b ... -> b (...)")
        centres = math.sqrt(alpha_bar) * rearrange(self.points.double(), "n ... -> n (...)")
        square = x.square().sum(-1)[:, None] - 2 * x @ centres.mT + centres.square().sum(-1)
        variance = 1 - alpha_bar
        norm = math.log(len(centres)) + x.shape[1] / 2 * math.log(2 * math.pi * variance)
        return -square / (2 * variance) - norm


def _level(alpha_bar: float | Float[Tensor, ""]) -> float:
    """Check a noise level."""
    alpha_bar = float(alpha_bar)
    if not 0 <= alpha_bar <= 1:
        raise ValueError(f"alpha_bar must lie in [0, 1], got {alpha_bar:.6g}")
    return alpha_bar
