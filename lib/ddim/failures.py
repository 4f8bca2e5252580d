"""Samplers that are wrong on purpose, each with the number that gives it away.

A broken step takes what `lib.ddim.ddim_step` takes.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib.ddim.inversion import noise_at
from lib.ddim.ode import euler_step
from lib.ddim.sampling import clipped_estimates, ddim_step, eta_sigma, sample
from lib.ddpm.forward import level_pair, q_sample
from lib.ddpm.sampling import Model, State, last
from lib.ddpm.schedules import check_levels

Step = Callable[..., Tensor]


# ---- one step


def root_of_std(
    x_t: Tensor, model_output: Tensor, t: int, s: int, alpha_bar: Float[Tensor, " levels"], eps: Tensor, *,
    eta: float = 1.0,
) -> Tensor:  # fmt: skip
    """Broken line: ``sigma_step.sqrt() * eps``. The standard deviation is taken for a variance: too much noise."""
    mean = ddim_step(x_t, model_output, t, s, alpha_bar, torch.zeros_like(eps), eta=eta)
    return mean + eta_sigma(alpha_bar, t, s, eta).sqrt().to(x_t.dtype) * eps


def square_of_std(
    x_t: Tensor, model_output: Tensor, t: int, s: int, alpha_bar: Float[Tensor, " levels"], eps: Tensor, *,
    eta: float = 1.0,
) -> Tensor:  # fmt: skip
    """Broken line: ``sigma_step**2 * eps``. The variance stands where the standard deviation belongs: too little."""
    mean = ddim_step(x_t, model_output, t, s, alpha_bar, torch.zeros_like(eps), eta=eta)
    return mean + eta_sigma(alpha_bar, t, s, eta).square().to(x_t.dtype) * eps


def alpha_for_alpha_bar(
    x_t: Tensor, model_output: Tensor, t: int, s: int, alpha_bar: Float[Tensor, " levels"], eps: Tensor | None = None,
    *, eta: float = 0.0,
) -> Tensor:  # fmt: skip
    """Broken line: ``alpha[s].sqrt() * x_0_hat + …``, with alpha of one step of DDPM. Two papers' letters are mixed.

    DDIM's alpha is DDPM's alpha-bar. Read as DDPM's alpha, near 1 at every level, the picture enters undimmed.
    """
    level_pair(alpha_bar, t, s, x_t)
    alpha_s = alpha_bar[s] / alpha_bar[s - 1] if s > 0 else alpha_bar[0]
    x_0_hat, _ = clipped_estimates(x_t, model_output, t, alpha_bar)
    right = ddim_step(x_t, model_output, t, s, alpha_bar, eps, eta=eta)
    return right + (alpha_s.sqrt() - alpha_bar[s].sqrt()).to(x_t.dtype) * x_0_hat


def level_after(step: Step, t: int, s: int, alpha_bar: Float[Tensor, " levels"], **settings) -> tuple[float, float]:
    """What one step with the true noise makes of a level: the factor before x_0, and the variance around it.

    Both are exact, from three calls with ones and zeros. Right are sqrt(alpha_bar_s) and 1 - alpha_bar_s.
    """
    parts = []
    for x_0, eps, fresh in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        x_0, eps, fresh = (torch.full((1, 1), float(value), dtype=torch.float64) for value in (x_0, eps, fresh))
        parts.append(step(q_sample(x_0, t, eps, alpha_bar), eps, t, s, alpha_bar, fresh, **settings).item())
    return parts[0], parts[1] ** 2 + parts[2] ** 2


# ---- the sub-sequence


class IndexForLevel:
    """Broken line: ``model(x_t, i)`` where i counts the levels visited, 1, 2, …, and not the levels of the schedule.

    At the start of ten steps the network is told "level 10 of 1,000", looks at pure noise and sees a clean picture.
    """

    def __init__(self, model: Model, levels: Sequence[int]):
        self.model, self.index = model, {t: i for i, t in enumerate(levels, start=1)}

    def __call__(self, x_t: Float[Tensor, "B ..."], t: Int[Tensor, " B"]) -> Float[Tensor, "B ..."]:
        return self.model(x_t, torch.full_like(t, self.index[t[0].item()]))


def noise_seen_at_the_start(
    model: Model, shape: Sequence[int], alpha_bar: Float[Tensor, " levels"], generator: torch.Generator | None = None,
    *, levels: Sequence[int], target: str = "eps",
) -> float:  # fmt: skip
    """Root mean square of eps_hat at x_T: about 1, since x_T is nothing but noise; near 0 if the level is wrong."""
    state = next(sample(model, shape, alpha_bar, generator, levels=levels, target=target))
    return state.eps_hat.square().mean().sqrt().item()


# ---- inversion


@torch.no_grad()
def invert_with_first_noise(
    model: Model, x_0: Float[Tensor, "B ..."], alpha_bar: Float[Tensor, " levels"], levels: Sequence[int], *,
    target: str = "eps",
) -> Iterator[State]:  # fmt: skip
    """Broken line: ``eps_hat`` is asked for once, at the clean picture, and used for every step up."""
    levels = check_levels(levels, len(alpha_bar) - 1)
    eps_hat = noise_at(model, x_0, levels[0], alpha_bar, target)
    for t in levels:
        yield State(t, euler_step(x_0, eps_hat, 0, t, alpha_bar), x_0, eps_hat)


def invert_with_fresh_noise(
    model: Model, x_0: Float[Tensor, "B ..."], alpha_bar: Float[Tensor, " levels"], levels: Sequence[int], *,
    target: str = "eps", generator: torch.Generator | None = None,
) -> Iterator[State]:  # fmt: skip
    """Broken line: ``q_sample(x_0, T, torch.randn(…))``. Any noise in place of the one that belongs to the picture."""
    eps = torch.randn(x_0.shape, generator=generator, dtype=x_0.dtype, device=x_0.device)
    for t in check_levels(levels, len(alpha_bar) - 1):
        yield State(t, q_sample(x_0, t, eps, alpha_bar), x_0, eps)


def error_after(
    inversion: Callable[..., Iterator[State]],
    model: Model,
    x_0: Float[Tensor, "B ..."],
    alpha_bar: Float[Tensor, " levels"],
    levels: Sequence[int],
    target: str = "eps",
) -> float:
    """Mean squared error after going up by any rule and down by the right one: it must fall when steps are added.

    With `lib.ddim.invert` nothing is broken.
    """
    x_T = last(inversion(model, x_0, alpha_bar, levels, target=target)).x_t
    back = last(sample(model, x_0.shape, alpha_bar, levels=levels, target=target, x_T=x_T)).x_t
    return (back - x_0).square().mean().item()
