"""Between two noises: along the sphere and along the straight line."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

NEARLY_PARALLEL = 1e-4
"""Angle in radians below which the arc is replaced by its chord; they differ by a 10⁻⁹th of the length."""


def lerp(a: Float[Tensor, "B ..."], b: Float[Tensor, "B ..."], share: float | Tensor) -> Float[Tensor, "B ..."]:
    """The straight line: (1 - share) a + share b. Between independent noises its norm sinks to 0.71 in the middle.

    Args:
        a: at share 0.
        b: at share 1, the same shape.
        share: a number, or one for each row.

    Raises:
        ValueError: if the shapes do not fit.
    """
    share = _for_each_row(a, b, share)
    return (1 - share) * a + share * b


def slerp(a: Float[Tensor, "B ..."], b: Float[Tensor, "B ..."], share: float | Tensor) -> Float[Tensor, "B ..."]:
    """The arc at constant angular speed, each row taken as one long vector.

    Norms change from that of a to that of b without a dip, so that every point between two noises looks like noise to
    the network.

    Args:
        a: at share 0; no row is 0.
        b: at share 1, the same shape.
        share: a number, or one for each row.

    Raises:
        ValueError: if the shapes do not fit, a row is 0, or two rows point in opposite directions: there are many arcs.

    Source: Shoemake 1985; Song et al. 2020, arXiv:2010.02502, appendix D.
    """
    share = _for_each_row(a, b, share)
    length_a, length_b = norms(a), norms(b)
    if not (length_a.all() and length_b.all()):
        raise ValueError("a and b must have no row that is 0, which has no direction")
    unit_a, unit_b = (rearrange(x.double(), "n ... -> n (...)") for x in (a, b))
    unit_a, unit_b = unit_a / unit_a.norm(dim=1, keepdim=True), unit_b / unit_b.norm(dim=1, keepdim=True)
    angle = 2 * torch.atan2((unit_a - unit_b).norm(dim=1), (unit_a + unit_b).norm(dim=1))  # exact at small angles too
    if (angle > torch.pi - NEARLY_PARALLEL).any():
        raise ValueError("a and b must not point in opposite directions, which no single arc joins")
    angle = angle.reshape(-1, *[1] * (a.ndim - 1))
    of_a = torch.where(angle < NEARLY_PARALLEL, 1 - share, torch.sin((1 - share) * angle) / torch.sin(angle))
    of_b = torch.where(angle < NEARLY_PARALLEL, share.double(), torch.sin(share * angle) / torch.sin(angle))
    return of_a.to(a.dtype) * a + of_b.to(a.dtype) * b


def norms(x: Float[Tensor, "B ..."]) -> Float[Tensor, " B"]:
    """Length of each row as one vector; that of D standard normal numbers is close to sqrt(D)."""
    return rearrange(x, "b ... -> b (...)").norm(dim=1)


def _for_each_row(a: Tensor, b: Tensor, share: float | Tensor) -> Tensor:
    if a.shape != b.shape or a.ndim < 2:
        raise ValueError(
            f"a and b must be batches of one shape, got {tuple(a.shape)} and {tuple(b.shape)}; "
            "put an axis of length 1 in front of single pictures"
        )
    share = torch.as_tensor(share, dtype=a.dtype, device=a.device)
    if share.ndim > 1 or (share.ndim == 1 and len(share) not in (1, len(a))):
        raise ValueError(f"share must be a number or one for each of the {len(a)} rows, got shape {tuple(share.shape)}")
    return share.reshape(-1, *[1] * (a.ndim - 1))
