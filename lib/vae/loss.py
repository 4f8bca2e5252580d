"""The negative ELBO, term by term, and what it says about the probability of a picture."""

import math

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from lib.vae.model import reparameterize

PIXEL_STD = 0.2
"""Standard deviation s of the decoder's Gaussian, in units of pixel values in [-1, 1].

It is the s that fits itself: a VAE of the emoji with 64 numbers, trained for 1,500 updates with s = 0.15, 0.3 or 0.5,
reconstructs them, from the means of its codes, with a root mean squared error of 0.19, 0.20 and 0.20.
"""


def gaussian_kl(
    mu_q: Float[Tensor, "B D"],
    logvar_q: Float[Tensor, "B D"],
    mu_p: Float[Tensor, "B D"],
    logvar_p: Float[Tensor, "B D"],
) -> Float[Tensor, " B"]:
    """KL(q ‖ p) in nats between Gaussians with diagonal covariance, summed over dimensions; 0 only if they are equal.

    The order matters: the average runs over q.

    Source: derivation steps V15-V19 (`lib.vae.derivation`).
    """
    spread = torch.exp(logvar_q - logvar_p)  # variance ratio
    shift = (mu_q - mu_p).square() * torch.exp(-logvar_p)
    return 0.5 * reduce(spread + shift - 1 - (logvar_q - logvar_p), "b d -> b", "sum")


