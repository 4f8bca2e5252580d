"""VQ-VAE: an encoder to a grid of vectors, a codebook, a decoder; and the same with two grids.

Encoder and decoder have no normalisation: a code then decides about the pixels around its place and no others.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.vqvae.quantizer import QUANTIZERS, Quantized, Quantizer


def make_quantizer(update: str, num_codes: int, code_dim: int) -> Quantizer:
    """The quantiser whose codebook learns by the named rule.

    Raises:
        ValueError: if there is no such rule.
    """
    if update not in QUANTIZERS:
        raise ValueError(f"update must be one of {', '.join(QUANTIZERS)}, got {update!r}")
    return QUANTIZERS[update](num_codes, code_dim)


class ResidualBlock(nn.Module):
    """x + Conv1x1(ReLU(Conv3x3(ReLU(x)))): the block of the paper.

    Args:
        channels: width of x.
        hidden: width in between.

    Source: van den Oord et al. 2017, arXiv:1711.00937, section 4.1.
    """

    browser_op = "residual"  # so that the widget of the chapter can run it

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, channels, 1)
        )

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return x + self.layers(x)


class Encoder(nn.Sequential):
    """Pictures to a grid of vectors: one convolution of stride 2 for each width, residual blocks, a 1 x 1 convolution.

    Args:
        code_dim: length of the vectors that leave.
        channels: width after each halving; their number says how often height and width are halved.
        num_blocks: number of residual blocks at the smallest size.
        hidden: width inside a residual block.
        in_channels: 3 for colour.

    Raises:
        ValueError: if ``channels`` is empty.
    """

    def __init__(
        self, code_dim: int, channels: tuple[int, ...], num_blocks: int = 2, hidden: int = 32, in_channels: int = 3
    ):
        if not channels:
            raise ValueError("channels must name at least one width, got none")
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise((in_channels, *channels)):
            layers += [nn.Conv2d(width_in, width_out, 4, stride=2, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(channels[-1], channels[-1], 3, padding=1)]
        layers += [ResidualBlock(channels[-1], hidden) for _ in range(num_blocks)]
        layers += [nn.ReLU(), nn.Conv2d(channels[-1], code_dim, 1)]
        super().__init__(*layers)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        return super().forward(x)


class Decoder(nn.Sequential):
    """A grid of vectors to pictures: the encoder's way back.

    Args:
        code_dim: length of the vectors that enter.
        channels: the encoder's widths, in the encoder's order.
        num_blocks: number of residual blocks at the smallest size.
        hidden: width inside a residual block.
        out_channels: 3 for colour; then a last ``Tanh`` keeps the values in (-1, 1).

    Raises:
        ValueError: if ``channels`` is empty.
    """

    def __init__(
        self, code_dim: int, channels: tuple[int, ...], num_blocks: int = 2, hidden: int = 32, out_channels: int = 3
    ):
        if not channels:
            raise ValueError("channels must name at least one width, got none")
        layers: list[nn.Module] = [nn.Conv2d(code_dim, channels[-1], 3, padding=1)]
        layers += [ResidualBlock(channels[-1], hidden) for _ in range(num_blocks)]
        for width_in, width_out in pairwise((*reversed(channels), out_channels)):
            layers += [nn.ReLU(), nn.ConvTranspose2d(width_in, width_out, 4, stride=2, padding=1)]
        super().__init__(*layers, *([nn.Tanh()] if out_channels == 3 else []))

    def forward(self, z_q: Float[Tensor, "B D h w"]) -> Float[Tensor, "B C H W"]:
        return super().forward(z_q)


class VQOutput(NamedTuple):
    """Reconstruction, and for each grid what its quantiser returned (a VQ-VAE has one, a VQ-VAE-2 top and bottom)."""

    x_hat: Float[Tensor, "B 3 H W"]
    quantized: tuple[Quantized, ...]


class VQVAE(nn.Module):
    """An autoencoder whose code is a grid of whole numbers, each the index of a vector in a codebook.

    Args:
        num_codes: number K of codes.
        code_dim: length D of a code.
        channels: width after each halving; two halvings make 64 x 64 pixels to 16 x 16 indices.
        num_blocks: number of residual blocks in each half.
        hidden: width inside a residual block.
        encoder_channels: widths of the encoder where they differ from the decoder's.
        update: how the codebook learns, "loss", "ema" or "ema_restart".

    Source: van den Oord et al. 2017, arXiv:1711.00937, section 3.
    """

    def __init__(
        self,
        num_codes: int = 256,
        code_dim: int = 16,
        channels: tuple[int, ...] = (32, 64),
        num_blocks: int = 2,
        hidden: int = 32,
        encoder_channels: tuple[int, ...] | None = None,
        update: str = "ema_restart",
    ):
        super().__init__()
        self.encoder = Encoder(code_dim, encoder_channels or channels, num_blocks, hidden)
        self.quantizer = make_quantizer(update, num_codes, code_dim)
        self.decoder = Decoder(code_dim, channels, num_blocks, hidden)

    @property
    def num_codes(self) -> int:
        return self.quantizer.num_codes

    def encode(self, x: Float[Tensor, "B 3 H W"]) -> Int[Tensor, "B h w"]:
        """The grid of indices of each picture: its code, and all that the decoder needs."""
        return self.quantizer.indices(self.encoder(x))

    def decode(self, indices: Int[Tensor, "B h w"]) -> Float[Tensor, "B 3 H W"]:
        """The pictures of grids of indices."""
        return self.decoder(self.quantizer.embed(indices))

    def forward(self, x: Float[Tensor, "B 3 H W"], generator: torch.Generator | None = None) -> VQOutput:
        z_e = self.encoder(x)  # (B, D, h, w)
        quantized = self.quantizer(z_e, generator)
        return VQOutput(self.decoder(quantized.z_q), (quantized,))


class VQVAE2(nn.Module):
    """Two grids: a small one (top) for the whole, a larger one (bottom) for the detail that the top leaves out.

    The bottom quantiser sees the decoded top, and the decoder sees both, so nothing has to be said twice.

    Args:
        num_codes: number K of codes in each codebook.
        code_dim: length D of a code.
        channels: width after each halving down to the bottom grid; the top is half as high and wide.
        num_blocks: number of residual blocks in each part.
        hidden: width inside a residual block.
        update: how the codebooks learn, "loss", "ema" or "ema_restart".

    Source: Razavi et al. 2019, arXiv:1906.00446, algorithm 1 and section 3.1.
    """

    def __init__(
        self,
        num_codes: int = 256,
        code_dim: int = 16,
        channels: tuple[int, ...] = (32, 64),
        num_blocks: int = 2,
        hidden: int = 32,
        update: str = "ema_restart",
    ):
        super().__init__()
        width = channels[-1]
        self.encoder_bottom = Encoder(width, channels, num_blocks, hidden)
        self.encoder_top = Encoder(code_dim, (width,), num_blocks, hidden, in_channels=width)
        self.quantizer_top = make_quantizer(update, num_codes, code_dim)
        self.decoder_top = Decoder(code_dim, (width,), num_blocks, hidden, out_channels=width)
        self.before_bottom = nn.Conv2d(2 * width, code_dim, 1)
        self.quantizer_bottom = make_quantizer(update, num_codes, code_dim)
        self.upsample_top = nn.ConvTranspose2d(code_dim, code_dim, 4, stride=2, padding=1)
        self.decoder = Decoder(2 * code_dim, channels, num_blocks, hidden)

    @property
    def num_codes(self) -> int:
        return self.quantizer_bottom.num_codes

    def encode(self, x: Float[Tensor, "B 3 H W"]) -> tuple[Int[Tensor, "B h w"], Int[Tensor, "B h2 w2"]]:
        """The two grids of indices of each picture, top first."""
        features = self.encoder_bottom(x)
        top = self.quantizer_top.indices(self.encoder_top(features))
        z_q_top = self.quantizer_top.embed(top)
        bottom = self.quantizer_bottom.indices(self._bottom(features, z_q_top))
        return top, bottom

    def decode(self, top: Int[Tensor, "B h w"], bottom: Int[Tensor, "B h2 w2"]) -> Float[Tensor, "B 3 H W"]:
        """The pictures of grids of indices.

        Raises:
            ValueError: if the bottom grid is not twice as high and wide as the top one.
        """
        if tuple(bottom.shape[1:]) != (2 * top.shape[1], 2 * top.shape[2]):
            sizes = f"{tuple(bottom.shape[1:])} for {tuple(top.shape[1:])}"
            raise ValueError(f"bottom must be twice as high and wide as top, got {sizes}")
        return self._decode(self.quantizer_top.embed(top), self.quantizer_bottom.embed(bottom))

    def forward(self, x: Float[Tensor, "B 3 H W"], generator: torch.Generator | None = None) -> VQOutput:
        features = self.encoder_bottom(x)  # (B, C, 2h, 2w)
        top = self.quantizer_top(self.encoder_top(features), generator)  # h x w
        bottom = self.quantizer_bottom(self._bottom(features, top.z_q), generator)  # 2h x 2w
        return VQOutput(self._decode(top.z_q, bottom.z_q), (top, bottom))

    def _bottom(self, features: Tensor, z_q_top: Tensor) -> Tensor:
        """What the bottom quantiser sees: features of the picture beside the decoded top."""
        return self.before_bottom(torch.cat([features, self.decoder_top(z_q_top).to(features.dtype)], dim=1))

    def _decode(self, z_q_top: Tensor, z_q_bottom: Tensor) -> Tensor:
        """Both grids at the size of the larger, one behind the other, then the decoder."""
        return self.decoder(torch.cat([self.upsample_top(z_q_top).to(z_q_bottom.dtype), z_q_bottom], dim=1))
