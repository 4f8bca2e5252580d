"""Noise schedules: functions that return ``alpha_bar``, one number for each level of noise.

``alpha_bar[t]`` is the share of the picture's variance that is left after t steps. It has T + 1 entries, so that t runs
from 0, the clean picture with ``alpha_bar[0] = 1``, to T, almost pure noise. Everything else, beta, the posterior's
variance, the signal-to-noise ratio, is an expression of it, and every such array is indexed by t in the same way.
"""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def linear(num_steps: int, beta_start: float = 1e-4, beta_end: float = 0.02) -> Float[Tensor, " levels"]:
    """Variances beta_1 … beta_T on a straight line: the schedule of DDPM, made for T = 1000.

    With far fewer steps the same betas leave half of the picture in x_T; see `shortened_linear`.

    Args:
        num_steps: T, at least 1.
        beta_start: noise variance of the first step, in (0, 1).
        beta_end: that of the last step, in (0, 1).

    Raises:
        ValueError: if there is no step, or a beta is outside (0, 1).

    Source: Ho et al. 2020, arXiv:2006.11239, section 4.
    """
    _check_num_steps(num_steps)
    return from_betas(torch.linspace(beta_start, beta_end, num_steps, dtype=torch.float64))


def shortened_linear(num_steps: int, beta_start: float = 1e-4, beta_end: float = 0.02) -> Float[Tensor, " levels"]:
    """The linear schedule for another T than 1000: betas times 1000/T, so that x_T is about as noisy as ever.

    Args:
        num_steps: T; more than 1000 · beta_end, 20 with the usual betas.
        beta_start: noise variance that the first step would have at T = 1000.
        beta_end: that of the last step.

    Raises:
        ValueError: if the chain is so short that a beta would reach 1.

    Source: Nichol & Dhariwal 2021, arXiv:2102.09672; their code scales the betas in this way.
    """
    _check_num_steps(num_steps)
    scale = 1000 / num_steps
    if scale * max(beta_start, beta_end) >= 1:
        fewest = math.floor(1000 * max(beta_start, beta_end)) + 1
        raise ValueError(f"num_steps must be at least {fewest} for these betas (times 1000/T), got {num_steps}")
    return linear(num_steps, scale * beta_start, scale * beta_end)


def cosine(num_steps: int, s: float = 0.008, max_beta: float = 0.999) -> Float[Tensor, " levels"]:
    """alpha_bar follows a squared cosine: the noise grows slowly at both ends, whatever T is.

    Args:
        num_steps: T, at least 1.
        s: offset that keeps the first betas from being too small to matter; not negative.
        max_beta: no beta is larger; without it the last would be 1 and would wipe out the picture completely.

    Raises:
        ValueError: if there is no step, ``s`` is negative, or ``max_beta`` is outside (0, 1).

    Source: Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 17.
    """
    if s < 0:
        raise ValueError(f"s must not be negative, got {s}")
    return _from_function(lambda u: math.cos((u + s) / (1 + s) * math.pi / 2) ** 2, num_steps, max_beta)


def sigmoid(
    num_steps: int, start: float = -3.0, end: float = 3.0, tau: float = 1.0, max_beta: float = 0.999
) -> Float[Tensor, " levels"]:
    """alpha_bar follows a falling logistic curve, cut out between two points and stretched to [0, 1].

    Args:
        num_steps: T, at least 1.
        start: where the piece of the curve begins.
        end: where it ends; larger than ``start``.
        tau: temperature; larger makes the piece straighter.
        max_beta: no beta is larger.

    Raises:
        ValueError: if ``start`` is not below ``end``, ``tau`` not positive, there is no step, or ``max_beta`` is
            outside (0, 1).

    Source: Jabri et al. 2022, arXiv:2212.11972, algorithm for their sigmoid schedule.
    """
    if not start < end:
        raise ValueError(f"start must be below end, got {start} and {end}")
    if not tau > 0:
        raise ValueError(f"tau must be positive, got {tau}")
    high, low = _logistic(-start / tau), _logistic(-end / tau)
    return _from_function(
        lambda u: (_logistic(-(start + u * (end - start)) / tau) - low) / (high - low), num_steps, max_beta
    )


