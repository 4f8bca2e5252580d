"""Autoencoders that are wrong on purpose, each with the number that gives it away.

Every entry is one broken line. The chapter shows the picture it makes; the functions here measure what more
training would not mend.
"""

from collections.abc import Callable

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn

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
    """Broken line: activations and normalisations left out, so that all layers melt into one affine map."""

    def __init__(self, latent_dim: int, **kwargs):
        super().__init__(latent_dim, **kwargs)
        self.encoder = without_nonlinearities(self.encoder)
        self.decoder = without_nonlinearities(self.decoder)


def without_nonlinearities(layers: nn.Sequential) -> nn.Sequential:
    """The same list with activations and normalisations taken out."""
    return nn.Sequential(*(layer for layer in layers if not isinstance(layer, nn.SiLU | nn.GroupNorm | nn.Tanh)))


def affine_gap(
    function: Callable[[Tensor], Tensor], x: Float[Tensor, "B ..."], y: Float[Tensor, "B ..."]
) -> Float[Tensor, ""]:
    """‖f(x) + f(y) − f(x + y) − f(0)‖ over ‖f(x) − f(0)‖: 0 for every affine map, not for others."""
    at_zero = function(torch.zeros_like(x))
    gap = function(x) + function(y) - function(x + y) - at_zero
    return gap.norm() / (function(x) - at_zero).norm()


class CheckerboardDecoder(Decoder):
    """Broken line: ``ConvTranspose2d`` with kernel 3 and stride 2 in place of upsampling and a convolution.

    The kernel is no multiple of the stride, so neighbouring pixels receive 1, 2, 2 or 4 contributions: a chessboard.

    Source: Odena, Dumoulin & Olah 2016, Distill, "Deconvolution and checkerboard artifacts".
    """

    def __init__(self, latent_dim: int, **kwargs):
        super().__init__(latent_dim, **kwargs)
        layers, upsampled = [], False
        for layer in self:
            if isinstance(layer, nn.Upsample):
                upsampled = True  # leave it out: the next layer doubles the size instead
            elif upsampled:
                layer = nn.ConvTranspose2d(layer.in_channels, layer.out_channels, 3, 2, padding=1, output_padding=1)
                upsampled = False
                layers.append(layer)
            else:
                layers.append(layer)
        nn.Sequential.__init__(self, *layers)


class CheckerboardAutoEncoder(AutoEncoder):
    """An autoencoder with the `CheckerboardDecoder`."""

    def __init__(self, latent_dim: int, **kwargs):
        super().__init__(latent_dim, **kwargs)
        kwargs.pop("encoder_channels", None)
        self.decoder = CheckerboardDecoder(latent_dim, **kwargs)


def phase_spread(images: Float[Tensor, "B C S S"]) -> Float[Tensor, ""]:
    """Chessboard in pictures: spread between the means of the four pixel phases (row and column even or odd).

    Real pictures do not care whether a pixel's row is even; the typical value is a few thousandths. The outermost two
    pixels are left out, because padding disturbs them.
    """
    phases = rearrange(images[..., 2:-2, 2:-2], "b c (h p) (w q) -> b c (p q) (h w)", p=2, q=2)
    return phases.mean(dim=-1).std(dim=-1).mean()


def shuffled_pairs_loss(model: nn.Module, x: Float[Tensor, "B 3 S S"], generator: torch.Generator) -> Float[Tensor, ""]:
    """Broken line: the target comes from a second, differently shuffled list: ``‖x_hat − x[shuffled]‖²``.

    The best guess of a picture that has nothing to do with the input is the mean picture, whatever the code says.
    """
    shuffled = x[torch.randperm(len(x), generator=generator, device=generator.device).to(x.device)]
    return reduce((model(x) - shuffled).square(), "b c h w -> b", "sum").mean()


def variety(images: Float[Tensor, "B ..."]) -> Float[Tensor, ""]:
    """Variance over a set of pictures, averaged over pixels; 0 if all are the same picture."""
    return images.var(dim=0).mean()
