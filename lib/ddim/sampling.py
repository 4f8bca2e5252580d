"""Sampling with any share of fresh noise: none is DDIM, all of it is DDPM, and any levels may be visited.

A model is anything that can be called: ``model(x_t, t) -> output`` with t of shape (B,).
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from lib.ddim.family import ROUNDING
from lib.ddpm.forward import Level, level_pair, predict_eps
from lib.ddpm.sampling import Model, State, estimates
from lib.ddpm.schedules import check_levels


def eta_sigma(alpha_bar: Float[Tensor, " levels"], t: Level, s: Level, eta: float | Tensor = 1.0) -> Tensor:
    """Standard deviation of the fresh noise of a step from t to s: eta times that of DDPM, sqrt(beta_tilde).

    Args:
        alpha_bar: the schedule.
        t: level in 1..T; a tensor gives one number for each.
        s: level in 0..T-1, below t.
        eta: 0 is the deterministic DDIM, 1 is DDPM; not negative.

    Raises:
        ValueError: if ``eta`` is negative or not 0 <= s < t <= T.

    Source: Song et al. 2020, arXiv:2010.02502, eq. 16; derivation I13 and I22.
    """
    if (torch.as_tensor(eta) < 0).any():
        raise ValueError(f"eta must not be negative, got {eta}")
    above, below = _numbers(alpha_bar, t, s)
    return eta * ((1 - below) / (1 - above) * (1 - above / below)).sqrt()


def sigma_hat(alpha_bar: Float[Tensor, " levels"], t: Level, s: Level) -> Tensor:
    """The larger of DDPM's two choices, sqrt(beta) of the step from s to t: sqrt(1 - alpha_bar_t / alpha_bar_s).

    It is no member of the family: the samples have more noise than level s should have.

    Raises:
        ValueError: if not 0 <= s < t <= T.

    Source: Song et al. 2020, arXiv:2010.02502, section 5 and appendix D; derivation I22.
    """
    above, below = _numbers(alpha_bar, t, s)
    return (1 - above / below).sqrt()


def clipped_estimates(
    x_t: Float[Tensor, "B ..."],
    model_output: Float[Tensor, "B ..."],
    t: Level,
    alpha_bar: Float[Tensor, " levels"],
    target: str = "eps",
    clip: bool = False,
) -> tuple[Float[Tensor, "B ..."], Float[Tensor, "B ..."]]:
    """x_0_hat and eps_hat of an answer; where clipping changes the first, the second is computed anew from it.

    Only then do the two add up to x_t again, and only then is the step with eta = 1 that of DDPM with clipping. The
    code of ADM and GLIDE does the same; the paper's own code does not clip; `diffusers` clips, and keeps the old noise
    unless it is told ``use_clipped_model_output=True``.
    """
    x_0_hat, eps_hat = estimates(x_t, model_output, t, alpha_bar, target, clip)
    return x_0_hat, predict_eps(x_t, x_0_hat, t, alpha_bar, "x_0") if clip else eps_hat


def ddim_step(
    x_t: Float[Tensor, "B ..."],
    model_output: Float[Tensor, "B ..."],
    t: Level,
    s: Level,
    alpha_bar: Float[Tensor, " levels"],
    eps: Float[Tensor, "B ..."] | None = None,
    *,
    eta: float = 0.0,
    noise_std: float | Tensor | None = None,
    target: str = "eps",
    clip: bool = False,
) -> Float[Tensor, "B ..."]:
    """One step from level t to the cleaner level s: clean picture, direction back to x_t, fresh noise.

    Args:
        x_t: pictures at level t.
        model_output: the network's answer for ``x_t`` and t; a second half of the channels, about the variance, is
            not used.
        t: level in 1..T.
        s: level in 0..T-1, below t; neighbours or not.
        alpha_bar: the schedule.
        eps: fresh standard normal noise, the shape of ``x_t``; may be left out when none is added.
        eta: share of DDPM's fresh noise, see `eta_sigma`.
        noise_std: standard deviation of the fresh noise in place of eta's, a number or one for each row: `sigma_hat`
            in the paper. The direction then keeps eta = 1, so that x_s has more noise than its level. None is added
            at s = 0.
        target: what the answer estimates: "eps", "x_0", "v" or "score".
        clip: cut the estimate of x_0 off at [-1, 1], see `clipped_estimates`.

    Raises:
        ValueError: if not 0 <= s < t <= T, noise is wanted and not given, ``eta`` leaves its range or comes together
            with ``noise_std``, or a shape or name does not fit.

    Source: Song et al. 2020, arXiv:2010.02502, eq. 12 (their alpha is our alpha_bar); derivation I17-I18.
    """
    if noise_std is not None and eta not in (0, 1):
        raise ValueError(f"eta must be left out when noise_std is given (the direction keeps eta = 1), got {eta}")
    above, below = level_pair(alpha_bar, t, s, x_t)
    sigma_step = eta_sigma(alpha_bar, t, s, eta if noise_std is None else 1.0)
    sigma_step = sigma_step.reshape(-1, *[1] * (x_t.ndim - 1)).to(x_t.device)
    room = 1 - below - sigma_step.square()
    if (room < -ROUNDING).any():
        largest = ((1 - above) / (1 - above / below)).sqrt().min().item()
        raise ValueError(f"eta must lie in 0..{largest:.4g} between these levels, got {eta}: no room for the direction")
    x_0_hat, eps_hat = clipped_estimates(x_t, model_output, t, alpha_bar, target, clip)
    x_s = below.sqrt().to(x_t.dtype) * x_0_hat + room.clamp(min=0).sqrt().to(x_t.dtype) * eps_hat
    if noise_std is not None:
        std = torch.as_tensor(noise_std, dtype=torch.float64, device=x_t.device)
        sigma_step = torch.where(below < 1, std.reshape(-1, *[1] * (x_t.ndim - 1)), 0.0)
    if not sigma_step.any():
        return x_s
    if eps is None or eps.shape != x_t.shape:
        got = "None" if eps is None else tuple(eps.shape)
        raise ValueError(f"eps must be noise of the shape of x_t, {tuple(x_t.shape)}, when noise is added, got {got}")
    return x_s + sigma_step.to(x_t.dtype) * eps


@torch.no_grad()
def sample(
    model: Model,
    shape: Sequence[int],
    alpha_bar: Float[Tensor, " levels"],
    generator: torch.Generator | None = None,
    *,
    levels: Sequence[int] | None = None,
    eta: float = 0.0,
    sigma_hat: bool = False,
    target: str = "eps",
    clip: bool = False,
    x_T: Tensor | None = None,
) -> Iterator[State]:
    """Walk from noise to pictures; yields the state at every level visited, as `lib.ddpm.sample` does.

    All noise comes from the generator: x_T first, then, unless ``eta`` is 0, one draw for each step but the last. With
    eta = 1 every number drawn and every state is that of `lib.ddpm.sample`.

    Args:
        model: ``model(x_t, t) -> output``.
        shape: of the batch of pictures or points.
        alpha_bar: the schedule the model was trained with.
        generator: source of all noise; its device is where the pictures are made.
        levels: rising levels to visit, see `lib.ddim.subsequences`; all of 1..T if not given.
        eta: share of DDPM's fresh noise; 0 makes the picture a function of x_T alone.
        sigma_hat: the paper's larger noise in place of eta's.
        target: what the model's answer estimates.
        clip: cut estimates of x_0 off at [-1, 1].
        x_T: where to start, at the highest of ``levels``, instead of noise.

    Yields:
        a `State` for each level visited, with the estimates as the step uses them. In the last, t is 0, ``x_t`` and
        ``x_0_hat`` are the finished pictures and ``eps_hat`` is 0.

    Raises:
        ValueError: if ``levels`` do not rise within 1..T, or as for `ddim_step`.

    Source: Song et al. 2020, arXiv:2010.02502, sections 4.1 and 4.2; derivation I20.
    """
    levels = check_levels(range(1, len(alpha_bar)) if levels is None else levels, len(alpha_bar) - 1)
    device = generator.device if generator else torch.device("cpu")
    x_t = torch.randn(shape, generator=generator, device=device) if x_T is None else x_T
    for t, s in zip(reversed(levels), [*reversed(levels[:-1]), 0], strict=True):
        model_output = model(x_t, torch.full((len(x_t),), t, device=x_t.device))
        yield State(t, x_t, *clipped_estimates(x_t, model_output, t, alpha_bar, target, clip))
        noise_std, fresh = _larger_std(alpha_bar, t, s) if sigma_hat else None, None
        if s > 0 and (eta or sigma_hat):
            fresh = torch.randn(x_t.shape, generator=generator, dtype=x_t.dtype, device=x_t.device)
        x_t = ddim_step(
            x_t, model_output, t, s, alpha_bar, fresh, eta=eta, noise_std=noise_std, target=target, clip=clip
        )
    yield State(0, x_t, x_t, torch.zeros_like(x_t))


_larger_std = sigma_hat  # `sample` has an argument of the same name


def _numbers(alpha_bar: Tensor, t: Level, s: Level) -> tuple[Tensor, Tensor]:
    """alpha_bar_t and alpha_bar_s, one for each level, or without axes for a pair of integers."""
    num = max(torch.as_tensor(t).numel(), torch.as_tensor(s).numel())
    above, below = level_pair(alpha_bar, t, s, torch.empty(num, device=alpha_bar.device))
    axes = max(torch.as_tensor(t).ndim, torch.as_tensor(s).ndim)
    return (above, below) if axes else (above.squeeze(), below.squeeze())
