"""What the code of a trained VAE is used for: active dimensions, information, the gap to the prior, collapse."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lib.vae.loss import kl_per_dim, kl_to_standard_normal
from lib.vae.model import reparameterize

CHUNK = 256  # pictures coded or decoded at a time


class AggregateGap(NamedTuple):
    """The mean rate of a data set, divided into its two bills; nats. rate = information + gap."""

    rate: float
    information: float
    gap: float


@dataclass(frozen=True)
class CollapseReport:
    """Whether the code of a VAE says anything.

    Attributes:
        kl_per_dim: mean KL of each code dimension, nats.
        active: which dimensions vary from picture to picture.
        rate: mean KL, summed over dimensions, nats.
        swap_change: what happens to a reconstruction when it gets the code of another picture: the squared change as a
            share of the squared distance between the two pictures; near 1 where the code decides, 0 where the decoder
            does not listen.
    """

    kl_per_dim: Float[Tensor, " D"]
    active: Bool[Tensor, " D"]
    rate: float
    swap_change: float

    @property
    def collapsed(self) -> bool:
        """No dimension is active: every picture gets the same cloud of codes."""
        return not self.active.any()


@torch.no_grad()
def encode_all(model: nn.Module, images: Float[Tensor, "N ..."]) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N D"]]:
    """Means and log variances of q(z|x) of many pictures, without gradients, some pictures at a time."""
    clouds = [model.encode(part) for part in images.split(CHUNK)]
    mu, logvar = (torch.cat(part) for part in zip(*clouds, strict=True))
    return mu, logvar


@torch.no_grad()
def reconstruct(model: nn.Module, images: Float[Tensor, "N ..."]) -> Float[Tensor, "N ..."]:
    """Every picture coded and decoded again without noise: the decoder's answer to the mean mu of its cloud."""
    return torch.cat([model.decode(model.encode(part)[0]) for part in images.split(CHUNK)])


def active_units(mu: Float[Tensor, "N D"], threshold: float = 1e-2) -> Bool[Tensor, " D"]:
    """Which code dimensions are used: their mean mu varies over the pictures by more than ``threshold``.

    Take ``.sum()`` for the number. A collapsed dimension has mu = 0 for every picture, up to training noise.

    Raises:
        ValueError: if there are fewer than two pictures.

    Source: Burda et al. 2016, arXiv:1509.00519, section 5.2 (threshold 10⁻² on the variance).
    """
    if len(mu) < 2:
        raise ValueError(f"mu must have at least two rows to vary, got {len(mu)}")
    return mu.var(dim=0) > threshold


def mean_rate(mu: Float[Tensor, "N D"], logvar: Float[Tensor, "N D"]) -> float:
    """Mean KL(q(z|x) ‖ N(0, I)) over the pictures, in nats."""
    return kl_to_standard_normal(mu, logvar).mean().item()


def log_density_of_clouds(
    z: Float[Tensor, "S D"], mu: Float[Tensor, "N D"], logvar: Float[Tensor, "N D"]
) -> Float[Tensor, "S N"]:
    """log N(z_s; mu_n, diag exp(logvar_n)) of every code under the cloud of every picture."""
    precision = torch.exp(-logvar)  # (N, D)
    distance = (
        z.square() @ precision.T - 2 * z @ (precision * mu).T + reduce(mu.square() * precision, "n d -> n", "sum")
    )
    return -0.5 * (distance + reduce(logvar, "n d -> n", "sum") + mu.shape[1] * math.log(2 * math.pi))


def aggregate_posterior_gap(
    mu: Float[Tensor, "N D"],
    logvar: Float[Tensor, "N D"],
    generator: torch.Generator | None = None,
    num_samples: int = 1000,
) -> AggregateGap:
    """Mean rate = mutual information I(x; z) + KL(q(z) ‖ N(0, I)), with q(z) the mixture of the clouds of all pictures.

    The rate is exact; the information is an average over ``num_samples`` pictures with one draw each (every picture in
    turn where there are fewer), under the exact mixture of all N clouds; the gap is the difference. The information
    cannot exceed log N: a data set of N pictures has no more to tell, and the rest of the rate counts as gap.

    Raises:
        ValueError: if ``num_samples`` is below 1.

    Source: Hoffman and Johnson 2016, "ELBO surgery"; derivation steps V29-V31.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1, got {num_samples}")
    mu, logvar = mu.double(), logvar.double()
    order = torch.randperm(len(mu), generator=generator, device=mu.device)
    picked = order[torch.arange(num_samples, device=mu.device) % len(mu)]
    z = reparameterize(mu[picked], logvar[picked], generator)
    informations = []
    for z_part, own in zip(z.split(256), picked.split(256), strict=True):
        log_clouds = log_density_of_clouds(z_part, mu, logvar)  # (S, N)
        log_aggregate = torch.logsumexp(log_clouds, dim=1) - math.log(len(mu))
        log_own = log_clouds.gather(1, rearrange(own, "s -> s 1"))[:, 0]
        informations.append(log_own - log_aggregate)
    rate, information = mean_rate(mu, logvar), torch.cat(informations).mean().item()
    return AggregateGap(rate, information, rate - information)


def is_collapsed(mu: Float[Tensor, "N D"], threshold: float = 1e-2) -> bool:
    """Whether no code dimension is active, so that the code says nothing about the picture."""
    return not active_units(mu, threshold).any()


@torch.no_grad()
def collapse_report(model: nn.Module, images: Float[Tensor, "N ..."]) -> CollapseReport:
    """Measure on ``images`` whether the code is used; codes are swapped with the picture half the set further on.

    Raises:
        ValueError: if there are fewer than two pictures, or all pictures are equal.
    """
    mu, logvar = encode_all(model, images)
    active = active_units(mu)
    swapped, half = mu.roll(len(mu) // 2, 0), images.roll(len(images) // 2, 0)
    apart = (images - half).square().sum()
    if apart == 0:
        raise ValueError("images must differ, got the same picture throughout; nothing can be swapped")
    pairs = zip(mu.split(CHUNK), swapped.split(CHUNK), strict=True)
    change = sum((model.decode(own) - model.decode(other)).square().sum() for own, other in pairs)
    return CollapseReport(kl_per_dim(mu, logvar), active, mean_rate(mu, logvar), (change / apart).item())