def kl_to_standard_normal(mu: Float[Tensor, "B D"], logvar: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
    """KL(N(mu, diag exp(logvar)) ‖ N(0, I)) of every picture in nats, summed over the code dimensions.

    Source: Kingma and Welling 2014, arXiv:1312.6114, appendix B.
    """
    return 0.5 * reduce(mu.square() + logvar.exp() - 1 - logvar, "b d -> b", "sum")


def kl_per_dim(mu: Float[Tensor, "B D"], logvar: Float[Tensor, "B D"]) -> Float[Tensor, " D"]:
    """The same in nats for each code dimension, averaged over the pictures: which dimensions are used, and how much."""
    return 0.5 * reduce(mu.square() + logvar.exp() - 1 - logvar, "b d -> d", "mean")


def squared_error(x_hat: Float[Tensor, "B ..."], x: Float[Tensor, "B ..."]) -> Float[Tensor, " B"]:
    """‖x − x̂‖² of every picture, summed over its values.

    Raises:
        ValueError: if the shapes differ; broadcasting would compare the wrong values without a word.
    """
    if x_hat.shape != x.shape:
        raise ValueError(f"x_hat and x must have the same shape, got {tuple(x_hat.shape)} and {tuple(x.shape)}")
    return reduce((x_hat.to(x.dtype) - x).square(), "b ... -> b", "sum")


def elbo_terms(
    model: nn.Module,
    x: Float[Tensor, "B ..."],
    generator: torch.Generator | None = None,
    *,
    pixel_std: float = PIXEL_STD,
) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
    """Distortion ‖x − x̂‖²/(2 s²), with one draw of z, and rate KL(q(z|x) ‖ N(0, I)) of every picture, in nats.

    −ELBO = distortion + rate + `log_likelihood_constant`.

    Raises:
        ValueError: if ``pixel_std`` is not positive.

    Source: Kingma and Welling 2014, arXiv:1312.6114, eq. 10; the two names: Alemi et al. 2018, arXiv:1711.00464.
    """
    _check_pixel_std(pixel_std)
    x_hat, mu, logvar = model(x, generator)
    return squared_error(x_hat, x) / (2 * pixel_std**2), kl_to_standard_normal(mu, logvar)


def elbo_loss(
    model: nn.Module,
    x: Float[Tensor, "B ..."],
    generator: torch.Generator | None = None,
    *,
    kl_weight: float = 1.0,
    pixel_std: float = PIXEL_STD,
) -> Float[Tensor, ""]:
    """The loss of the VAE: mean over pictures of distortion + kl_weight · rate, in nats up to a constant.

    At ``kl_weight`` 1 it is the negative ELBO without `log_likelihood_constant`. Another weight w (the beta of a
    beta-VAE) has the same best network as weight 1 with pixel_std · √w: only the ratio of the two terms matters.

    Args:
        model: ``model(x, generator) -> (x_hat, mu, logvar)``.
        x: pictures in [-1, 1], or vectors.
        generator: source of the noise.
        kl_weight: factor of the rate; 1 for the ELBO, 0 leaves a noisy autoencoder.
        pixel_std: standard deviation s of the decoder's Gaussian.

    Raises:
        ValueError: if ``pixel_std`` is not positive or ``kl_weight`` negative.

    Source: Kingma and Welling 2014, arXiv:1312.6114, eq. 10; the weight: Higgins et al. 2017, eq. 4.
    """
    if kl_weight < 0:
        raise ValueError(f"kl_weight must not be negative, got {kl_weight}")
    distortion, rate = elbo_terms(model, x, generator, pixel_std=pixel_std)
    return (distortion + kl_weight * rate).mean()


def log_likelihood_constant(num_values: int, pixel_std: float = PIXEL_STD) -> float:
    """What the distortion leaves out of −log p(x|z): num_values/2 · log(2π s²), in nats; negative for small s.

    Raises:
        ValueError: if ``pixel_std`` is not positive.
    """
    _check_pixel_std(pixel_std)
    return num_values / 2 * math.log(2 * math.pi * pixel_std**2)


def bits_per_dim(nats: float, num_values: int) -> float:
    """Bits per colour value of a picture in [-1, 1] with 256 levels, from −log p(x) (or −ELBO) in nats.

    A density becomes the probability of one level when it is multiplied by the distance of two levels, 2/255. The
    decoder's Gaussian is much wider than a level, so nothing else is lost.
    """
    return (nats / num_values - math.log(2 / 255)) / math.log(2)


def optimal_pixel_std(x_hat: Float[Tensor, "B ..."], x: Float[Tensor, "B ..."]) -> float:
    """The pixel_std under which these answers of the decoder are most likely: the root of the mean squared error.

    Setting the derivative of ‖x − x̂‖²/(2 s²) + log s per value to zero gives s² = mean squared error. For the pixel_std
    that maximises the ELBO, ``x_hat`` must be decoded from *draws* of q(z|x), as in the ELBO; decoded means have a
    smaller error and give a smaller value.

    Source: Rybkin et al. 2021, arXiv:2006.13202, section 3.
    """
    return (squared_error(x_hat, x).double().mean() / x[0].numel()).sqrt().item()


@torch.no_grad()
def iw_bound(
    model: nn.Module,
    x: Float[Tensor, "B ..."],
    num_samples: int,
    generator: torch.Generator | None = None,
    *,
    pixel_std: float = PIXEL_STD,
) -> Float[Tensor, " B"]:
    """Importance-weighted lower bound on log p(x) of every picture in nats; one sample gives the ELBO on average.

    log (1/K) Σ_k p(x|z_k) p(z_k) / q(z_k|x) with z_k from q(z|x). Its mean rises with K, towards log p(x).

    Raises:
        ValueError: if ``num_samples`` is below 1 or ``pixel_std`` not positive.

    Source: Burda et al. 2016, arXiv:1509.00519, eq. 8.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1, got {num_samples}")
    constant = log_likelihood_constant(x[0].numel(), pixel_std)
    mu, logvar = model.encode(x)
    log_weights = []
    for _ in range(num_samples):
        eps = torch.randn(mu.shape, generator=generator, dtype=mu.dtype, device=mu.device)
        z = reparameterize(mu, logvar, eps=eps)
        log_likelihood = -squared_error(model.decode(z), x) / (2 * pixel_std**2) - constant
        log_ratio = 0.5 * reduce(eps.square() + logvar - z.square(), "b d -> b", "sum")  # log p(z) − log q(z|x)
        log_weights.append(log_likelihood + log_ratio)
    return torch.logsumexp(torch.stack(log_weights), dim=0) - math.log(num_samples)


def _check_pixel_std(pixel_std: float) -> None:
    if not pixel_std > 0:
        raise ValueError(f"pixel_std must be positive, got {pixel_std}")
