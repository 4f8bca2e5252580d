"""The first stage: an autoencoder whose latent is a small picture, kept in bounds by a KL term or by a codebook.

`AutoencoderKL` asks for a Gaussian near the standard normal one, with so small a weight that it only keeps the latents
from running away. `VQAutoencoder` rounds them to a codebook, and counts that rounding to the decoder: what is diffused
later is the map before it. Both answer the same three calls: `latent`, `decode`, and the forward of training.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lib.ldm.autoencoder_blocks import Decoder, Encoder, Widths
from lib.vae.loss import kl_to_standard_normal
from lib.vae.model import reparameterize
from lib.vqvae.quantizer import RestartQuantizer

LOGVAR_RANGE = (-30.0, 20.0)


class Rebuilt(NamedTuple):
    """What an autoencoder returns in training.

    Attributes:
        x_hat: the reconstruction.
        penalty: what keeps the latent in bounds. For KL, the divergence from N(0, I) in nats, per value of the picture;
            for VQ, the mean squared distance of the latent from its codes.
    """

    x_hat: Float[Tensor, "B 3 S S"]
    penalty: Float[Tensor, ""]


class Autoencoder(nn.Module):
    """What both have in common: the two halves and a 1 x 1 convolution on either side of the latent.

    Args:
        out_factor: channels that the encoder gives for each channel of the latent.
        latent_channels: channels of the latent.
        channels: width at full resolution.
        multipliers: width at each resolution, in units of ``channels``. Their number decides the factor f by which
            height and width shrink: two of them make f = 2, three 4, four 8.
        num_res_blocks: residual blocks at each resolution of the encoder; the decoder has one more.
        num_groups: groups of each norm.

    Source: Rombach et al. 2022, arXiv:2112.10752, section 3.1 and appendix E.
    """

    def __init__(
        self, out_factor: int, latent_channels: int, channels: int, multipliers: Widths, num_res_blocks: int,
        num_groups: int,
    ):  # fmt: skip
        super().__init__()
        self.latent_channels, self.factor = latent_channels, 2 ** (len(multipliers) - 1)
        encoded = out_factor * latent_channels
        self.encoder = Encoder(encoded, channels, multipliers, num_res_blocks, num_groups)
        self.decoder = Decoder(latent_channels, channels, multipliers, num_res_blocks, num_groups)
        self.quant_conv = nn.Conv2d(encoded, encoded, 1)
        self.post_quant_conv = nn.Conv2d(latent_channels, latent_channels, 1)
        self.to(memory_format=torch.channels_last)

    @property
    def last_layer(self) -> nn.Parameter:
        """The weight of the decoder's last convolution, where the pull of two losses is compared."""
        return self.decoder.conv_out.weight

    def encoded(self, x: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B K s s"]:
        """What leaves the encoder, in the precision of the pictures."""
        if x.shape[-1] % self.factor or x.shape[-2] % self.factor:
            raise ValueError(f"x must be a multiple of {self.factor} pixels high and wide, got {tuple(x.shape[-2:])}")
        return self.quant_conv(self.encoder(x.contiguous(memory_format=torch.channels_last))).to(x.dtype)

    def decoded(self, z: Float[Tensor, "B C s s"]) -> Float[Tensor, "B 3 S S"]:
        """Pictures from what the decoder proper expects, in the precision of ``z``."""
        if z.shape[1] != self.latent_channels:
            raise ValueError(f"z must have {self.latent_channels} channels, got shape {tuple(z.shape)}")
        return self.decoder(self.post_quant_conv(z)).to(z.dtype).contiguous()


class AutoencoderKL(Autoencoder):
    """An autoencoder whose encoder answers with a Gaussian at every place of a small map: the VAE of chapter 2, coarse.

    Args:
        latent_channels, channels, multipliers, num_res_blocks, num_groups: see `Autoencoder`.

    Source: Rombach et al. 2022, arXiv:2112.10752, section 3.1 (KL-reg.) and appendix G, eq. 25.
    """

    def __init__(
        self, latent_channels: int = 4, channels: int = 32, multipliers: Widths = (1, 2, 2), num_res_blocks: int = 1,
        num_groups: int = 8,
    ):  # fmt: skip
        super().__init__(2, latent_channels, channels, multipliers, num_res_blocks, num_groups)

    def encode(self, x: Float[Tensor, "B 3 S S"]) -> tuple[Float[Tensor, "B C s s"], Float[Tensor, "B C s s"]]:
        """Mean and log variance of q(z|x) at every place.

        The log variance is cut off at -30 and 20, as in the original: beyond that the exponential is 0 or infinite for
        the purposes of float32, and one bad picture would end the training. Where it is cut off, no gradient returns.
        """
        mu, logvar = self.encoded(x).chunk(2, dim=1)
        return mu.contiguous(), logvar.clamp(*LOGVAR_RANGE).contiguous()

    def latent(self, x: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B C s s"]:
        """The latent of a picture without noise: the mean. Its spread is far below that of the means."""
        return self.encode(x)[0]

    def decode(self, z: Float[Tensor, "B C s s"]) -> Float[Tensor, "B 3 S S"]:
        """Pictures of latents; values may leave [-1, 1] a little."""
        return self.decoded(z)

    def forward(self, x: Float[Tensor, "B 3 S S"], generator: torch.Generator | None = None) -> Rebuilt:
        mu, logvar = self.encode(x)
        z = reparameterize(mu.flatten(1), logvar.flatten(1), generator).view_as(mu)
        kl = kl_to_standard_normal(mu.flatten(1), logvar.flatten(1))  # (B,), nats of a picture
        return Rebuilt(self.decode(z), kl.mean() / x[0].numel())


class VQAutoencoder(Autoencoder):
    """An autoencoder whose latent is rounded to the nearest of a number of codes on its way to the decoder.

    The codebook is that of chapter 3, a running mean with restarts, so a training batch must come in one piece. Only
    the commitment term has a gradient.

    Args:
        num_codes: number K of codes.
        latent_channels: length of a code.
        channels, multipliers, num_res_blocks, num_groups: see `Autoencoder`.

    Source: Rombach et al. 2022, arXiv:2112.10752, section 3.1 (VQ-reg.); Esser et al. 2021, arXiv:2012.09841.
    """

    def __init__(
        self, num_codes: int = 512, latent_channels: int = 4, channels: int = 32, multipliers: Widths = (1, 2, 2),
        num_res_blocks: int = 1, num_groups: int = 8,
    ):  # fmt: skip
        super().__init__(1, latent_channels, channels, multipliers, num_res_blocks, num_groups)
        self.quantize = RestartQuantizer(num_codes, latent_channels)

    def latent(self, x: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B C s s"]:
        """The map before rounding: what a diffusion model of these latents learns."""
        return self.encoded(x).contiguous()

    def decode(self, z: Float[Tensor, "B C s s"]) -> Float[Tensor, "B 3 S S"]:
        """Pictures of latents, which are rounded first: the quantiser belongs to the decoder."""
        return self.decoded(self.quantize.embed(self.quantize.indices(z)).to(z.dtype))

    def forward(self, x: Float[Tensor, "B 3 S S"], generator: torch.Generator | None = None) -> Rebuilt:
        quantized = self.quantize(self.encoded(x), generator)
        return Rebuilt(self.decoded(quantized.z_q), quantized.commitment_loss)


AUTOENCODERS = {"kl": AutoencoderKL, "vq": VQAutoencoder}
"""Both kinds by the name that a recipe uses."""
