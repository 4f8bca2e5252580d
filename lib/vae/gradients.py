"""Two estimates of the gradient of E[f(z)], z ~ N(mu, sigma²), and how much each of them scatters.

| estimate | function |
|---|---|
| f(z) · ∇ log q(z): needs values of f only | `score_function_gradient` |
| ∇ f(mu + sigma·eps): needs the slope of f | `reparameterized_gradient` |

Source: Kingma and Welling 2014, arXiv:1312.6114, sections 2.2 and 2.4; derivation steps V23-V28.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Function = Callable[[Float[Tensor, " N"]], Float[Tensor, " N"]]
"""A function of one number, computed for N numbers at once."""


class GradientVariance(NamedTuple):
    """Variance of a single draw of each estimate, with respect to (mu, sigma)."""

    score_function: Float[Tensor, " 2"]
    reparameterized: Float[Tensor, " 2"]


def score_function_gradient(f: Function, mu: float, sigma: float, eps: Float[Tensor, " N"]) -> Float[Tensor, "N 2"]:
    """One estimate of the gradient with respect to (mu, sigma) for each draw: f(z) times the slope of log q(z).

    Args:
        f: any function; it is only evaluated.
        mu: mean of z.
        sigma: standard deviation of z, positive.
        eps: draws from N(0, 1).

    Raises:
        ValueError: if ``sigma`` is not positive.

    Source: Williams 1992, Machine Learning 8, 229-256 (REINFORCE).
    """
    _check_sigma(sigma)
    slope_of_log_q = torch.stack([eps / sigma, (eps.square() - 1) / sigma], dim=1)
    return f(mu + sigma * eps)[:, None] * slope_of_log_q


def reparameterized_gradient(f: Function, mu: float, sigma: float, eps: Float[Tensor, " N"]) -> Float[Tensor, "N 2"]:
    """One estimate of the gradient with respect to (mu, sigma) for each draw: the chain rule through mu + sigma·eps.

    Args:
        f: a function that autograd can differentiate.
        mu: mean of z.
        sigma: standard deviation of z, positive.
        eps: draws from N(0, 1).

    Raises:
        ValueError: if ``sigma`` is not positive.
    """
    _check_sigma(sigma)
    z = (mu + sigma * eps).detach().requires_grad_()
    (slope,) = torch.autograd.grad(f(z).sum(), z)
    return torch.stack([slope, slope * eps], dim=1)


def gradient_variance(
    f: Function, mu: float, sigma: float, num_samples: int = 100_000, generator: torch.Generator | None = None
) -> GradientVariance:
    """Variance of one draw of both estimates, measured in float64 over the same ``num_samples`` draws.

    Raises:
        ValueError: if ``num_samples`` is less than 2 or ``sigma`` not positive.
    """
    if num_samples < 2:
        raise ValueError(f"num_samples must be at least 2 to have a variance, got {num_samples}")
    eps = torch.randn(num_samples, generator=generator, dtype=torch.float64)
    return GradientVariance(
        score_function_gradient(f, mu, sigma, eps).var(dim=0), reparameterized_gradient(f, mu, sigma, eps).var(dim=0)
    )


def _check_sigma(sigma: float) -> None:
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, got {sigma}")
