"""Sampling with nothing but the score: Langevin dynamics, at one level of noise and with the noise turned down.

Here x = x_0 + sigma · eps, without the shrinking of DDPM; `to_sigma` and `from_sigma` go from one to the other.

Source: Song & Ermon 2019, "Generative modeling by estimating gradients of the data distribution", arXiv:1907.05600.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class NoisyState(NamedTuple):
    """A state of annealed Langevin dynamics: the noise level and the points."""

    sigma: float
    x: Float[Tensor, "B ..."]


def to_sigma(alpha_bar: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Noise over signal, sigma = sqrt((1 - alpha_bar) / alpha_bar): x_t / sqrt(alpha_bar) = x_0 + sigma · eps."""
    return ((1 - alpha_bar) / alpha_bar).sqrt()


def from_sigma(sigma: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """alpha_bar = 1 / (1 + sigma²), the inverse of `to_sigma`."""
    return 1 / (1 + sigma.square())


def langevin_step(
    x: Float[Tensor, "B ..."], score: Float[Tensor, "B ..."], step_size: float, eps: Float[Tensor, "B ..."]
) -> Float[Tensor, "B ..."]:
    """Half a step size uphill along the score, and noise of variance ``step_size``.

    Source: Song & Ermon 2019, arXiv:1907.05600, eq. 4.
    """
    return x + step_size / 2 * score + math.sqrt(step_size) * eps


@torch.no_grad()
def langevin(
    score_fn: Callable[[Tensor], Tensor],
    x: Float[Tensor, "B ..."],
    step_size: float,
    num_steps: int,
    generator: torch.Generator | None = None,
) -> Iterator[Float[Tensor, "B ..."]]:
    """Follow the score with noise; yields the start and every state after it.

    For small steps and many of them the points end up distributed like the density whose score it is; points between
    two separate clouds take very long to find the right shares.

    Args:
        score_fn: gradient of the log density at each point.
        x: where to start.
        step_size: positive; its root must be small against the finest detail of the density.
        num_steps: how many steps.
        generator: source of the noise.

    Raises:
        ValueError: if ``step_size`` is not positive.
    """
    if not step_size > 0:
        raise ValueError(f"step_size must be positive, got {step_size}")
    yield x
    for _ in range(num_steps):
        eps = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        x = langevin_step(x, score_fn(x), step_size, eps)
        yield x


@torch.no_grad()
def annealed_langevin(
    score_fn: Callable[[Tensor, float], Tensor],
    x: Float[Tensor, "B ..."],
    sigmas: list[float],
    generator: torch.Generator | None = None,
    *,
    step_size: float = 2e-2,
    num_steps: int = 20,
) -> Iterator[NoisyState]:
    """Langevin dynamics at falling levels of noise; yields the start and every state after it.

    Wide noise joins the clouds, so that points can choose between them; narrow noise draws the detail.

    Args:
        score_fn: ``score_fn(x, sigma)``, the score of the data with noise of standard deviation sigma.
        x: where to start; noise of about the largest sigma.
        sigmas: falling positive levels, see `geometric`.
        generator: source of the noise.
        step_size: step size at the last level; at the others it grows with sigma².
        num_steps: steps at each level.

    Raises:
        ValueError: if the sigmas do not fall or are not positive, or ``step_size`` is not positive.

    Source: Song & Ermon 2019, arXiv:1907.05600, algorithm 1.
    """
    if not sigmas or min(sigmas) <= 0 or sorted(set(sigmas), reverse=True) != list(sigmas):
        raise ValueError(f"sigmas must fall and be positive, got {sigmas}")
    if not step_size > 0:
        raise ValueError(f"step_size must be positive, got {step_size}")
    yield NoisyState(sigmas[0], x)
    for sigma in sigmas:
        step_here = step_size * (sigma / sigmas[-1]) ** 2
        for _ in range(num_steps):
            eps = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
            x = langevin_step(x, score_fn(x, sigma), step_here, eps)
            yield NoisyState(sigma, x)


def geometric(largest: float, smallest: float, num: int) -> list[float]:
    """``num`` levels of noise from ``largest`` to ``smallest``, each the same factor below the one before.

    Raises:
        ValueError: if not 0 < smallest < largest or ``num`` is below 2.
    """
    if not 0 < smallest < largest or num < 2:
        raise ValueError(f"need 0 < smallest < largest and num >= 2, got {smallest}, {largest} and {num}")
    return [largest * (smallest / largest) ** (i / (num - 1)) for i in range(num)]
