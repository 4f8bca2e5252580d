"""Exercises about the family: its mean, and the size of its noise."""

import torch
from torch import Tensor

from lib.ddim.exercises.cases import FAMILY, PAIRS, SHARE, pair, schedule
from lib.ddim.family import q_sigma
from lib.ddim.sampling import eta_sigma
from lib.exercises import Exercise, Misconception


def mean(x_0: Tensor, x_t: Tensor, t: int, s: int, alpha_bar: Tensor, sigma_step: Tensor) -> Tensor:
    """Mean of q_sigma(x_s | x_t, x_0)."""
    return q_sigma(x_0, x_t, t, alpha_bar, sigma_step, s).mean


def _mean_cases(generator: torch.Generator) -> list[tuple]:
    cases = []
    for num, (t, s) in enumerate(PAIRS, start=1):
        alpha_bar, share = schedule(generator), 0.3 + 0.5 * torch.rand((), generator=generator, dtype=torch.float64)
        cases.append((*pair(generator, num), t, s, alpha_bar, share * (1 - alpha_bar[s]).sqrt()))
    return cases


def _mean(combine):
    """A misconception: ``combine(x_0, x_t, now, below, sigma)`` with alpha-bar at t and at s."""

    def function(x_0: Tensor, x_t: Tensor, t: int, s: int, alpha_bar: Tensor, sigma_step: Tensor) -> Tensor:
        return combine(x_0, x_t, alpha_bar[t], alpha_bar[s], sigma_step)

    return function


def _noise(x_0: Tensor, x_t: Tensor, now: Tensor) -> Tensor:
    return (x_t - now.sqrt() * x_0) / (1 - now).sqrt()


def _alpha_of_one_step(x_0: Tensor, x_t: Tensor, t: int, s: int, alpha_bar: Tensor, sigma_step: Tensor) -> Tensor:
    alpha = alpha_bar[s] / alpha_bar[s - 1]
    return alpha.sqrt() * x_0 + (1 - alpha_bar[s] - sigma_step**2).sqrt() * _noise(x_0, x_t, alpha_bar[t])


MEAN = Exercise(
    name="ddim.mean",
    prompt="The mean of q_sigma(x_s | x_t, x_0) for two levels t > s >= 1 and fresh noise of standard deviation sigma.",
    reference=mean,
    cases=_mean_cases,
    misconceptions=(
        Misconception(
            "took DDIM's alpha for DDPM's",
            _alpha_of_one_step,
            "The DDIM paper writes alpha for what DDPM calls alpha-bar: all the picture that is left at level s, not "
            "the share that one step keeps.",
            FAMILY,
        ),
        Misconception(
            "left no room for the fresh noise",
            _mean(lambda x_0, x_t, now, s, sigma: s.sqrt() * x_0 + (1 - s).sqrt() * _noise(x_0, x_t, now)),
            "The old noise and the fresh noise share the variance 1 - alpha-bar_s. The old one keeps what is left "
            "after sigma² is taken away.",
            FAMILY,
        ),
        Misconception(
            "took away sigma in place of its square",
            _mean(
                lambda x_0, x_t, now, s, sigma: s.sqrt() * x_0 + (1 - s - sigma).abs().sqrt() * _noise(x_0, x_t, now)
            ),
            "Variances add up, standard deviations do not: the room is 1 - alpha-bar_s - sigma².",
            FAMILY,
        ),
        Misconception(
            "forgot to divide the noise by its size",
            _mean(
                lambda x_0, x_t, now, s, sigma: s.sqrt() * x_0 + (1 - s - sigma**2).sqrt() * (x_t - now.sqrt() * x_0)
            ),
            "x_t - sqrt(alpha-bar_t) x_0 has variance 1 - alpha-bar_t. Divide by its root, and it is eps.",
            FAMILY,
        ),
        Misconception(
            "kept the picture as it is at level t",
            _mean(lambda x_0, x_t, now, s, sigma: now.sqrt() * x_0 + (1 - s - sigma**2).sqrt() * _noise(x_0, x_t, now)),
            "The result lives at level s, so that sqrt(alpha-bar_s) stands before x_0.",
            FAMILY,
        ),
        Misconception(
            "stayed at the noise of level t",
            _mean(lambda x_0, x_t, now, s, sigma: s.sqrt() * x_0 + (1 - now - sigma**2).sqrt() * _noise(x_0, x_t, now)),
            "The result lives at level s and has variance 1 - alpha-bar_s altogether.",
            FAMILY,
        ),
        Misconception(
            "answered with the posterior of DDPM",
            lambda x_0, x_t, t, s, alpha_bar, sigma: mean(x_0, x_t, t, s, alpha_bar, eta_sigma(alpha_bar, t, s)),
            "That is the member of the family with sigma² = beta-tilde. Here sigma is handed in.",
            FAMILY,
        ),
    ),
    hints=(
        "Two parts: the picture as it should look at level s, and the noise that x_t already has.",
        "The noise is (x_t - sqrt(alpha-bar_t) x_0) / sqrt(1 - alpha-bar_t); its variance at s is what sigma² leaves.",
        "sqrt(alpha_bar[s]) x_0 + sqrt(1 - alpha_bar[s] - sigma²) times that noise.",
    ),
    explains="Whatever sigma is, x_s has mean sqrt(alpha-bar_s) x_0 and variance 1 - alpha-bar_s.",
)


