"""Autoencoders that are wrong on purpose, each with the number that gives it away.

Every entry is one broken line. The chapter shows the picture it makes; the functions here measure what more
training would not mend.
"""

from collections.abc import Callable

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from .model import AutoEncoder, Decoder


class SigmoidAutoEncoder(AutoEncoder):
    """Broken line: ``nn.Sigmoid()`` where the decoder needs ``nn.Tanh()``: data live in [-1, 1], outputs in (0, 1)."""

    def __init__(self, latent_dim: int, **kwargs):
        super().__init__(latent_dim, **kwargs)
        self.decoder[-1] = nn.Sigmoid()


def unreachable_error(x: Float[Tensor, "B 3 S S"]) -> Float[Tensor, " B"]:
    """Squared error that values in [0, 1] cannot avoid: the negative part of the data, summed per picture."""
    return reduce(x.clamp(max=0).square(), "b c h w -> b", "sum")


class NoActivationAutoEncoder(AutoEncoder):
    """Broken lines: activations and normalisations left out, so that all layers melt into one affine map.

    `GroupNorm` has to go as well: it divides by a spread that depends on the picture, and no affine map does that.
    """

    def __init__(self, latent_dim: int, **kwargs):
        super().__init__(latent_dim, **kwargs)
        self.encoder = without(self.encoder, nn.SiLU, nn.GroupNorm)
        self.decoder = without(self.decoder, nn.SiLU, nn.GroupNorm, nn.Tanh)


def without(layers: nn.Sequential, *kinds: type[nn.Module]) -> nn.Sequential:
    """The same list of layers (with the same weights) without those of some kinds."""
    return nn.Sequential(*(layer for layer in layers if not isinstance(layer, kinds)))


def affine_gap(
    function: Callable[[Tensor], Tensor], x: Float[Tensor, "B ..."], y: Float[Tensor, "B ..."]
) -> Float[Tensor, ""]:
    """‖f(x) + f(y) − f(x + y) − f(0)‖ over ‖f(x) − f(0)‖: 0 for every affine map, not for others."""
    at_zero = function(torch.zeros_like(x))
    gap = function(x) + function(y) - function(x + y) - at_zero
    return gap.norm() / (function(x) - at_zero).norm()


class CheckerboardDecoder(Decoder):
    """Broken line: ``ConvTranspose2d`` with stride 2 in place of upsampling and a convolution.

    Pixels in even and odd rows and columns are made by different entries of the kernel: with kernel 3 by one, two, two
    or four of them, with kernel 4 by four each. Nothing keeps the four kinds of pixel alike until training does: a
    chessboard.

    Args:
        latent_dim: length of the code.
        kernel: 3 or 4.
        kwargs: as for `Decoder`.

    Raises:
        ValueError: if ``kernel`` is neither 3 nor 4.

    Source: Odena, Dumoulin & Olah 2016, Distill, "Deconvolution and checkerboard artifacts".
    """

    def __init__(self, latent_dim: int, kernel: int = 3, **kwargs):
        if kernel not in (3, 4):
            raise ValueError(f"kernel must be 3 or 4, got {kernel}")
        super().__init__(latent_dim, **kwargs)
        layers = []
        for layer in self:
            if layers and isinstance(layers[-1], nn.Upsample):  # replaces the upsampling and the convolution after it
                widths = layer.in_channels, layer.out_channels
                layers[-1] = nn.ConvTranspose2d(*widths, kernel, stride=2, padding=1, output_padding=4 - kernel)
            else:
                layers.append(layer)
        nn.Sequential.__init__(self, *layers)


class CheckerboardAutoEncoder(AutoEncoder):
    """An autoencoder with the `CheckerboardDecoder`."""

    def __init__(self, latent_dim: int, kernel: int = 3, **kwargs):
        super().__init__(latent_dim, **kwargs)
        kwargs.pop("encoder_channels", None)
        self.decoder = CheckerboardDecoder(latent_dim, kernel, **kwargs)


CHESSBOARD = torch.tensor([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]]) / 16
"""A filter that answers a chessboard of +1 and -1 with +1 and -1, and a slope or a stripe with 0."""


def chessboard(images: Float[Tensor, "B C S S"]) -> Float[Tensor, ""]:
    """How much of a chessboard the mean of a set of pictures has: 1 for a full one from -1 to 1, 0 for none.

    In the mean of many pictures their details, which lie now here and now there, cancel; a pattern that the network
    itself writes on every picture stays. Compare with the number of the data.
    """
    mean = rearrange(images.mean(dim=0), "c h w -> c 1 h w")
    kernel = rearrange(CHESSBOARD.to(images), "h w -> 1 1 h w")
    return functional.conv2d(mean, kernel).square().mean().sqrt()


def shuffled_pairs_loss(model: nn.Module, x: Float[Tensor, "B 3 S S"], generator: torch.Generator) -> Float[Tensor, ""]:
    """Broken line: the target comes from a second, differently shuffled list: ``‖x_hat − x[shuffled]‖²``.

    The best guess of a picture that has nothing to do with the input is the mean picture, whatever the code says.
    """
    shuffled = x[torch.randperm(len(x), generator=generator, device=generator.device).to(x.device)]
    return reduce((model(x) - shuffled).square(), "b c h w -> b", "sum").mean()


def variety(images: Float[Tensor, "B ..."]) -> Float[Tensor, ""]:
    """Variance over a set of pictures, averaged over pixels; 0 if all are the same picture."""
    return images.var(dim=0).mean()
