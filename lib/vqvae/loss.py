"""The loss of a VQ-VAE in its three terms, and the bound on log p(x) that goes with a grid of indices."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lib.vae import log_likelihood_constant

PIXEL_VARIANCE = 0.37
"""Variance of the emoji's values in [-1, 1]: divided by it, the error is the share of the variance that is lost."""

COMMITMENT_WEIGHT = 0.25


class VQTerms(NamedTuple):
    """The three terms: reconstruction (share of variance lost), codebook and commitment (mean squares)."""

    reconstruction: Float[Tensor, ""]
    codebook: Float[Tensor, ""]
    commitment: Float[Tensor, ""]


def vq_terms(model: nn.Module, x: Float[Tensor, "B 3 H W"], generator: torch.Generator | None = None) -> VQTerms:
    """Each term of the loss for a batch of pictures; with several grids, their codebook and commitment terms add up.

    Args:
        model: a `VQVAE` or `VQVAE2`; in training mode, running codebooks learn here.
        x: pictures in [-1, 1].
        generator: source of the choice of restarted codes.

    Source: van den Oord et al. 2017, arXiv:1711.00937, eq. 3.
    """
    x_hat, quantized = model(x, generator)
    reconstruction = F.mse_loss(x_hat.to(x.dtype), x) / PIXEL_VARIANCE
    codebook = sum(grid.codebook_loss for grid in quantized)
    commitment = sum(grid.commitment_loss for grid in quantized)
    return VQTerms(reconstruction, codebook, commitment)


def vq_loss(
    model: nn.Module,
    x: Float[Tensor, "B 3 H W"],
    generator: torch.Generator | None = None,
    *,
    commitment_weight: float = COMMITMENT_WEIGHT,
) -> Float[Tensor, ""]:
    """reconstruction + codebook + commitment_weight · commitment.

    The three teach different parts: the first the decoder and (straight through) the encoder, the second the codebook,
    the third the encoder.

    Args:
        model: a `VQVAE` or `VQVAE2`.
        x: pictures in [-1, 1].
        generator: source of the choice of restarted codes.
        commitment_weight: the beta of the paper, which found 0.1 to 2 to work alike.

    Raises:
        ValueError: if ``commitment_weight`` is negative.

    Source: van den Oord et al. 2017, arXiv:1711.00937, eq. 3.
    """
    if commitment_weight < 0:
        raise ValueError(f"commitment_weight must not be negative, got {commitment_weight}")
    terms = vq_terms(model, x, generator)
    return terms.reconstruction + terms.codebook + commitment_weight * terms.commitment


def code_nats(num_places: int, bits_per_code: float) -> float:
    """What a grid of ``num_places`` indices costs in nats at ``bits_per_code`` each; log2 K under the uniform prior.

    The posterior of a VQ-VAE puts everything on one index, so its KL to the uniform prior is log K at each place
    whatever the picture. A prior that knows the codes makes them cheaper; then pass the bits that it was measured to
    need.

    Raises:
        ValueError: if either is negative.

    Source: van den Oord et al. 2017, arXiv:1711.00937, section 3.1.
    """
    if num_places < 0 or bits_per_code < 0:
        raise ValueError(f"num_places and bits_per_code must not be negative, got {num_places} and {bits_per_code}")
    return num_places * bits_per_code * math.log(2)


def negative_bound(squared_error: float, num_values: int, pixel_std: float, nats_of_code: float) -> float:
    """−log p(x) is at most this many nats: what the code costs, plus what the picture costs given its code.

    Args:
        squared_error: ‖x − x̂‖², summed over the picture.
        num_values: number of values of the picture.
        pixel_std: standard deviation of the decoder's Gaussian.
        nats_of_code: see `code_nats`; for a VAE the KL.

    Raises:
        ValueError: if ``pixel_std`` is not positive.
    """
    constant = log_likelihood_constant(num_values, pixel_std)
    return squared_error / (2 * pixel_std**2) + constant + nats_of_code
