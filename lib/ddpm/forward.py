"""The forward process in closed form: the jump to any level, the posterior of a step, and four names for one estimate.

Every function takes the level t as an integer or as a tensor with one level for each picture, and coefficients are
computed in float64 before they meet the pictures.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

Level = int | Int[Tensor, "..."]
"""A noise level: one integer for all rows, or a tensor (B,) with one for each."""

# What a network may be asked for, from x_0 and eps; signal = sqrt(alpha_bar_t), noise = sqrt(1 - alpha_bar_t).
TARGETS = {
    "eps": lambda x_0, eps, signal, noise: eps,
    "x_0": lambda x_0, eps, signal, noise: x_0,
    "v": lambda x_0, eps, signal, noise: signal * eps - noise * x_0,  # Salimans & Ho 2022, arXiv:2202.00512
    "score": lambda x_0, eps, signal, noise: -eps / noise,  # gradient of log q(x_t | x_0)
}
X_0_FROM = {
    "eps": lambda x_t, eps, signal, noise: (x_t - noise * eps) / signal,  # Ho et al. 2020, eq. 15
    "x_0": lambda x_t, x_0, signal, noise: x_0,
    "v": lambda x_t, v, signal, noise: signal * x_t - noise * v,
    "score": lambda x_t, score, signal, noise: (x_t + noise**2 * score) / signal,  # Tweedie's formula
}
EPS_FROM = {
    "eps": lambda x_t, eps, signal, noise: eps,
    "x_0": lambda x_t, x_0, signal, noise: (x_t - signal * x_0) / noise,
    "v": lambda x_t, v, signal, noise: noise * x_t + signal * v,
    "score": lambda x_t, score, signal, noise: -noise * score,
}


class Posterior(NamedTuple):
    """The Gaussian of a cleaner picture when x_t and x_0 are known: its mean, and its variance (one per picture)."""

    mean: Float[Tensor, "B ..."]
    variance: Tensor


def q_sample(
    x_0: Float[Tensor, "B ..."], t: Level, eps: Float[Tensor, "B ..."], alpha_bar: Float[Tensor, " levels"]
) -> Float[Tensor, "B ..."]:
    """Jump from clean pictures to level t in one move: x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps.

    Args:
        x_0: pictures in [-1, 1], or points.
        t: level in 0..T, the same for all or one for each.
        eps: standard normal noise, an entry of its own for every value.
        alpha_bar: the schedule.

    Raises:
        ValueError: if ``eps`` differs from ``x_0`` in shape, or a level is outside 0..T.

    Source: Ho et al. 2020, arXiv:2006.11239, eq. 4.
    """
    _check_same_shape("eps", eps, x_0)
    signal, noise = signal_and_noise(alpha_bar, t, x_0, lowest=0)
    return signal * x_0 + noise * eps


def posterior(
    x_0: Float[Tensor, "B ..."],
    x_t: Float[Tensor, "B ..."],
    t: Level,
    alpha_bar: Float[Tensor, " levels"],
    s: Level | None = None,
) -> Posterior:
    """q(x_s | x_t, x_0), the step back from level t to level s when the clean picture is known.

    Args:
        x_0: clean pictures, or a network's estimate of them.
        x_t: the pictures at level t.
        t: level in 1..T.
        alpha_bar: the schedule.
        s: cleaner level, below t; t - 1 if not given.

    Raises:
        ValueError: if the shapes differ, or not 0 <= s < t <= T.

    Source: Ho et al. 2020, arXiv:2006.11239, eqs. 6 and 7 (there s = t - 1); derivation D043-D051.
    """
    _check_same_shape("x_t", x_t, x_0)
    to_x_0, to_x_t, variance = posterior_coefficients(alpha_bar, t, t - 1 if s is None else s, x_t)
    return Posterior(to_x_0 * x_0 + to_x_t * x_t, variance)


def posterior_coefficients(
    alpha_bar: Float[Tensor, " levels"], t: Level, s: Level, like: Float[Tensor, "B ..."]
) -> tuple[Tensor, Tensor, Tensor]:
    """What x_0 and x_t are multiplied by in the mean of q(x_s | x_t, x_0), and its variance, shaped to meet ``like``.

    Raises:
        ValueError: if not 0 <= s < t <= T.
    """
    above, below = level_pair(alpha_bar, t, s, like)
    alpha = above / below  # of the one step that leads from s to t
    to_x_0 = below.sqrt() * (1 - alpha) / (1 - above)
    to_x_t = alpha.sqrt() * (1 - below) / (1 - above)
    variance = (1 - below) / (1 - above) * (1 - alpha)
    return to_x_0.to(like.dtype), to_x_t.to(like.dtype), variance.to(like.dtype)


def training_target(
    x_0: Float[Tensor, "B ..."],
    eps: Float[Tensor, "B ..."],
    t: Level,
    alpha_bar: Float[Tensor, " levels"],
    target: str = "eps",
) -> Float[Tensor, "B ..."]:
    """What the network should answer for x_t = q_sample(x_0, t, eps): "eps", "x_0", "v" or "score".

    Raises:
        ValueError: if there is no such target, the shapes differ, or a level is outside 1..T.
    """
    _check_same_shape("eps", eps, x_0)
    return _rule(TARGETS, target)(x_0, eps, *signal_and_noise(alpha_bar, t, x_0))


def v_target(
    x_0: Float[Tensor, "B ..."], eps: Float[Tensor, "B ..."], t: Level, alpha_bar: Float[Tensor, " levels"]
) -> Float[Tensor, "B ..."]:
    """v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0.

    Source: Salimans & Ho 2022, arXiv:2202.00512, section 4 (their alpha and sigma are our two roots).
    """
    return training_target(x_0, eps, t, alpha_bar, "v")


def predict_x_0(
    x_t: Float[Tensor, "B ..."],
    output: Float[Tensor, "B ..."],
    t: Level,
    alpha_bar: Float[Tensor, " levels"],
    target: str = "eps",
) -> Float[Tensor, "B ..."]:
    """The clean picture that a network's answer amounts to.

    Args:
        x_t: what the network saw.
        output: its answer.
        t: level in 1..T.
        alpha_bar: the schedule.
        target: what the answer is an estimate of: "eps", "x_0", "v" or "score".

    Raises:
        ValueError: if there is no such target, the shapes differ, or a level is outside 1..T.

    Source: Ho et al. 2020, arXiv:2006.11239, eq. 15 (for eps).
    """
    _check_same_shape("output", output, x_t)
    return _rule(X_0_FROM, target)(x_t, output, *signal_and_noise(alpha_bar, t, x_t))


def predict_eps(
    x_t: Float[Tensor, "B ..."],
    output: Float[Tensor, "B ..."],
    t: Level,
    alpha_bar: Float[Tensor, " levels"],
    target: str = "eps",
) -> Float[Tensor, "B ..."]:
    """The noise that a network's answer amounts to; arguments as for `predict_x_0`.

    Raises:
        ValueError: if there is no such target, the shapes differ, or a level is outside 1..T.
    """
    _check_same_shape("output", output, x_t)
    return _rule(EPS_FROM, target)(x_t, output, *signal_and_noise(alpha_bar, t, x_t))


def convert(
    x_t: Float[Tensor, "B ..."], output: Float[Tensor, "B ..."], t: Level, alpha_bar: Float[Tensor, " levels"],
    source: str, target: str,
) -> Float[Tensor, "B ..."]:  # fmt: skip
    """The same estimate under another name: from ``source`` to ``target``, each "eps", "x_0", "v" or "score"."""
    x_0_hat = predict_x_0(x_t, output, t, alpha_bar, source)
    eps_hat = predict_eps(x_t, output, t, alpha_bar, source)
    return training_target(x_0_hat, eps_hat, t, alpha_bar, target)


def alpha_bar_at(
    alpha_bar: Float[Tensor, " levels"], t: Level, like: Float[Tensor, "B ..."], lowest: int = 1
) -> Float[Tensor, "b ..."]:
    """alpha_bar_t in float64, with as many axes as ``like``: one entry, or one for each picture.

    Raises:
        ValueError: if a level is outside lowest..T or the number of levels fits neither 1 nor the batch.
    """
    t = torch.as_tensor(t, device=alpha_bar.device)
    if t.dtype.is_floating_point or t.ndim > 1 or (t.ndim == 1 and len(t) not in (1, len(like))):
        raise ValueError(
            f"t must be one integer or one for each of the {len(like)} rows, got {t.dtype} of shape {tuple(t.shape)}"
        )
    if t.numel() and (t.min() < lowest or t.max() >= len(alpha_bar)):
        raise ValueError(f"levels must lie in {lowest}..{len(alpha_bar) - 1}, got {_show(t)}")
    return alpha_bar.double()[t].reshape(-1, *[1] * (like.ndim - 1)).to(like.device)


def level_pair(
    alpha_bar: Float[Tensor, " levels"], t: Level, s: Level, like: Float[Tensor, "B ..."]
) -> tuple[Float[Tensor, "b ..."], Float[Tensor, "b ..."]]:
    """alpha_bar_t and alpha_bar_s in float64 for a step from level t down to level s, shaped to meet ``like``.

    Raises:
        ValueError: if not 0 <= s < t <= T.
    """
    above, below = alpha_bar_at(alpha_bar, t, like, lowest=1), alpha_bar_at(alpha_bar, s, like, lowest=0)
    if not (below > above).all():
        raise ValueError(f"s must be a cleaner level than t, got s = {_show(s)} and t = {_show(t)}")
    return above, below


def signal_and_noise(
    alpha_bar: Float[Tensor, " levels"], t: Level, like: Float[Tensor, "B ..."], lowest: int = 1
) -> tuple[Tensor, Tensor]:
    """sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t), in the precision of ``like`` and shaped to meet it."""
    level = alpha_bar_at(alpha_bar, t, like, lowest)
    return level.sqrt().to(like.dtype), (1 - level).sqrt().to(like.dtype)


def _rule(table: dict, target: str):
    if target not in table:
        raise ValueError(f"target must be one of {', '.join(table)}, got {target!r}")
    return table[target]


def _check_same_shape(name: str, value: Tensor, like: Tensor) -> None:
    if value.shape != like.shape:
        raise ValueError(
            f"{name} must have the shape of the pictures, {tuple(like.shape)}, got {tuple(value.shape)}; broadcasting "
            "would mix up pictures without a word"
        )


def _show(t: Level) -> str:
    t = torch.as_tensor(t)
    return str(t.item()) if t.numel() == 1 else f"{t.min().item()}..{t.max().item()}"
