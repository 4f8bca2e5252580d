"""The convolutional autoencoder, as two visible lists of layers, and its linear ancestor.

Encoder and decoder are plain ``nn.Sequential`` lists: a reader can index any layer, look at what leaves it, or hand
the list to a browser that knows the few kinds of layer in it. Chapter 2 reuses both unchanged.
"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

START = 4
"""Height and width of the smallest feature map, the one that is flattened (encoder) or unflattened (decoder)."""


def check_channels(channels: tuple[int, ...], size: int) -> None:
    """One width per resolution size, size/2, …, 4, each divisible by the four groups of the normalisation."""
    num_halvings = (size // START).bit_length() - 1
    if size != START * 2**num_halvings:
        raise ValueError(f"size must be 4 times a power of two (8, 16, 32, 64, …), got {size}")
    if len(channels) != num_halvings + 1:
        raise ValueError(
            f"channels needs {num_halvings + 1} widths for size {size}, one per resolution, got {channels}"
        )
    if any(width < 4 or width % 4 for width in channels):
        raise ValueError(
            f"every width in channels must be a positive multiple of 4 (GroupNorm has 4 groups), got {channels}"
        )


class Encoder(nn.Sequential):
    """Pictures to ``num_outputs`` numbers each: convolutions halve down to 4 x 4, then two linear layers.

    Args:
        num_outputs: length of the output; an autoencoder asks for ``latent_dim``, a VAE for twice as many (one trunk,
            two heads).
        channels: width at each resolution, from ``size`` down to 4; one entry per resolution.
        hidden: width of the linear layer before the last.
        size: height and width of the pictures, 4 times a power of two.
        in_channels: 3 for colour; more when a condition is painted onto extra channels.

    Raises:
        ValueError: if ``channels`` does not fit ``size``.
    """

    def __init__(
        self,
        num_outputs: int,
        channels: tuple[int, ...] = (32, 48, 64, 96),
        hidden: int = 256,
        size: int = 32,
        in_channels: int = 3,
    ):
        check_channels(channels, size)
        layers = [nn.Conv2d(in_channels, channels[0], 3, padding=1)]
        for width_in, width_out in pairwise(channels):
            layers += [nn.GroupNorm(4, width_in), nn.SiLU(), nn.Conv2d(width_in, width_out, 3, stride=2, padding=1)]
        layers += [nn.GroupNorm(4, channels[-1]), nn.SiLU(), nn.Flatten()]
        layers += [nn.Linear(channels[-1] * START**2, hidden), nn.SiLU(), nn.Linear(hidden, num_outputs)]
        super().__init__(*layers)

    def forward(self, x: Float[Tensor, "B C S S"]) -> Float[Tensor, "B O"]:
        return super().forward(x)


class Decoder(nn.Sequential):
    """Codes to pictures: two linear layers, a 4 x 4 map, then upsampling and convolution in turn.

    The last ``Tanh`` keeps every pixel value in (-1, 1), the range of the data.

    Args:
        latent_dim: length of the code (plus the length of a condition, if one is appended).
        channels: width at each resolution, from ``size`` down to 4, in the same order as the encoder's.
        hidden: width of the first linear layer.
        size: height and width of the pictures, 4 times a power of two.

    Raises:
        ValueError: if ``channels`` does not fit ``size``.
    """

    def __init__(
        self, latent_dim: int, channels: tuple[int, ...] = (32, 48, 64, 96), hidden: int = 256, size: int = 32
    ):
        check_channels(channels, size)
        layers = [nn.Linear(latent_dim, hidden), nn.SiLU(), nn.Linear(hidden, channels[-1] * START**2)]
        layers += [nn.Unflatten(1, (channels[-1], START, START))]
        for width_in, width_out in pairwise(reversed(channels)):
            layers += [nn.GroupNorm(4, width_in), nn.SiLU()]
            layers += [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(width_in, width_out, 3, padding=1)]
        layers += [nn.GroupNorm(4, channels[0]), nn.SiLU(), nn.Conv2d(channels[0], 3, 3, padding=1), nn.Tanh()]
        super().__init__(*layers)

    def forward(self, z: Float[Tensor, "B D"]) -> Float[Tensor, "B 3 S S"]:
        return super().forward(z)


class AutoEncoder(nn.Module):
    """Squeeze a picture through ``latent_dim`` numbers and rebuild it.

    Args:
        latent_dim: length of the code z, the bottleneck.
        channels: widths from the full picture down to 4 x 4, of both halves.
        hidden: width of the linear layer in each half.
        size: height and width of the pictures.
        encoder_channels: widths of the encoder where they differ from the decoder's.

    Source: Hinton & Salakhutdinov 2006, Science 313, fig. 1 (the bottleneck); convolutions in place of their fully
    connected layers.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: tuple[int, ...] = (32, 48, 64, 96),
        hidden: int = 256,
        size: int = 32,
        encoder_channels: tuple[int, ...] | None = None,
    ):
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = Encoder(latent_dim, encoder_channels or channels, hidden, size)
        self.decoder = Decoder(latent_dim, channels, hidden, size)

    def encode(self, x: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B D"]:
        return self.encoder(x)

    def decode(self, z: Float[Tensor, "B D"]) -> Float[Tensor, "B 3 S S"]:
        return self.decoder(z)

    def forward(self, x: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B 3 S S"]:
        return self.decode(self.encode(x))


class LinearAutoEncoder(nn.Module):
    """The smallest autoencoder: x_hat = W_dec (W_enc x + b_enc) + b_dec, no nonlinearity anywhere.

    Trained to the minimum of the squared error its reconstruction equals that of PCA with as many components, while
    its code is an arbitrary invertible linear map of the PCA code.

    Args:
        num_values: length of one data vector.
        latent_dim: length of the code.

    Source: Bourlard & Kamp 1988, Biol. Cybern. 59; Baldi & Hornik 1989, Neural Networks 2, fact 1 and 4.
    """

    def __init__(self, num_values: int, latent_dim: int):
        super().__init__()
        self.encoder = nn.Linear(num_values, latent_dim)
        self.decoder = nn.Linear(latent_dim, num_values)

    def encode(self, x: Float[Tensor, "B P"]) -> Float[Tensor, "B D"]:
        return self.encoder(x)

    def decode(self, z: Float[Tensor, "B D"]) -> Float[Tensor, "B P"]:
        return self.decoder(z)

    def forward(self, x: Float[Tensor, "B P"]) -> Float[Tensor, "B P"]:
        return self.decode(self.encode(x))


def num_parameters(module: nn.Module) -> int:
    """How many numbers are learned in ``module``."""
    return sum(parameter.numel() for parameter in module.parameters())
