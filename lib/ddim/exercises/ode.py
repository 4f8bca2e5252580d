"""Exercises about the differential equation: Euler's form of the step, and the way up."""

import torch
from torch import Tensor

from lib.ddim.exercises.cases import EULER, INVERSION, between, walks
from lib.ddim.ode import euler_step
from lib.exercises import Exercise, Misconception


def euler(x_t: Tensor, eps_hat: Tensor, t: int, s: int, alpha_bar: Tensor) -> Tensor:
    """One Euler step in x_bar and sigma_bar, and back."""
    return euler_step(x_t, eps_hat, t, s, alpha_bar)


def _sigma(level: Tensor) -> Tensor:
    return ((1 - level) / level).sqrt()


EULER_STEP = Exercise(
    name="ddim.euler",
    prompt="x_s by one step of Euler's method for d x_bar / d sigma_bar = eps_hat, from x_t, and back from x_bar.",
    reference=euler,
    cases=walks,
    misconceptions=(
        Misconception(
            "stepped in the wrong direction",
            between(lambda x, e, now, s: s.sqrt() * (x / now.sqrt() - (_sigma(s) - _sigma(now)) * e)),
            "The step is the new sigma-bar minus the old one, negative on the way down: noise is taken away.",
            EULER,
        ),
        Misconception(
            "stayed in x_bar",
            between(lambda x, e, now, s: x / now.sqrt() + (_sigma(s) - _sigma(now)) * e),
            "The network wants x_s: multiply by sqrt(alpha-bar_s) at the end.",
            EULER,
        ),
        Misconception(
            "stepped without changing to x_bar",
            between(lambda x, e, now, s: x + (_sigma(s) - _sigma(now)) * e),
            "The equation holds for x_bar = x / sqrt(alpha-bar), whose clean part does not shrink.",
            EULER,
        ),
        Misconception(
            "went back with the level it came from",
            between(lambda x, e, now, s: now.sqrt() * (x / now.sqrt() + (_sigma(s) - _sigma(now)) * e)),
            "After the step the picture is at level s: multiply by sqrt(alpha-bar_s).",
            EULER,
        ),
        Misconception(
            "took sqrt(1 - alpha-bar) for sigma-bar",
            between(lambda x, e, now, s: s.sqrt() * (x / now.sqrt() + ((1 - s).sqrt() - (1 - now).sqrt()) * e)),
            "sigma-bar is noise over signal: sqrt((1 - alpha-bar) / alpha-bar).",
            EULER,
        ),
        Misconception(
            "forgot the root in sigma-bar",
            between(lambda x, e, now, s: s.sqrt() * (x / now.sqrt() + ((1 - s) / s - (1 - now) / now) * e)),
            "sigma-bar is a standard deviation, the root of (1 - alpha-bar) / alpha-bar.",
            EULER,
        ),
    ),
    hints=(
        "Three moves: to x_bar, one step along eps_hat, back to x.",
        "x_bar = x_t / sqrt(alpha-bar_t); the step has length sigma_bar_s - sigma_bar_t.",
        "sqrt(alpha_bar[s]) · (x_t / sqrt(alpha_bar[t]) + (sigma_bar_s - sigma_bar_t) eps_hat).",
    ),
    explains="It is ddim.step, number by number.",
)


def step_up(x_s: Tensor, eps_hat: Tensor, s: int, t: int, alpha_bar: Tensor) -> Tensor:
    """One step of the inversion."""
    return euler_step(x_s, eps_hat, s, t, alpha_bar)


def _climbs(generator: torch.Generator) -> list[tuple]:
    return [(x_s, eps_hat, s, t, alpha_bar) for x_s, eps_hat, t, s, alpha_bar in walks(generator)]


STEP_UP = Exercise(
    name="ddim.invert",
    prompt="One step of inversion: x_t from x_s and the noise eps_hat that the network sees in x_s, for t > s >= 1.",
    reference=step_up,
    cases=_climbs,
    misconceptions=(
        Misconception(
            "noised the picture once more",
            between(lambda x, e, low, high: high.sqrt() * x + (1 - high).sqrt() * e),
            "That takes x_s for a clean picture. It has noise already; first estimate x_0 from it.",
            INVERSION,
        ),
        Misconception(
            "added the noise of one step",
            between(lambda x, e, low, high: (high / low).sqrt() * x + (1 - high / low).sqrt() * e),
            "That is the forward chain, for noise that is independent of the noise in x_s. eps_hat is that noise "
            "itself: standard deviations add up here, not variances.",
            INVERSION,
        ),
        Misconception(
            "stepped down",
            between(
                lambda x, e, low, high: low.sqrt() * (x - (1 - high).sqrt() * e) / high.sqrt() + (1 - low).sqrt() * e
            ),
            "x_s is at the cleaner level and x_t is wanted: exchange the two levels.",
            INVERSION,
        ),
        Misconception(
            "estimated x_0 with the level of the goal",
            between(lambda x, e, low, high: x),
            "With alpha-bar_t in both halves they undo each other, and x_s stays as it is. x_s is at level s, so that "
            "x_0_hat comes from alpha-bar_s.",
            INVERSION,
        ),
        Misconception(
            "forgot to dim the picture",
            between(lambda x, e, low, high: (x - (1 - low).sqrt() * e) / low.sqrt() + (1 - high).sqrt() * e),
            "At level t the picture is multiplied by sqrt(alpha-bar_t).",
            INVERSION,
        ),
    ),
    hints=(
        "It is the step down with the two levels exchanged.",
        "First x_0_hat from x_s and eps_hat, then up to level t with the same noise.",
        "sqrt(alpha_bar[t]) x_0_hat + sqrt(1 - alpha_bar[t]) eps_hat, with x_0_hat from level s.",
    ),
    explains="It is not exactly the way back: the step down asks for the noise in x_t, and this one for that in x_s.",
)
