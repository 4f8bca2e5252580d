"""From noise to pictures: one step back as a pure function of two levels, and the walk over all levels as a generator.

A model is anything that can be called: ``model(x_t, t) -> output`` with t of shape (B,).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lib.ddpm.forward import Level, alpha_bar_at, posterior, predict_eps, predict_x_0
from lib.ddpm.schedules import check_levels

Model = Callable[[Tensor, Tensor], Tensor]


class State(NamedTuple):
    """Where a sampler stands: the level t, the noisy pictures, and what the network makes of them."""

    t: int
    x_t: Float[Tensor, "B ..."]
    x_0_hat: Float[Tensor, "B ..."]
    eps_hat: Float[Tensor, "B ..."]


def split_output(
    model_output: Float[Tensor, "B K ..."], x_t: Float[Tensor, "B C ..."]
) -> tuple[Float[Tensor, "B C ..."], Float[Tensor, "B C ..."] | None]:
    """The estimate, and the second half of the channels, which speaks about the variance, if the network has one.

    Raises:
        ValueError: if the output has neither as many channels as ``x_t`` nor twice as many.
    """
    model_output = model_output.to(x_t.dtype)  # the network may have computed in bfloat16
    if model_output.shape == x_t.shape:
        return model_output, None
    if model_output.shape[1] != 2 * x_t.shape[1]:
        raise ValueError(
            f"the model's output must have {x_t.shape[1]} channels like x_t, or twice as many with a learned "
            f"variance, got shape {tuple(model_output.shape)}"
        )
    output, raw_variance = model_output.chunk(2, dim=1)
    return output, raw_variance


def log_variance(
    variance: str,
    t: Level,
    s: Level,
    alpha_bar: Float[Tensor, " levels"],
    x_t: Float[Tensor, "B ..."],
    raw: Float[Tensor, "B ..."] | None = None,
) -> Tensor:
    """Logarithm of the variance that the model gives the step from level t to level s.

    Args:
        variance: "beta" (right if the data were standard normal noise), "beta_tilde" (right if they were a single
            picture), or "learned": a mixture of the two logarithms, value by value, in shares (1 + raw)/2 and
            (1 - raw)/2.
        t: level in 1..T.
        s: cleaner level. At s = 0, where beta_tilde is 0, the variance of the step from 2 to 1 stands in, as in the
            code of both papers; only the bound needs it, since a sampler adds no noise there.
        alpha_bar: the schedule.
        x_t: pictures of the batch, for shape and precision.
        raw: the network's second half of the channels; any real numbers, 0 is the geometric mean.

    Raises:
        ValueError: if there is no such variance, or "learned" comes without ``raw``.

    Source: Ho et al. 2020, arXiv:2006.11239, section 3.2; Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 15.
    """
    above, below = alpha_bar_at(alpha_bar, t, x_t, lowest=1), alpha_bar_at(alpha_bar, s, x_t, lowest=0)
    beta = 1 - above / below
    tilde = (1 - below) / (1 - above) * beta
    if len(alpha_bar) > 2:
        stand_in = (1 - alpha_bar[1]) / (1 - alpha_bar[2]) * (1 - alpha_bar[2] / alpha_bar[1])
        tilde = torch.where(below == 1, stand_in.to(tilde), tilde)
    if variance == "learned":
        if raw is None:
            raise ValueError('variance "learned" needs a network with twice the channels of the pictures')
        share = (raw + 1) / 2
        return share * beta.log().to(raw.dtype) + (1 - share) * tilde.log().to(raw.dtype)
    if variance not in ("beta", "beta_tilde"):
        raise ValueError(f'variance must be "beta", "beta_tilde" or "learned", got {variance!r}')
    fixed = torch.where(below == 1, tilde, beta) if variance == "beta" else tilde
    return fixed.log().to(x_t.dtype)


def ancestral_step(
    x_t: Float[Tensor, "B ..."],
    model_output: Float[Tensor, "B ..."],
    t: Level,
    s: Level,
    alpha_bar: Float[Tensor, " levels"],
    eps: Float[Tensor, "B ..."],
    *,
    target: str = "eps",
    variance: str = "beta_tilde",
    clip: bool = False,
) -> Float[Tensor, "B ..."]:
    """One step of DDPM's sampler, from level t to the cleaner level s.

    The estimate of x_0 is put into the posterior q(x_s | x_t, x_0), and noise is drawn around its mean; none at the
    last step, where s = 0.

    Args:
        x_t: pictures at level t.
        model_output: the network's answer for ``x_t`` and t; with twice the channels if the variance is learned.
        t: level in 1..T.
        s: level in 0..T-1, below t; t - 1 in the full chain.
        alpha_bar: the schedule.
        eps: fresh standard normal noise, the shape of ``x_t``.
        target: what the answer estimates: "eps", "x_0", "v" or "score".
        variance: "beta", "beta_tilde" or "learned", see `log_variance`.
        clip: cut the estimate of x_0 off at [-1, 1], the range of pictures. DDPM's own code does so.

    Raises:
        ValueError: if not 0 <= s < t <= T, or a shape or name does not fit.

    Source: Ho et al. 2020, arXiv:2006.11239, algorithm 2 and eq. 7; derivation D098-D100.
    """
    if eps.shape != x_t.shape:
        raise ValueError(f"eps must have the shape of x_t, {tuple(x_t.shape)}, got {tuple(eps.shape)}")
    output, raw = split_output(model_output, x_t)
    x_0_hat = predict_x_0(x_t, output, t, alpha_bar, target)
    if clip:
        x_0_hat = x_0_hat.clamp(-1, 1)
    mean = posterior(x_0_hat, x_t, t, alpha_bar, s).mean
    sigma_step = (log_variance(variance, t, s, alpha_bar, x_t, raw) / 2).exp()
    not_last = (alpha_bar_at(alpha_bar, s, x_t, lowest=0) < 1).to(x_t.dtype)
    return mean + not_last * sigma_step * eps


@torch.no_grad()
def sample(
    model: Model,
    shape: Sequence[int],
    alpha_bar: Float[Tensor, " levels"],
    generator: torch.Generator | None = None,
    *,
    levels: Sequence[int] | None = None,
    target: str = "eps",
    variance: str = "beta_tilde",
    clip: bool = False,
    x_T: Tensor | None = None,
) -> Iterator[State]:
    """Ancestral sampling; yields the state at every level, from x_T down to x_0.

    All noise comes from the generator: x_T first, then one draw for each step but the last.

    Args:
        model: ``model(x_t, t) -> output``.
        shape: of the batch of pictures or points.
        alpha_bar: the schedule the model was trained with.
        generator: source of all noise; its device is where the pictures are made.
        levels: rising levels to visit, see `lib.ddpm.schedules.spaced`; all of 1..T if not given.
        target: what the model's answer estimates.
        variance: "beta", "beta_tilde" or "learned".
        clip: cut estimates of x_0 off at [-1, 1].
        x_T: where to start, at the highest of ``levels``, instead of noise. With ``levels=range(1, t + 1)`` and a
            picture that was noised to level t, sampling begins half-way.

    Yields:
        a `State` for each level visited. In the last, t is 0, ``x_t`` and ``x_0_hat`` are the finished pictures and
        ``eps_hat`` is 0.

    Raises:
        ValueError: if ``levels`` do not rise within 1..T.

    Source: Ho et al. 2020, arXiv:2006.11239, algorithm 2.
    """
    levels = check_levels(range(1, len(alpha_bar)) if levels is None else levels, len(alpha_bar) - 1)
    device = generator.device if generator else torch.device("cpu")
    x_t = torch.randn(shape, generator=generator, device=device) if x_T is None else x_T
    for t, s in zip(reversed(levels), [*reversed(levels[:-1]), 0], strict=True):
        model_output = model(x_t, torch.full((len(x_t),), t, device=x_t.device))
        yield State(t, x_t, *estimates(x_t, model_output, t, alpha_bar, target, clip))
        fresh = torch.zeros_like(x_t)
        if s > 0:
            fresh = torch.randn(x_t.shape, generator=generator, dtype=x_t.dtype, device=x_t.device)
        x_t = ancestral_step(x_t, model_output, t, s, alpha_bar, fresh, target=target, variance=variance, clip=clip)
    yield State(0, x_t, x_t, torch.zeros_like(x_t))


def estimates(
    x_t: Float[Tensor, "B ..."],
    model_output: Float[Tensor, "B ..."],
    t: Level,
    alpha_bar: Float[Tensor, " levels"],
    target: str = "eps",
    clip: bool = False,
) -> tuple[Float[Tensor, "B ..."], Float[Tensor, "B ..."]]:
    """x_0_hat and eps_hat that an answer amounts to; ``clip`` cuts the first off at [-1, 1] and leaves the second."""
    output, _ = split_output(model_output, x_t)
    x_0_hat = predict_x_0(x_t, output, t, alpha_bar, target)
    return x_0_hat.clamp(-1, 1) if clip else x_0_hat, predict_eps(x_t, output, t, alpha_bar, target)


def last(states: Iterable[State]) -> State:
    """Run a sampler to its end, keeping one state in memory: ``last(sample(…)).x_t`` are the pictures.

    Raises:
        ValueError: if there is no state.
    """
    found = deque(states, maxlen=1)
    if not found:
        raise ValueError("there must be at least one state, got none")
    return found[0]
