"""Latents of many pictures, brought to the spread that a noise schedule expects.

A schedule mixes data with noise of standard deviation 1 and takes for granted that the data have the same. Pictures in
[-1, 1] nearly do; latents have whatever spread the first stage came to, and a mean that need not be 0.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lib.training import autocast


@dataclass(frozen=True)
class Scaling:
    """How latents are brought to mean 0 and standard deviation 1, and back: z_scaled = scale · (z − shift).

    Attributes:
        scale: one factor for all channels, above 0. Stable Diffusion's is 0.18215.
        shift: a number for each channel; empty for none, as in the original.
    """

    scale: float = 1.0
    shift: tuple[float, ...] = ()

    def __post_init__(self):
        if not 0 < self.scale < float("inf"):
            raise ValueError(f"scale must be a positive number, got {self.scale}")

    def apply(self, z: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """Latents as a diffusion model sees them."""
        return (z - self._shift(z)) * self.scale

    def undo(self, z: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """Latents as the decoder expects them."""
        return z / self.scale + self._shift(z)

    def _shift(self, z: Tensor) -> Tensor:
        if not self.shift:
            return z.new_zeros(())
        if len(self.shift) != z.shape[1]:
            raise ValueError(f"z must have {len(self.shift)} channels, as many as shift, got shape {tuple(z.shape)}")
        return z.new_tensor(self.shift)[:, None, None]


def measure_scaling(z: Float[Tensor, "B C h w"], *, centre: bool = True) -> Scaling:
    """The scaling under which these latents have standard deviation 1 over all values.

    Args:
        z: latents of many pictures.
        centre: bring the mean of each channel to 0 as well. Without it, as in the original, the spread between the
            channels' means is part of the standard deviation.

    Raises:
        ValueError: if the latents do not vary.

    Source: Rombach et al. 2022, arXiv:2112.10752, appendix G (the variance of z over all components).
    """
    shift = z.double().mean((0, 2, 3)) if centre else z.new_zeros(0, dtype=torch.float64)
    centred = z.double() - shift[:, None, None] if centre else z.double()
    std = centred.std(correction=0).item()
    if not 0 < std < float("inf"):
        raise ValueError(f"z must vary and be finite to have a scale, got standard deviation {std}")
    return Scaling(1 / std, tuple(shift.tolist()))


@torch.no_grad()
def encode_all(autoencoder: nn.Module, images: Float[Tensor, "N 3 S S"], chunk: int = 64) -> Float[Tensor, "N C s s"]:
    """Latents of many pictures, unscaled, some at a time, in float32."""
    device = next(autoencoder.parameters()).device
    with autocast("auto", device):
        return torch.cat([autoencoder.latent(part.to(device)).float().cpu() for part in images.split(chunk)])


@torch.no_grad()
def decode_all(autoencoder: nn.Module, z: Float[Tensor, "N C s s"], chunk: int = 64) -> Float[Tensor, "N 3 S S"]:
    """Pictures of many unscaled latents, some at a time, brought into [-1, 1] as saving them would."""
    device = next(autoencoder.parameters()).device
    with autocast("auto", device):
        parts = [autoencoder.decode(part.to(device)).float().clamp(-1, 1).cpu() for part in z.split(chunk)]
    return torch.cat(parts)


@dataclass(frozen=True, eq=False)
class Latents:
    """A data set encoded once: what a second stage is trained on.

    Attributes:
        z: scaled latents, in the order of the pictures.
        scaling: what was done to them.
    """

    z: Float[Tensor, "N C s s"]
    scaling: Scaling

    @classmethod
    def of(
        cls, autoencoder: nn.Module, images: Float[Tensor, "N 3 S S"], scaling: Scaling | None = None, chunk: int = 64
    ) -> "Latents":
        """Encode pictures; without a scaling, the one that fits these pictures is measured."""
        z = encode_all(autoencoder, images, chunk)
        scaling = scaling or measure_scaling(z)
        return cls(scaling.apply(z), scaling)

    def decode(self, autoencoder: nn.Module, index: slice | Tensor = slice(None)) -> Float[Tensor, "n 3 S S"]:
        """Pictures of some of them."""
        return decode_all(autoencoder, self.scaling.undo(self.z[index]))
