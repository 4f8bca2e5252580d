"""A family of joint distributions with the marginals of DDPM, one for every choice of fresh noise sigma_step.

The loss of chapter 4 uses q(x_t | x_0) alone. Every joint distribution that has these marginals therefore shares the
trained network, and its steps back, q_sigma(x_s | x_t, x_0), may be walked instead of DDPM's. Levels may be any two,
t above s: nothing in the proof needs neighbours.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lib.ddpm.forward import Level, Posterior, level_pair

ROUNDING = 1e-12
"""By how much a variance may pass the bound, as float64 cannot tell the two apart."""


class ForwardKernel(NamedTuple):
    """x_t given x_s and x_0: mean ``to_x_s`` · x_s + ``to_x_0`` · x_0, and the variance."""

    to_x_s: Tensor
    to_x_0: Tensor
    variance: Tensor


def q_sigma(
    x_0: Float[Tensor, "B ..."],
    x_t: Float[Tensor, "B ..."],
    t: Level,
    alpha_bar: Float[Tensor, " levels"],
    sigma_step: float | Tensor,
    s: Level | None = None,
) -> Posterior:
    """q_sigma(x_s | x_t, x_0): the step back from level t to level s with fresh noise of a chosen size.

    Whatever the size, x_s has mean sqrt(alpha_bar_s) x_0 and variance 1 - alpha_bar_s once x_t is averaged out.

    Args:
        x_0: clean pictures, or a network's estimate of them.
        x_t: the pictures at level t.
        t: level in 1..T.
        alpha_bar: the schedule.
        sigma_step: standard deviation of the fresh noise, 0 <= sigma_step² <= 1 - alpha_bar_s; a number, or one for
            each level of ``t``.
        s: cleaner level, below t; t - 1 if not given.

    Raises:
        ValueError: if the shapes differ, not 0 <= s < t <= T, or the noise is larger than level s has room for.

    Source: Song et al. 2020, arXiv:2010.02502, eq. 7 (their alpha is our alpha_bar); derivation I03-I06.
    """
    if x_0.shape != x_t.shape:
        raise ValueError(f"x_t must have the shape of x_0, {tuple(x_0.shape)}, got {tuple(x_t.shape)}")
    to_x_0, to_x_t = (_meet(value, x_t) for value in mean_coefficients(alpha_bar, t, sigma_step, s))
    sigma_step = torch.as_tensor(sigma_step, dtype=torch.float64)
    return Posterior(to_x_0 * x_0 + to_x_t * x_t, _meet(sigma_step.square(), x_t))


def mean_coefficients(
    alpha_bar: Float[Tensor, " levels"], t: Level, sigma_step: float | Tensor, s: Level | None = None
) -> tuple[Tensor, Tensor]:
    """What x_0 and x_t are multiplied by in the mean of q_sigma(x_s | x_t, x_0); float64, the shape of ``t``.

    They are the only ones, up to the sign of the second, that leave the marginal at level s as it is.

    Raises:
        ValueError: if not 0 <= s < t <= T, or not 0 <= sigma_step² <= 1 - alpha_bar_s.

    Source: Song et al. 2020, arXiv:2010.02502, eq. 7 and lemma 1; derivation I04.
    """
    above, below = _pair(alpha_bar, t, s)
    to_x_t = (_room_left(below, sigma_step) / (1 - above)).sqrt()
    return below.sqrt() - to_x_t * above.sqrt(), to_x_t


def forward_kernel(
    alpha_bar: Float[Tensor, " levels"], t: Level, sigma_step: float | Tensor, s: Level | None = None
) -> ForwardKernel:
    """q_sigma(x_t | x_s, x_0), the way up that belongs to a way down: Bayes' rule for the pair.

    For DDPM's own noise, sigma_step² = beta_tilde, x_0 has the coefficient 0 and the chain is Markov. For any other it
    has not: the step up has to be told which picture it started from, and nobody ever walks it.

    Args:
        alpha_bar: the schedule.
        t: level in 2..T.
        sigma_step: standard deviation of the fresh noise of the step back; with 0 the step up is no longer random.
        s: level in 1..T-1, below t; t - 1 if not given.

    Raises:
        ValueError: if s is 0, where x_s is x_0 and no pair is left; otherwise as for `q_sigma`.

    Source: Song et al. 2020, arXiv:2010.02502, eq. 8; derivation I10 and I12.
    """
    above, below = _pair(alpha_bar, t, s)
    if (below == 1).any():
        raise ValueError("s must be at least 1, got 0: there x_s is x_0, and the step up is the jump q(x_t | x_0)")
    _, to_x_t = mean_coefficients(alpha_bar, t, sigma_step, s)
    to_x_s = to_x_t * (1 - above) / (1 - below)  # covariance over variance
    variance = (1 - above) * torch.as_tensor(sigma_step, dtype=torch.float64).square() / (1 - below)
    return ForwardKernel(to_x_s, above.sqrt() - to_x_s * below.sqrt(), variance)


def loss_weight(
    alpha_bar: Float[Tensor, " levels"], t: Level, sigma_step: float | Tensor, s: Level | None = None
) -> Tensor:
    """gamma_t: what ||eps - eps_hat||² is multiplied by in the bound of the family's member.

    It depends on sigma_step, and the best network for every level does not: so a network trained with all weights 1
    serves every member. The paper prints 1 / (2 d sigma² alpha_bar), which lacks the square of the coefficient of x_0
    and 1 - alpha_bar; its theorem needs no more than that the weights are positive.

    Args:
        alpha_bar: the schedule.
        t: level in 1..T.
        sigma_step: standard deviation of the fresh noise, positive: without noise the bound is infinite. At s = 0,
            where the term is -log p(x_0 | x_t), any positive number will do.
        s: cleaner level, below t; t - 1 if not given.

    Raises:
        ValueError: if sigma_step is not positive, or as for `q_sigma`.

    Source: Song et al. 2020, arXiv:2010.02502, theorem 1 and appendix B; derivation I14-I16.
    """
    above, below = _pair(alpha_bar, t, s)
    sigma_step = torch.as_tensor(sigma_step, dtype=torch.float64)
    if not (sigma_step > 0).all():
        raise ValueError(f"sigma_step must be positive in a loss weight, got {sigma_step.min().item():.4g}")
    to_x_0, _ = mean_coefficients(alpha_bar, t, torch.where(below == 1, 0.0, sigma_step), s)
    return to_x_0.square() * (1 - above) / (2 * sigma_step.square() * above)


def _room_left(below: Tensor, sigma_step: float | Tensor) -> Tensor:
    """1 - alpha_bar_s - sigma_step²: the variance that is left for the noise that was there before."""
    sigma_step = torch.as_tensor(sigma_step, dtype=torch.float64, device=below.device)
    room = 1 - below - sigma_step.square()
    if (sigma_step < 0).any() or (room < -ROUNDING).any():
        raise ValueError(
            f"sigma_step must have 0 <= sigma_step² <= 1 - alpha_bar_s, got {sigma_step.max().item():.6g} where "
            f"1 - alpha_bar_s = {(1 - below).min().item():.6g}; more noise than level s holds leaves an imaginary root"
        )
    return room.clamp(min=0)  # rounding alone


def _pair(alpha_bar: Tensor, t: Level, s: Level | None) -> tuple[Tensor, Tensor]:
    """alpha_bar_t and alpha_bar_s in the shape of ``t``."""
    shape = torch.as_tensor(t).shape
    like = torch.empty(max(shape.numel(), torch.as_tensor(t if s is None else s).numel()), device=alpha_bar.device)
    above, below = level_pair(alpha_bar, t, t - 1 if s is None else s, like)
    return (above.squeeze(), below.squeeze()) if not shape else (above, below)


def _meet(value: Tensor, like: Tensor) -> Tensor:
    """Coefficients with as many axes as the pictures, in their precision."""
    return value.reshape(-1, *[1] * (like.ndim - 1)).to(like)
