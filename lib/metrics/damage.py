"""Measured damage to pictures, each with one knob: what a quality number has to notice.

The feature network learns to read these knobs off a picture, and the trend table turns them to see whether the
Fréchet distance follows.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor


def blur(images: Float[Tensor, "B C H W"], sigma: float | Float[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
    """Gaussian blur with standard deviation ``sigma`` in pixels, one for all pictures or one for each.

    0 changes nothing. A blur along an axis is a matrix product with a band of Gaussian weights; every row of weights
    sums to 1, also at the border, so a plain background stays what it is.

    Raises:
        ValueError: if a sigma is negative.
    """
    sigma = torch.as_tensor(sigma, dtype=images.dtype, device=images.device).expand(len(images))
    if (sigma < 0).any():
        raise ValueError(f"sigma is a width in pixels and must not be negative, got {sigma.min().item():g}")
    rows, columns = (_blur_matrix(size, sigma) for size in images.shape[-2:])
    return torch.einsum("bij,bcjk,blk->bcil", rows, images, columns)


def add_noise(
    images: Float[Tensor, "B C H W"], sigma: float | Float[Tensor, " B"], generator: torch.Generator | None = None
) -> Float[Tensor, "B C H W"]:
    """Add white Gaussian noise of standard deviation ``sigma`` and clip to [-1, 1], as a saved picture would be.

    Raises:
        ValueError: if a sigma is negative.
    """
    sigma = torch.as_tensor(sigma, dtype=images.dtype, device=images.device).expand(len(images))
    if (sigma < 0).any():
        raise ValueError(f"sigma is a standard deviation and must not be negative, got {sigma.min().item():g}")
    eps = torch.randn(images.shape, generator=generator, dtype=images.dtype, device=images.device)
    return (images + rearrange(sigma, "b -> b 1 1 1") * eps).clamp(-1, 1)


def shift(images: Float[Tensor, "B C H W"], right: int, down: int = 0) -> Float[Tensor, "B C H W"]:
    """Move all pictures by whole pixels; white comes in at the border."""
    height, width = images.shape[-2:]
    padded = F.pad(images, (abs(right), abs(right), abs(down), abs(down)), value=1.0)
    top, left = abs(down) - down, abs(right) - right
    return padded[..., top : top + height, left : left + width]


def blend(
    images: Float[Tensor, "B C H W"], others: Float[Tensor, "B C H W"], share: float | Float[Tensor, " B"]
) -> Float[Tensor, "B C H W"]:
    """Double exposure: ``share`` (0 to 1) of every pixel comes from the other picture.

    Raises:
        ValueError: if a share is outside [0, 1].
    """
    share = torch.as_tensor(share, dtype=images.dtype, device=images.device).expand(len(images))
    if ((share < 0) | (share > 1)).any():
        raise ValueError(f"share must lie in [0, 1], got {share.min().item():g} to {share.max().item():g}")
    return images.lerp(others, rearrange(share, "b -> b 1 1 1"))


def _blur_matrix(size: int, sigma: Float[Tensor, " B"]) -> Float[Tensor, "B size size"]:
    """Gaussian weights between all pairs of pixels on an axis; the identity where sigma is 0."""
    position = torch.arange(size, dtype=sigma.dtype, device=sigma.device)
    gap = position[:, None] - position
    tiny = 1e-3  # so narrow that every weight beside the diagonal is exactly 0
    return torch.softmax(-0.5 * (gap / rearrange(sigma.clamp(min=tiny), "b -> b 1 1")).square(), dim=-1)