def step_noise(alpha_bar: Tensor, t: int, s: int, eta: float) -> Tensor:
    """sigma_t(eta) between two levels."""
    return eta_sigma(alpha_bar, t, s, eta)


def _sigma(combine):
    """A misconception: ``combine(now, below, eta)`` with alpha-bar at t and at s."""
    return lambda alpha_bar, t, s, eta: combine(alpha_bar[t], alpha_bar[s], eta)


SIGMA = Exercise(
    name="ddim.sigma",
    prompt="sigma for a step from level t to level s: eta times the standard deviation of DDPM's fresh noise.",
    reference=step_noise,
    cases=lambda generator: [
        (schedule(generator), t, s, eta) for (t, s), eta in zip(PAIRS, (0.3, 0.5, 0.8), strict=True)
    ],
    misconceptions=(
        Misconception(
            "answered with the variance",
            _sigma(lambda now, s, eta: eta * (1 - s) / (1 - now) * (1 - now / s)),
            "That is beta-tilde. sigma multiplies noise of variance 1, so it is the root.",
            SHARE,
        ),
        Misconception(
            "put eta under the root",
            _sigma(lambda now, s, eta: (eta * (1 - s) / (1 - now) * (1 - now / s)).sqrt()),
            "eta scales the standard deviation: half of eta is a quarter of the variance.",
            SHARE,
        ),
        Misconception(
            "took the larger noise of DDPM",
            _sigma(lambda now, s, eta: eta * (1 - now / s).sqrt()),
            "That is sigma-hat, the root of beta. With it x_s has more noise than belongs to level s.",
            SHARE,
        ),
        Misconception(
            "turned the ratio over",
            _sigma(lambda now, s, eta: eta * ((1 - now) / (1 - s) * (1 - now / s)).sqrt()),
            "There is more noise at t than at s, so that (1 - alpha-bar_s) / (1 - alpha-bar_t) is below 1.",
            SHARE,
        ),
        Misconception(
            "took a single step's beta",
            lambda alpha_bar, t, s, eta: (
                eta * ((1 - alpha_bar[s]) / (1 - alpha_bar[t]) * (1 - alpha_bar[t] / alpha_bar[t - 1])).sqrt()
            ),
            "From t to s in one stride beta is 1 - alpha-bar_t / alpha-bar_s, all the noise between the levels.",
            SHARE,
        ),
    ),
    hints=(
        "DDPM's variance is beta-tilde. Write it with alpha-bar alone, for any two levels.",
        "(1 - alpha-bar_s) / (1 - alpha-bar_t) times (1 - alpha-bar_t / alpha-bar_s).",
        "eta times the root of that product.",
    ),
    explains="At s = 0 it is 0 for every eta: the last step never adds noise.",
)
