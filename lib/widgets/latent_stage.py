"""Latents of a few pictures under one autoencoder, decoded as they are and after small changes."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

EDITS = {  # name -> factor of the channel, and shift in its standard deviations
    "flip": (-1.0, 0.0),
    "zero": (0.0, 0.0),
    "-2": (1.0, -2.0),
    "-1": (1.0, -1.0),
    "": (1.0, 0.0),
    "+1": (1.0, 1.0),
    "+2": (1.0, 2.0),
}
CHANGES = tuple(name for name in EDITS if name)
MAX_CHANNELS = 16


class LatentStage(NamedTuple):
    """What `latent_stage` returns: latents (N, C, h, w), the standard deviation of each channel, reconstructions
    (N, 3, H, W), pictures after each change (N, C, 6, 3, H, W), and numbers in words."""

    latents: Float[np.ndarray, "N C h w"]
    std: Float[np.ndarray, " C"]
    decoded: UInt8[np.ndarray, "N 3 H W"]
    edited: UInt8[np.ndarray, "N C E 3 H W"]
    numbers: dict[str, str]


def latent_stage(
    latents: Tensor,
    decode: Callable[[Tensor], Tensor],
    numbers: Mapping[str, Any] | None = None,
    *,
    std: Tensor | None = None,
) -> LatentStage:
    """Decode latents as they are, and with one channel changed at a time: turned round (times -1), taken away (times
    0), or moved by one or two of its standard deviations either way.

    Args:
        latents: (N, C, h, w), C at most 16.
        decode: from latents (n, C, h, w) to pictures (n, 3, H, W) in [-1, 1]; what lies outside is cut off.
        numbers: label -> number or word, for the table: PSNR, cost, ….
        std: of each channel; default that of the latents given, over pictures and places.

    Raises:
        ValueError: if the shapes do not fit, or a channel is constant.
    """
    if latents.ndim != 4 or not 1 <= latents.shape[1] <= MAX_CHANNELS or not latents.isfinite().all():
        raise ValueError(f"latents must be finite (N, 1 to {MAX_CHANNELS}, h, w), got {tuple(latents.shape)}")
    latents = latents.detach()
    std = rearrange(latents, "n c h w -> c (n h w)").std(1) if std is None else std.to(latents)
    if std.shape != latents.shape[1:2] or not (std > 0).all():
        raise ValueError(f"std must be a number above 0 for each of {latents.shape[1]} channels, got {std.tolist()}")
    decoded = _pictures(latents, decode)
    edited = [
        [_pictures(changed(latents, std, channel, name), decode) for name in CHANGES]
        for channel in range(latents.shape[1])
    ]
    return LatentStage(
        latents.cpu().float().numpy(),
        std.cpu().float().numpy(),
        decoded,
        np.stack([np.stack(row, axis=1) for row in edited], axis=1),
        {str(label): _text(value) for label, value in (numbers or {}).items()},
    )


def changed(latents: Tensor, std: Tensor, channel: int, name: str) -> Tensor:
    """Latents with one channel changed in the way ``EDITS[name]`` says."""
    factor, shift = EDITS[name]
    out = latents.clone()
    out[:, channel] = factor * out[:, channel] + shift * std[channel]
    return out


@torch.no_grad()
def _pictures(latents: Tensor, decode: Callable[[Tensor], Tensor]) -> np.ndarray:
    pictures = torch.cat([decode(part).float().cpu() for part in latents.split(64)])
    if pictures.ndim != 4 or pictures.shape[:2] != (len(latents), 3):
        raise ValueError(f"decode must make pictures ({len(latents)}, 3, H, W), got {tuple(pictures.shape)}")
    if any(large % small for large, small in zip(pictures.shape[2:], latents.shape[2:], strict=True)):
        raise ValueError(f"latents of {tuple(latents.shape[2:])} must divide pictures of {tuple(pictures.shape[2:])}")
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()


def _text(value: Any) -> str:
    """Words as they are, numbers with four figures and a true minus sign."""
    if isinstance(value, str):
        return value
    value = float(value)
    return (f"{value:,.0f}" if value.is_integer() else f"{value:.4g}").replace("-", "−")
