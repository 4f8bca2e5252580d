"""The last step of the chain: the probability that a Gaussian gives to one of 256 levels of brightness."""

import torch
from jaxtyping import Float
from torch import Tensor

LEVEL = 2 / 255
"""Distance of two levels of brightness in pictures in [-1, 1]."""


def round_to_levels(x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
    """The nearest of the 256 levels -1, -1 + 2/255, …, 1: pictures as they are stored.

    Raises:
        ValueError: if a value is outside [-1, 1].
    """
    if x.numel() and not x.abs().max() <= 1:
        raise ValueError(f"pictures must lie in [-1, 1], got a value of size {x.abs().max().item():.4g}")
    return ((x + 1) / LEVEL).round() * LEVEL - 1


def decoder_nll(
    x_0: Float[Tensor, "B ..."], mean: Float[Tensor, "B ..."], logvar: Float[Tensor, "..."]
) -> Float[Tensor, "B ..."]:
    """-log of the probability (nats) of each level, integrated over its interval; the outermost two reach to infinity.

    Computed through logarithms of the distribution function in float64, so that it stays finite, with the right
    gradient, however far the mean is off.

    Args:
        x_0: pictures in [-1, 1] with 256 levels.
        mean: mean of the Gaussian of each value.
        logvar: logarithm of its variance; broadcast.

    Raises:
        ValueError: if a value of ``x_0`` is outside [-1, 1] or between two levels.

    Source: Ho et al. 2020, arXiv:2006.11239, eq. 13.
    """
    off = (x_0 - round_to_levels(x_0)).abs().max()
    if off > LEVEL / 100:
        raise ValueError(f"x_0 must hold levels of brightness, multiples of 2/255 from -1; off by {off.item():.4g}. "
                         "Call round_to_levels first")  # fmt: skip
    x, mean, inverse_std = x_0.double(), mean.double(), (-logvar.double() / 2).exp()
    upper, lower = (x + LEVEL / 2 - mean) * inverse_std, (x - LEVEL / 2 - mean) * inverse_std
    darkest, brightest = x_0 < -1 + LEVEL / 2, x_0 > 1 - LEVEL / 2
    below, above = torch.special.log_ndtr(upper), torch.special.log_ndtr(-lower)
    # an interval right of the mean is mirrored to its left, where the logarithms lose nothing
    right = lower > 0
    log_high = torch.special.log_ndtr(torch.where(right, -lower, upper))
    log_low = torch.special.log_ndtr(torch.where(right, -upper, lower))
    inside = log_high + torch.log1p(-torch.exp(log_low - log_high))
    return -torch.where(darkest, below, torch.where(brightest, above, inside)).to(x_0.dtype)