def custom(points: Sequence[Sequence[float | int]], num_steps: int) -> Float[Tensor, " levels"]:
    """A schedule drawn by hand: straight lines through points (share of the time, alpha_bar), begun at (0, 1).

    Args:
        points: at least one pair; times rise up to exactly 1, values of alpha_bar fall and stay above 0. A first point
            at time 0 may be left out, and must have the value 1.
        num_steps: T, at least 1.

    Raises:
        ValueError: if times do not rise from 0 to 1 or values do not fall from 1 to above 0.
    """
    _check_num_steps(num_steps)
    drawn = [(float(time), float(value)) for time, value in points]
    if not drawn or drawn[0][0] != 0:
        drawn = [(0.0, 1.0), *drawn]
    times, values = (torch.tensor(row, dtype=torch.float64) for row in zip(*drawn, strict=True))
    if len(drawn) < 2 or not (times.diff() > 0).all() or times[-1] != 1:
        raise ValueError(f"the times of points must rise, strictly, up to exactly 1, got {times.tolist()}")
    check_alpha_bar(values)
    u = torch.linspace(0, 1, num_steps + 1, dtype=torch.float64)
    right = torch.searchsorted(times, u).clamp(min=1)
    share = (u - times[right - 1]) / (times[right] - times[right - 1])
    return values[right - 1] + share * (values[right] - values[right - 1])


def from_betas(betas: Sequence[float] | Float[Tensor, " T"]) -> Float[Tensor, " levels"]:
    """alpha_bar from the T noise variances beta_1 … beta_T: the running product of 1 - beta, with a 1 in front.

    Raises:
        ValueError: if there is no beta, or one is outside (0, 1).

    Source: Ho et al. 2020, arXiv:2006.11239, eq. 4.
    """
    betas = torch.as_tensor(betas, dtype=torch.float64)
    if betas.ndim != 1 or len(betas) == 0:
        raise ValueError(f"betas must be a row of at least one number, got shape {tuple(betas.shape)}")
    outside = ~((betas > 0) & (betas < 1))
    if outside.any():
        t = outside.nonzero()[0].item()
        raise ValueError(f"every beta must lie in (0, 1), got beta_{t + 1} = {betas[t].item():.6g}")
    return torch.cat([torch.ones(1, dtype=torch.float64), (1 - betas).cumprod(0)])


def betas(alpha_bar: Float[Tensor, " levels"]) -> Float[Tensor, " levels"]:
    """Noise variance of the step that leads to level t, beta_t = 1 - alpha_bar_t / alpha_bar_{t-1}; 0 at t = 0."""
    check_alpha_bar(alpha_bar)
    return torch.cat([torch.zeros_like(alpha_bar[:1]), 1 - alpha_bar[1:] / alpha_bar[:-1]])


def beta_tilde(alpha_bar: Float[Tensor, " levels"]) -> Float[Tensor, " levels"]:
    """Variance of x_{t-1} when x_t and x_0 are both known; smaller than beta_t, and 0 at t = 1 (and at t = 0).

    Source: Ho et al. 2020, arXiv:2006.11239, eq. 7.
    """
    beta = betas(alpha_bar)
    return torch.cat([beta[:1], (1 - alpha_bar[:-1]) / (1 - alpha_bar[1:]) * beta[1:]])


def log_snr(alpha_bar: Float[Tensor, " levels"]) -> Float[Tensor, " levels"]:
    """Logarithm of signal over noise variance, log alpha_bar - log (1 - alpha_bar); infinite at t = 0.

    Source: Kingma et al. 2021, arXiv:2107.00630, eq. 2.
    """
    check_alpha_bar(alpha_bar)
    return alpha_bar.log() - torch.log1p(-alpha_bar)


