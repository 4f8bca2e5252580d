"""VAEs that are wrong on purpose, each with the number that gives it away.

Most of them differ from a healthy VAE in one line: how the code is drawn, or what stands in the loss. A draw is a
function ``draw(mu, logvar, generator) -> z``; `loss_with` puts it into the loss in the place of `reparameterize`.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lib.vae.loss import PIXEL_STD, elbo_terms, kl_to_standard_normal, squared_error
from lib.vae.model import VAE, reparameterize

Draw = Callable[[Tensor, Tensor, torch.Generator], Tensor]
Loss = Callable[[nn.Module, Tensor, torch.Generator], Tensor]


def mean_over_pixels_loss(model: nn.Module, x: Float[Tensor, "B 3 S S"], generator: torch.Generator) -> Tensor:
    """Broken line: ``F.mse_loss(x_hat, x) + kl``. The mean over pixels makes the KL many thousand times too heavy."""
    x_hat, mu, logvar = model(x, generator)
    return (squared_error(x_hat, x) / x[0].numel() + kl_to_standard_normal(mu, logvar)).mean()


def negative_kl_loss(model: nn.Module, x: Float[Tensor, "B 3 S S"], generator: torch.Generator) -> Tensor:
    """Broken line: ``distortion - kl``, the sign of the bound in a loss. Codes are paid for running away."""
    distortion, rate = elbo_terms(model, x, generator)
    return (distortion - rate).mean()


def variance_for_std(mu: Float[Tensor, "B D"], logvar: Float[Tensor, "B D"], generator: torch.Generator) -> Tensor:
    """Broken line: ``mu + logvar.exp() * eps``. The variance stands where the standard deviation belongs."""
    return mu + logvar.exp() * _noise(mu, generator)


def no_noise(mu: Float[Tensor, "B D"], logvar: Float[Tensor, "B D"], generator: torch.Generator) -> Tensor:
    """Broken line: ``z = mu``. Nothing but the KL looks at logvar any more, and sets every spread to 1."""
    return mu


def one_noise_for_all_dimensions(
    mu: Float[Tensor, "B D"], logvar: Float[Tensor, "B D"], generator: torch.Generator
) -> Tensor:
    """Broken line: ``eps = torch.randn(B, 1)``. A decoder that takes differences of two dimensions sees no noise."""
    return mu + (logvar / 2).exp() * _noise(mu[:, :1], generator)


def without_gradient(mu: Float[Tensor, "B D"], logvar: Float[Tensor, "B D"], generator: torch.Generator) -> Tensor:
    """Broken line: ``Normal(mu, sigma).sample()`` for ``.rsample()``. The draw is right, but no gradient passes."""
    return reparameterize(mu, logvar, generator).detach()


def loss_with(draw: Draw) -> Loss:
    """The loss of a VAE in which ``draw`` makes the code."""

    def loss(model: nn.Module, x: Tensor, generator: torch.Generator) -> Tensor:
        mu, logvar = model.encode(x)
        distortion = squared_error(model.decode(draw(mu, logvar, generator)), x) / (2 * PIXEL_STD**2)
        return (distortion + kl_to_standard_normal(mu, logvar)).mean()

    return loss


class NoiseCheck(NamedTuple):
    """What the noise of a draw is like: its variance over the one that logvar claims, and how alike the dimensions are.

    1 and 0 are right.
    """

    variance_ratio: float
    correlation: float


def check_noise(
    draw: Draw, mu: Float[Tensor, "B D"], logvar: Float[Tensor, "B D"], generator: torch.Generator, num: int = 100
) -> NoiseCheck:
    """Draw ``num`` codes for each picture and compare the noise with what mu and logvar say.

    Raises:
        ValueError: if the code has fewer than two dimensions, so that none can be compared.
    """
    if mu.shape[1] < 2:
        raise ValueError(f"mu must have at least two dimensions to compare, got {mu.shape[1]}")
    with torch.no_grad():
        draws = torch.stack([draw(mu, logvar, generator) for _ in range(num)])
    noise = ((draws - mu) / (logvar / 2).exp()).flatten(0, 1)  # standard normal if all is well
    ratio = noise.square().mean().item()
    if ratio == 0:
        return NoiseCheck(0.0, 0.0)
    second = noise.T @ noise / len(noise)
    spread = second.diag().sqrt()
    correlations = second / (spread[:, None] * spread)
    others = ~torch.eye(len(second), dtype=torch.bool)
    return NoiseCheck(ratio, correlations[others].abs().mean().item())


def encoder_gradient(model: nn.Module, x: Float[Tensor, "B 3 S S"], draw: Draw, generator: torch.Generator) -> float:
    """Largest entry of the gradient that the distortion sends to the encoder; 0 if the draw cuts it off."""
    mu, logvar = model.encode(x)
    distortion = squared_error(model.decode(draw(mu, logvar, generator)), x).mean()
    gradients = torch.autograd.grad(distortion, list(model.encoder.parameters()), allow_unused=True)
    return max(0.0 if gradient is None else gradient.abs().max().item() for gradient in gradients)


class ReluSigmaVAE(VAE):
    """Broken line: ``sigma = torch.relu(head)``. Half of all spreads are exactly 0, and log 0 is minus infinity."""

    def encode(self, x: Float[Tensor, "B 3 S S"]) -> tuple[Tensor, Tensor]:
        mu, head = super().encode(x)
        return mu, torch.relu(head).square().log()


def infinite_share(model: VAE, x: Float[Tensor, "B 3 S S"]) -> float:
    """Share of the log variances that are not finite: 0 is right."""
    with torch.no_grad():
        return 1 - model.encode(x)[1].isfinite().float().mean().item()


def _noise(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)
