"""What can be done with codes: collect them, walk between them, describe their cloud, draw from it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


@torch.no_grad()
def in_chunks(function: nn.Module, inputs: Tensor, chunk: int = 256) -> Tensor:
    """``function(inputs)`` without gradients, some rows at a time, so that memory does not grow with the data."""
    if len(inputs) == 0:
        raise ValueError("inputs must hold at least one row, got none")
    return torch.cat([function(part) for part in inputs.split(chunk)])


def interpolate(z_a: Float[Tensor, " D"], z_b: Float[Tensor, " D"], num_steps: int) -> Float[Tensor, "S D"]:
    """``num_steps`` equally spaced codes on the straight line from ``z_a`` to ``z_b``, both ends included.

    Raises:
        ValueError: if ``num_steps`` is less than 2, so that both ends cannot be included.
    """
    if num_steps < 2:
        raise ValueError(f"num_steps must be at least 2 to include both ends, got {num_steps}")
    weight = torch.linspace(0, 1, num_steps, dtype=z_a.dtype, device=z_a.device)[:, None]
    return (1 - weight) * z_a + weight * z_b


def count_distinct(codes: Float[Tensor, "N D"], decimals: int = 4) -> int:
    """How many different codes there are after rounding to ``decimals`` places."""
    return len(torch.unique(codes.double().round(decimals=decimals), dim=0))


def fit_gaussian(codes: Float[Tensor, "N D"]) -> tuple[Float[Tensor, " D"], Float[Tensor, "D D"]]:
    """Mean and (unbiased) covariance of a cloud of codes: the Gaussian that imitates it best.

    Raises:
        ValueError: if there are fewer than two codes.
    """
    if len(codes) < 2:
        raise ValueError(f"codes must have at least two rows to have a covariance, got {len(codes)}")
    mean = codes.mean(dim=0)
    centred = codes - mean
    return mean, centred.T @ centred / (len(codes) - 1)


def sample_gaussian(
    mean: Float[Tensor, " D"], cov: Float[Tensor, "D D"], num: int, generator: torch.Generator | None = None
) -> Float[Tensor, "N D"]:
    """``num`` draws from N(mean, cov): white noise, coloured by the Cholesky factor of the covariance.

    Raises:
        ValueError: if ``cov`` is not positive definite (for instance when a code dimension never varies).
    """
    factor, info = torch.linalg.cholesky_ex(cov)
    if info:
        raise ValueError(
            f"cov must be positive definite, but its leading block of order {int(info)} is not; "
            "is a code dimension constant?"
        )
    eps = torch.randn(num, len(mean), generator=generator, dtype=mean.dtype, device=mean.device)
    return mean + eps @ factor.T


def sample_kde(
    codes: Float[Tensor, "N D"], bandwidth: float, num: int, generator: torch.Generator | None = None
) -> Float[Tensor, "M D"]:
    """``num`` draws from a kernel density estimate: a training code picked at random, plus noise.

    At bandwidth 0 this returns training codes, and decoding them only shows the training set again.

    Args:
        codes: the cloud to imitate.
        bandwidth: noise added, in units of the standard deviation of each code dimension; not negative.
        num: how many codes to draw.
        generator: source of the choice and of the noise.

    Raises:
        ValueError: if ``bandwidth`` is negative.

    Source: the idea of fitting a density to the codes afterwards: Ghosh et al. 2020, arXiv:1903.12436, section 4 (with
    mixtures).
    """
    if bandwidth < 0:
        raise ValueError(f"bandwidth must not be negative, got {bandwidth}")
    index = torch.randint(len(codes), (num,), generator=generator, device=codes.device)
    eps = torch.randn(num, codes.shape[1], generator=generator, dtype=codes.dtype, device=codes.device)
    return codes[index] + bandwidth * codes.std(dim=0) * eps
