"""The walk without noise as Euler's method for an ordinary differential equation, and a case where the flow is known.

With x_bar = x_t / sqrt(alpha_bar_t) and sigma_bar = sqrt((1 - alpha_bar_t) / alpha_bar_t), the path of a picture obeys
d x_bar / d sigma_bar = eps_hat. One step of DDIM is one step of Euler's method in these two variables, and in no
others: Euler's method in t on the same equation is another rule (`euler_in_t`).
"""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from lib.ddim.sampling import ddim_step
from lib.ddpm.forward import Level, alpha_bar_at, level_pair
from lib.ddpm.schedules import check_levels

OdeStep = Callable[[Tensor, Tensor, int, int, Tensor], Tensor]
"""``step(x_t, eps_hat, t, s, alpha_bar) -> x_s``."""


def sigma_bar(alpha_bar: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Noise over signal, of a whole schedule or of some levels: sqrt((1 - alpha_bar) / alpha_bar); 0 at t = 0."""
    return ((1 - alpha_bar) / alpha_bar).sqrt()


def to_sigma_bar(
    x_t: Float[Tensor, "B ..."], t: Level, alpha_bar: Float[Tensor, " levels"]
) -> tuple[Float[Tensor, "B ..."], Float[Tensor, "b ..."]]:
    """x_bar = x_t / sqrt(alpha_bar_t), whose clean part no longer shrinks, and its noise level sigma_bar.

    Raises:
        ValueError: if a level is outside 0..T.

    Source: Song et al. 2020, arXiv:2010.02502, section 4.3; derivation I24, I25.
    """
    level = alpha_bar_at(alpha_bar, t, x_t, lowest=0)
    return x_t / level.sqrt().to(x_t.dtype), sigma_bar(level).to(x_t.dtype)


def from_sigma_bar(
    x_bar: Float[Tensor, "B ..."], t: Level, alpha_bar: Float[Tensor, " levels"]
) -> Float[Tensor, "B ..."]:
    """Back to x_t = sqrt(alpha_bar_t) x_bar.

    Raises:
        ValueError: if a level is outside 0..T.
    """
    return x_bar * alpha_bar_at(alpha_bar, t, x_bar, lowest=0).sqrt().to(x_bar.dtype)


def euler_step(
    x_t: Float[Tensor, "B ..."], eps_hat: Float[Tensor, "B ..."], t: Level, s: Level,
    alpha_bar: Float[Tensor, " levels"],
) -> Float[Tensor, "B ..."]:  # fmt: skip
    """x_bar_s = x_bar_t + (sigma_bar_s - sigma_bar_t) eps_hat: downward it is `ddim_step` without noise.

    Args:
        x_t: pictures at level t.
        eps_hat: estimate of the noise in them.
        t: level in 0..T where the pictures are.
        s: level in 0..T where they go, below or above t: upward the same rule inverts.
        alpha_bar: the schedule.

    Raises:
        ValueError: if a level is outside 0..T.

    Source: Song et al. 2020, arXiv:2010.02502, eqs. 13 and 14; derivation I24, I26.
    """
    x_bar, sigma_t = to_sigma_bar(x_t, t, alpha_bar)
    sigma_s = sigma_bar(alpha_bar_at(alpha_bar, s, x_t, lowest=0)).to(x_t.dtype)
    return from_sigma_bar(x_bar + (sigma_s - sigma_t) * eps_hat, s, alpha_bar)


def euler_in_t(
    x_t: Float[Tensor, "B ..."], eps_hat: Float[Tensor, "B ..."], t: Level, s: Level,
    alpha_bar: Float[Tensor, " levels"],
) -> Float[Tensor, "B ..."]:  # fmt: skip
    """Euler's method in the time t on the same flow, dx/dt = -beta/2 · (x - eps_hat / sqrt(1 - alpha_bar)).

    Not the rule of DDIM: for data that are a single point DDIM is exact in one step, and this is not in ten.

    Args:
        x_t: pictures at level t.
        eps_hat: estimate of the noise in them.
        t: level in 1..T.
        s: cleaner level, below t.
        alpha_bar: the schedule; beta_t is the noise variance of its step to t.

    Raises:
        ValueError: if not 0 <= s < t <= T.

    Source: Song et al. 2020, arXiv:2011.13456, eq. 13 with their eq. 11; derivation I27.
    """
    level_pair(alpha_bar, t, s, x_t)
    level, before = alpha_bar_at(alpha_bar, t, x_t), alpha_bar_at(alpha_bar, t - 1, x_t, lowest=0)
    beta = (1 - level / before).to(x_t.dtype)
    num = torch.as_tensor(t - s, device=x_t.device).reshape(-1, *[1] * (x_t.ndim - 1)).to(x_t.dtype)
    return x_t + num * beta / 2 * (x_t - eps_hat / (1 - level).sqrt().to(x_t.dtype))


def gaussian_flow(
    x_t: Float[Tensor, "B ..."], alpha_bar_t: float, alpha_bar_s: float, variance: float, mean: float = 0.0
) -> Float[Tensor, "B ..."]:
    """Where the flow takes x_t exactly, from one level to another, for data that are N(mean, variance).

    Everything keeps its place in units of the standard deviation: (x_t - mean_t) / std_t is the same at all levels.

    Args:
        x_t: pictures at a level with signal variance ``alpha_bar_t``.
        alpha_bar_t: of the start, in (0, 1].
        alpha_bar_s: of the goal, in (0, 1], below or above.
        variance: of every value of the data, positive; values are independent.
        mean: of every value.

    Raises:
        ValueError: if a number leaves its range.

    Source: derivation I28; Song et al. 2020, arXiv:2011.13456, eq. 13, solved for Gaussian data.
    """
    if not (0 < alpha_bar_t <= 1 and 0 < alpha_bar_s <= 1 and variance > 0):
        raise ValueError(
            f"alpha_bar_t and alpha_bar_s must lie in (0, 1] and variance be positive, "
            f"got {float(alpha_bar_t):.4g}, {float(alpha_bar_s):.4g} and {variance:.4g}"
        )
    std_t, std_s = (math.sqrt(level * variance + 1 - level) for level in (alpha_bar_t, alpha_bar_s))
    return math.sqrt(alpha_bar_s) * mean + (x_t - math.sqrt(alpha_bar_t) * mean) * (std_s / std_t)


def gaussian_eps(x_t: Float[Tensor, "B ..."], alpha_bar_t: float, variance: float) -> Float[Tensor, "B ..."]:
    """E[eps | x_t] for data that are N(0, variance): the perfect network's answer."""
    return math.sqrt(1 - alpha_bar_t) * x_t / (alpha_bar_t * variance + 1 - alpha_bar_t)


def flow_error(
    alpha_bar: Float[Tensor, " levels"], levels: Sequence[int], variance: float, step: OdeStep = ddim_step
) -> float:
    """Relative error of x_0 after a walk with the perfect network for N(0, variance), against `gaussian_flow`.

    Args:
        alpha_bar: the schedule.
        levels: rising levels to visit.
        variance: of the data, positive.
        step: `ddim_step`, `euler_step` (the same), `euler_in_t`, or any rule of yours.

    Raises:
        ValueError: if ``levels`` do not rise within 1..T.
    """
    levels = check_levels(levels, len(alpha_bar) - 1)
    x_t = torch.ones(1, 1, dtype=torch.float64)
    exact = gaussian_flow(x_t, alpha_bar[levels[-1]].item(), 1.0, variance)
    for t, s in zip(reversed(levels), [*reversed(levels[:-1]), 0], strict=True):
        x_t = step(x_t, gaussian_eps(x_t, alpha_bar[t].item(), variance), t, s, alpha_bar)
    return (x_t / exact - 1).abs().item()


def order_of_convergence(num_steps: Sequence[int], errors: Sequence[float]) -> float:
    """p for which the errors fall like 1 / steps^p: slope of the straight line through the two logarithms.

    Raises:
        ValueError: if there are fewer than two pairs, or a number is not positive.
    """
    if len(num_steps) != len(errors) or len(errors) < 2 or min(*num_steps, *errors) <= 0:
        raise ValueError(
            f"num_steps and errors must be at least two pairs of positive numbers, got {num_steps} and {errors}"
        )
    x, y = (torch.tensor(values, dtype=torch.float64).log() for values in (num_steps, errors))
    return -((x - x.mean()) * (y - y.mean())).sum().item() / (x - x.mean()).square().sum().item()
