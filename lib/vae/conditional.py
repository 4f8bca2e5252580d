"""A VAE that is told something about the picture, so that the code only has to carry the rest."""

import torch
import torch.nn.functional as F
from einops import repeat
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.ae import Decoder, Encoder
from lib.data import CLASSES, COLOURS
from lib.vae.loss import PIXEL_STD, kl_to_standard_normal, squared_error
from lib.vae.model import reparameterize

NUM_CONDITIONS = len(CLASSES) + len(COLOURS)
"""Length of the condition of a scene with one shape."""


def shape_condition(class_idx: Int[Tensor, " B"], colour_idx: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
    """The condition of a scene with one shape: a 1 at its class, and after the classes a 1 at its colour.

    Args:
        class_idx: index into ``lib.data.CLASSES``.
        colour_idx: index into ``lib.data.COLOURS``.
    """
    return torch.cat([F.one_hot(class_idx, len(CLASSES)), F.one_hot(colour_idx, len(COLOURS))], dim=1).float()


class ConditionalVAE(nn.Module):
    """A VAE of p(x | condition): the encoder sees it as constant extra channels, the decoder beside the code.

    The prior stays N(0, I) whatever the condition, so the cheapest code says nothing that the condition already says.

    Args:
        latent_dim: length D of the code z.
        num_conditions: length of the condition.
        channels: widths from the full picture down to 4 x 4, of both halves.
        hidden: width of the linear layer in each half.
        size: height and width of the pictures.

    Source: Sohn et al. 2015, "Learning structured output representation using deep conditional generative models",
    NeurIPS 28, with the prior of Kingma et al. 2014, arXiv:1406.5298 (M2), which does not see the condition.
    """

    def __init__(
        self,
        latent_dim: int,
        num_conditions: int = NUM_CONDITIONS,
        channels: tuple[int, ...] = (32, 48, 64, 96),
        hidden: int = 256,
        size: int = 32,
    ):
        super().__init__()
        self.latent_dim, self.num_conditions = latent_dim, num_conditions
        self.encoder = Encoder(2 * latent_dim, channels, hidden, size, in_channels=3 + num_conditions)
        self.decoder = Decoder(latent_dim + num_conditions, channels, hidden, size)

    def encode(
        self, x: Float[Tensor, "B 3 S S"], condition: Float[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D"]]:
        """Mean and log variance of q(z | x, condition)."""
        painted = repeat(condition, "b k -> b k h w", h=x.shape[2], w=x.shape[3])
        mu, logvar = self.encoder(torch.cat([x, painted], dim=1)).to(x.dtype).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Float[Tensor, "B D"], condition: Float[Tensor, "B K"]) -> Float[Tensor, "B 3 S S"]:
        return self.decoder(torch.cat([z, condition], dim=1))

    def forward(
        self, x: Float[Tensor, "B 3 S S"], condition: Float[Tensor, "B K"], generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B D"], Float[Tensor, "B D"]]:
        mu, logvar = self.encode(x, condition)  # (B, D) each
        z = reparameterize(mu, logvar, generator)  # (B, D)
        return self.decode(z, condition), mu, logvar

    @torch.no_grad()
    def sample(
        self, condition: Float[Tensor, "B K"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "B 3 S S"]:
        """One new picture for each condition: a code from the prior, decoded beside the condition."""
        z = torch.randn(len(condition), self.latent_dim, generator=generator, device=condition.device)
        return self.decode(z.to(condition.dtype), condition)


def conditional_elbo_loss(
    model: ConditionalVAE,
    batch: tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B K"]],
    generator: torch.Generator | None = None,
    *,
    kl_weight: float = 1.0,
    pixel_std: float = PIXEL_STD,
) -> Float[Tensor, ""]:
    """The loss of `elbo_loss` for pictures with conditions: every term is conditioned, nothing else changes.

    Args:
        model: the conditional VAE.
        batch: pictures and their conditions.
        generator: source of the noise.
        kl_weight: factor of the rate; 1 for the ELBO.
        pixel_std: standard deviation s of the decoder's Gaussian.

    Raises:
        ValueError: if ``pixel_std`` is not positive or ``kl_weight`` negative.

    Source: Sohn et al. 2015, eq. 4.
    """
    if not pixel_std > 0 or kl_weight < 0:
        raise ValueError(
            f"pixel_std must be positive and kl_weight not negative, got pixel_std {pixel_std}, kl_weight {kl_weight}"
        )
    x, condition = batch
    x_hat, mu, logvar = model(x, condition, generator)
    distortion = squared_error(x_hat, x) / (2 * pixel_std**2)
    return (distortion + kl_weight * kl_to_standard_normal(mu, logvar)).mean()