def shifted(alpha_bar: Float[Tensor, " levels"], factor: float) -> Float[Tensor, " levels"]:
    """The same schedule with signal over noise variance times factor**2 at every level.

    Neighbouring pixels of a larger picture say nearly the same, and their mean loses the noise: what a level of noise
    hides at 32 pixels shows through at 64. There the factor 32/64 hides about as much as at 32.

    Args:
        alpha_bar: the schedule for the size it was made for.
        factor: that size over the new one; positive, below 1 for more noise.

    Raises:
        ValueError: if ``factor`` is not positive, or so small that no signal is left in float64.

    Source: Hoogeboom et al. 2023, arXiv:2301.11093, section 3.1.
    """
    if not factor > 0:
        raise ValueError(f"factor must be positive, got {factor}")
    found = torch.sigmoid(log_snr(alpha_bar) + 2 * math.log(factor))
    check_alpha_bar(found)
    return found


def respaced(alpha_bar: Float[Tensor, " levels"], levels: Sequence[int]) -> Float[Tensor, " visited"]:
    """The schedule of a shorter chain that visits only some levels: alpha_bar at 0 and at each of ``levels``.

    Args:
        alpha_bar: the long chain.
        levels: rising numbers in 1..T; leave level 0 out.

    Raises:
        ValueError: if ``levels`` do not rise or leave 1..T.

    Source: Nichol & Dhariwal 2021, arXiv:2102.09672, section 4 (their betas of the shorter chain follow from this).
    """
    levels = check_levels(levels, len(alpha_bar) - 1)
    return alpha_bar[[0, *levels]]


def spaced(num_timesteps: int, num_steps: int) -> list[int]:
    """``num_steps`` levels of 1..num_timesteps, evenly spaced, rising, the last one always num_timesteps.

    Raises:
        ValueError: if not 1 <= num_steps <= num_timesteps.
    """
    if not 1 <= num_steps <= num_timesteps:
        raise ValueError(f"num_steps must lie in 1..{num_timesteps}, got {num_steps}")
    return [(i * num_timesteps + num_steps // 2) // num_steps for i in range(1, num_steps + 1)]


def check_levels(levels: Sequence[int], num_timesteps: int) -> list[int]:
    """The levels as a list; ValueError unless there is one at least and they rise within 1..num_timesteps."""
    levels = list(levels)
    if not levels or levels[0] < 1 or levels[-1] > num_timesteps or sorted(set(levels)) != levels:
        raise ValueError(f"levels must rise within 1..{num_timesteps}, got {levels}")
    return levels


def check_alpha_bar(alpha_bar: Float[Tensor, " levels"]) -> None:
    """Raise ValueError unless ``alpha_bar`` begins with 1, falls at every step and stays above 0."""
    if alpha_bar.ndim != 1 or len(alpha_bar) < 2:
        raise ValueError(f"alpha_bar must be a row of T + 1 >= 2 numbers, got shape {tuple(alpha_bar.shape)}")
    if alpha_bar[0] != 1:
        raise ValueError(f"alpha_bar[0] must be 1, the clean picture, got {alpha_bar[0].item():.6g}")
    if not (alpha_bar.diff() < 0).all():
        t = (~(alpha_bar.diff() < 0)).nonzero()[0].item()
        raise ValueError(
            f"alpha_bar must fall at every step, got {alpha_bar[t].item():.6g} at t = {t} "
            f"and {alpha_bar[t + 1].item():.6g} at t = {t + 1}"
        )
    if not alpha_bar[-1] > 0:
        raise ValueError(f"alpha_bar must stay above 0, got {alpha_bar[-1].item():.6g} at t = {len(alpha_bar) - 1}")


def _from_function(function: Callable[[float], float], num_steps: int, max_beta: float) -> Float[Tensor, " levels"]:
    """Sample a falling function of the time in [0, 1], and rebuild alpha_bar from betas that are at most max_beta."""
    _check_num_steps(num_steps)
    if not 0 < max_beta < 1:
        raise ValueError(f"max_beta must lie in (0, 1), got {max_beta}")
    values = [function(t / num_steps) for t in range(num_steps + 1)]
    return from_betas([min(1 - now / before, max_beta) for before, now in zip(values, values[1:], strict=False)])


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _check_num_steps(num_steps: int) -> None:
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, got {num_steps}")
