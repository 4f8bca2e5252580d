"""What a diffusion model is trained on: the simple loss, the variational bound it came from, and both together.

The bound is a sum of T + 1 terms, here all in bits per dimension: L_T, which has no parameters; L_{t-1} for t = 2 … T,
the KL divergence between the posterior q(x_{t-1} | x_t, x_0) and the model's step; and L_0 for t = 1, the price of the
last step, in which a Gaussian has to name one of 256 levels of brightness.
"""

import math
from typing import NamedTuple

import torch
from einops import reduce
from jaxtyping import Float, Int
from torch import Tensor

from lib.ddpm.decoder import decoder_nll
from lib.ddpm.forward import Level, alpha_bar_at, posterior, predict_x_0, q_sample, training_target
from lib.ddpm.sampling import Model, log_variance, split_output

BITS = 1 / math.log(2)
"""Bits in a nat."""


class VlbTerms(NamedTuple):
    """The variational bound of each picture, term by term, in bits per dimension.

    ``prior`` is L_T; ``steps[:, t - 1]`` is L_{t-1} for t = 1 … T, so its first column is L_0.
    """

    prior: Float[Tensor, " B"]
    steps: Float[Tensor, "B T"]

    @property
    def total(self) -> Float[Tensor, " B"]:
        """The bound on -log2 p(x_0), per dimension."""
        return self.prior + self.steps.sum(1)


def draw_levels(num: int, alpha_bar: Float[Tensor, " levels"], generator: torch.Generator | None) -> Int[Tensor, " B"]:
    """One level for each picture, uniform in 1..T (not 0: there is nothing to learn there)."""
    device = generator.device if generator else None
    return torch.randint(1, len(alpha_bar), (num,), generator=generator, device=device)


def noise_like(x: Float[Tensor, "B ..."], generator: torch.Generator | None) -> Float[Tensor, "B ..."]:
    """Standard normal noise in the shape of ``x``."""
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)


def simple_loss(
    model: Model,
    x_0: Float[Tensor, "B ..."],
    generator: torch.Generator | None = None,
    *,
    alpha_bar: Float[Tensor, " levels"],
    target: str = "eps",
) -> Float[Tensor, ""]:
    """Mean squared error of the network's answer, at a level drawn for each picture: L_simple.

    Compared with the bound, every level has the same weight. The mean is over values (the paper sums), so that an
    answer of zeros to "eps" costs 1 whatever the size of the pictures. Channels for a variance are left out.

    Args:
        model: ``model(x_t, t) -> output``.
        x_0: pictures in [-1, 1], or points.
        generator: draws the levels first, then the noise.
        alpha_bar: the schedule.
        target: what the model is asked for: "eps", "x_0", "v" or "score".

    Source: Ho et al. 2020, arXiv:2006.11239, eq. 14 and algorithm 1.
    """
    t = draw_levels(len(x_0), alpha_bar, generator)
    eps = noise_like(x_0, generator)
    x_t = q_sample(x_0, t, eps, alpha_bar)
    output, _ = split_output(model(x_t, t), x_t)
    return (output - training_target(x_0, eps, t, alpha_bar, target)).square().mean()


def vlb_loss(
    model: Model,
    x_0: Float[Tensor, "B ..."],
    generator: torch.Generator | None = None,
    *,
    alpha_bar: Float[Tensor, " levels"],
    target: str = "eps",
    variance: str = "beta_tilde",
) -> Float[Tensor, ""]:
    """The bound itself as a loss, in bits per dimension: T times one term at a random level, plus L_T.

    An estimate that is right on average, and much noisier than `simple_loss`: its terms differ by powers of ten.

    Args:
        model: ``model(x_t, t) -> output``, with twice the channels for a learned variance.
        x_0: pictures in [-1, 1] with 256 levels, see `round_to_levels`.
        generator: draws the levels first, then the noise.
        alpha_bar: the schedule.
        target: what the model's answer estimates.
        variance: "beta", "beta_tilde" or "learned".

    Raises:
        ValueError: if values of ``x_0`` are not levels of brightness.

    Source: Ho et al. 2020, arXiv:2006.11239, eq. 5.
    """
    t = draw_levels(len(x_0), alpha_bar, generator)
    x_t = q_sample(x_0, t, noise_like(x_0, generator), alpha_bar)
    term = vlb_term(model(x_t, t), x_0, x_t, t, alpha_bar, target=target, variance=variance)
    return (len(alpha_bar) - 1) * term.mean() + prior_term(x_0, alpha_bar).mean()


