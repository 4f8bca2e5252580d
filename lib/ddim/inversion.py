"""From a picture to the noise that leads to it: the walk without fresh noise, upward.

A step down asks the network at its upper end, (x_t, t). A step up ends there and does not know x_t yet, so it has to
ask elsewhere: at (x_s, s), where the picture is, which is Euler's method for the way up, or, as much published code
does, at (x_s, t): the picture as it is, with the number of the level it goes to. Both make an error that falls with the
length of the steps. At s = 0 there is no choice: no network was ever trained at level 0, so the first step asks at the
first of ``levels``, with the clean picture, in both ways. On Gaussian data asking above makes about half the error;
which is better for pictures depends on the steps, see the trend ddim_inversion.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from lib.ddim.ode import euler_step
from lib.ddim.sampling import sample
from lib.ddpm.forward import predict_eps, predict_x_0
from lib.ddpm.sampling import Model, State, last, split_output
from lib.ddpm.schedules import check_levels


class RoundTrip(NamedTuple):
    """The noise found for pictures, the pictures made from it, and their mean squared difference, one for each."""

    x_T: Float[Tensor, "B ..."]
    back: Float[Tensor, "B ..."]
    error: Float[Tensor, " B"]


@torch.no_grad()
def invert(
    model: Model,
    x_0: Float[Tensor, "B ..."],
    alpha_bar: Float[Tensor, " levels"],
    levels: Sequence[int] | None = None,
    *,
    target: str = "eps",
    ask_above: bool = False,
    num_corrections: int = 0,
) -> Iterator[State]:
    """Walk upward from clean pictures; yields the state at level 0 and at each of ``levels``.

    Args:
        model: ``model(x_t, t) -> output``; asked 1 + ``num_corrections`` times in every step.
        x_0: pictures in [-1, 1], or points.
        alpha_bar: the schedule the model was trained with.
        levels: rising levels to visit, the same as for sampling; all of 1..T if not given.
        target: what the model's answer estimates.
        ask_above: ask at the level to be reached, instead of the level where the picture is.
        num_corrections: how often to ask again at the point just reached and to repeat the step from x_s with that
            answer. Where this settles, the step up is the exact inverse of the step down.

    Yields:
        a `State` for each level. ``x_0_hat`` and ``eps_hat`` are those of the step that leads on; in the last, those
        of the step that led there, since the network is not asked at the end.

    Raises:
        ValueError: if ``levels`` do not rise within 1..T, or ``num_corrections`` is negative.

    Source: Song et al. 2020, arXiv:2010.02502, sections 4.3 and 5.4; Pan et al. 2023, arXiv:2309.04907, for the
    corrections.
    """
    if num_corrections < 0:
        raise ValueError(f"num_corrections must not be negative, got {num_corrections}")
    levels = check_levels(range(1, len(alpha_bar)) if levels is None else levels, len(alpha_bar) - 1)
    x_s = x_0
    for s, t in zip([0, *levels[:-1]], levels, strict=True):
        eps_hat = noise_at(model, x_s, t if ask_above or s == 0 else s, alpha_bar, target)
        for _ in range(num_corrections):
            eps_hat = noise_at(model, euler_step(x_s, eps_hat, s, t, alpha_bar), t, alpha_bar, target)
        x_0_hat = x_s if s == 0 else predict_x_0(x_s, eps_hat, s, alpha_bar)
        yield State(s, x_s, x_0_hat, eps_hat)
        x_s = euler_step(x_s, eps_hat, s, t, alpha_bar)
    yield State(levels[-1], x_s, x_0_hat, eps_hat)


def noise_at(
    model: Model, x_t: Float[Tensor, "B ..."], t: int, alpha_bar: Float[Tensor, " levels"], target: str = "eps"
) -> Float[Tensor, "B ..."]:
    """Ask a model for the noise in ``x_t`` at level t, in 1..T, whatever it was trained to answer."""
    output, _ = split_output(model(x_t, torch.full((len(x_t),), t, device=x_t.device)), x_t)
    return predict_eps(x_t, output, t, alpha_bar, target)


def round_trip(
    model: Model,
    x_0: Float[Tensor, "B ..."],
    alpha_bar: Float[Tensor, " levels"],
    levels: Sequence[int] | None = None,
    *,
    target: str = "eps",
    ask_above: bool = False,
    num_corrections: int = 0,
) -> RoundTrip:
    """Up by `invert` and down again by `lib.ddim.sample` without noise, both over the same levels.

    The error is the mean square over all values of a picture, in its own units: for pictures in [-1, 1] it is four
    times that of the paper's Table 2, whose pictures are in [0, 1].

    Raises:
        ValueError: as for `invert`.

    Source: Song et al. 2020, arXiv:2010.02502, section 5.4 and Table 2.
    """
    walk = invert(model, x_0, alpha_bar, levels, target=target, ask_above=ask_above, num_corrections=num_corrections)
    x_T = last(walk).x_t
    back = last(sample(model, x_0.shape, alpha_bar, levels=levels, target=target, x_T=x_T)).x_t
    return RoundTrip(x_T, back, rearrange((back - x_0).square(), "b ... -> b (...)").mean(dim=1))