def hybrid_loss(
    model: Model,
    x_0: Float[Tensor, "B ..."],
    generator: torch.Generator | None = None,
    *,
    alpha_bar: Float[Tensor, " levels"],
    target: str = "eps",
    vlb_weight: float = 0.001,
) -> Float[Tensor, ""]:
    """L_simple, which teaches the mean, plus a little of the bound, which teaches the variance and nothing else.

    The estimate is detached inside the bound: without that, the noisy gradients of the bound would reach the mean.

    Args:
        model: with twice the channels of the pictures.
        x_0: pictures in [-1, 1] with 256 levels.
        generator: draws the levels first, then the noise; both terms see the same.
        alpha_bar: the schedule.
        target: what the first half of the channels estimates.
        vlb_weight: the paper's lambda.

    Raises:
        ValueError: if the model has no channels for the variance, or values of ``x_0`` are not levels of brightness.

    Source: Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 16.
    """
    t = draw_levels(len(x_0), alpha_bar, generator)
    eps = noise_like(x_0, generator)
    x_t = q_sample(x_0, t, eps, alpha_bar)
    output, raw = split_output(model(x_t, t), x_t)
    if raw is None:
        raise ValueError("hybrid_loss needs a model with a learned variance: twice the channels of the pictures")
    simple = (output - training_target(x_0, eps, t, alpha_bar, target)).square().mean()
    frozen = torch.cat([output.detach(), raw], dim=1)
    term = vlb_term(frozen, x_0, x_t, t, alpha_bar, target=target, variance="learned")
    return simple + vlb_weight * (len(alpha_bar) - 1) * term.mean()


def vlb_term(
    model_output: Float[Tensor, "B K ..."],
    x_0: Float[Tensor, "B C ..."],
    x_t: Float[Tensor, "B C ..."],
    t: Level,
    alpha_bar: Float[Tensor, " levels"],
    *,
    target: str = "eps",
    variance: str = "beta_tilde",
    clip: bool = False,
) -> Float[Tensor, " B"]:
    """L_{t-1} of each picture in bits per dimension: a KL divergence for t >= 2, the discretised decoder for t = 1.

    Args:
        model_output: the network's answer for ``x_t`` and t.
        x_0: clean pictures with 256 levels.
        x_t: the same at level t.
        t: level in 1..T.
        alpha_bar: the schedule.
        target: what the answer estimates.
        variance: "beta", "beta_tilde" or "learned".
        clip: cut the estimate of x_0 off at [-1, 1], as samplers do; for evaluation, not for training.

    Source: Ho et al. 2020, arXiv:2006.11239, eqs. 5, 8 and 13.
    """
    output, raw = split_output(model_output, x_t)
    s = torch.as_tensor(t) - 1
    true_mean = posterior(x_0, x_t, t, alpha_bar).mean
    x_0_hat = predict_x_0(x_t, output, t, alpha_bar, target)
    mean = posterior(x_0_hat.clamp(-1, 1) if clip else x_0_hat, x_t, t, alpha_bar).mean
    model_logvar = log_variance(variance, t, s, alpha_bar, x_t, raw)
    is_last = (alpha_bar_at(alpha_bar, s, x_t, lowest=0) == 1).expand_as(x_t)
    nats = gaussian_kl(true_mean, log_variance("beta_tilde", t, s, alpha_bar, x_t), mean, model_logvar)
    if is_last.any():
        nats = torch.where(is_last, decoder_nll(x_0, mean, model_logvar), nats)
    return BITS * reduce(nats, "b ... -> b", "mean")


@torch.no_grad()
def vlb_terms(
    model: Model,
    x_0: Float[Tensor, "B ..."],
    generator: torch.Generator | None = None,
    *,
    alpha_bar: Float[Tensor, " levels"],
    target: str = "eps",
    variance: str = "beta_tilde",
    clip: bool = False,
) -> VlbTerms:
    """The whole bound, every term with one draw of noise: T network calls for each picture.

    Arguments and errors as for `vlb_loss`; ``clip`` cuts estimates of x_0 off at [-1, 1].
    """
    steps = []
    for t in range(1, len(alpha_bar)):
        levels = torch.full((len(x_0),), t, device=x_0.device)
        x_t = q_sample(x_0, levels, noise_like(x_0, generator), alpha_bar)
        output = model(x_t, levels)
        steps.append(vlb_term(output, x_0, x_t, levels, alpha_bar, target=target, variance=variance, clip=clip))
    return VlbTerms(prior_term(x_0, alpha_bar), torch.stack(steps, dim=1))


def prior_term(x_0: Float[Tensor, "B ..."], alpha_bar: Float[Tensor, " levels"]) -> Float[Tensor, " B"]:
    """L_T of each picture in bits per dimension: how far x_T is from pure noise. Nothing can be learned from it.

    Source: Ho et al. 2020, arXiv:2006.11239, eq. 5 and section 3.1.
    """
    level = alpha_bar[-1].double()
    nats = 0.5 * (level * x_0.double().square() - level - torch.log1p(-level))
    return (BITS * reduce(nats, "b ... -> b", "mean")).to(x_0.dtype)


def gaussian_kl(mean_q: Tensor, logvar_q: Tensor, mean_p: Tensor, logvar_p: Tensor) -> Tensor:
    """KL(q ‖ p) in nats, value by value, between two Gaussians given by mean and log variance; shapes broadcast."""
    log_ratio = logvar_q - logvar_p
    return 0.5 * (torch.expm1(log_ratio) - log_ratio + (mean_q - mean_p).square() * (-logvar_p).exp())
