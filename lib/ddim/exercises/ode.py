"""Exercises about the differential equation: the slope of the path, and the way up."""

import torch
from torch import Tensor

from lib.ddim.exercises.cases import EULER, INVERSION, between, walks
from lib.ddim.ode import euler_step, sigma_bar
from lib.ddim.sampling import ddim_step
from lib.exercises import Exercise, Misconception


def _meets_the_axis(x: Tensor, y: Tensor, sigma_x: Tensor, sigma_y: Tensor) -> Tensor:
    """Height at 0 of the straight line through (sigma_x, x) and (sigma_y, y)."""
    return x - sigma_x * (y - x) / (sigma_y - sigma_x)


def slope(x_t: Tensor, x_s: Tensor, t: int, s: int, alpha_bar: Tensor) -> Tensor:
    """The answer of the network between two states of a walk without noise."""
    return (x_s / alpha_bar[s].sqrt() - x_t / alpha_bar[t].sqrt()) / (sigma_bar(alpha_bar[s]) - sigma_bar(alpha_bar[t]))


def _descents(generator: torch.Generator) -> list[tuple]:
    return [(x_t, ddim_step(x_t, e, t, s, bar), t, s, bar) for x_t, e, t, s, bar in walks(generator)]


SLOPE = Exercise(
    name="ddim.slope",
    prompt="eps_hat, the answer of the network at (x_t, t), from x_t and the x_s that one step of DDIM led to, s >= 1.",
    reference=slope,
    cases=_descents,
    misconceptions=(
        Misconception(
            "turned the difference round",
            between(lambda x, y, now, s: (x / now.sqrt() - y / s.sqrt()) / (sigma_bar(s) - sigma_bar(now))),
            "New minus old above, so new minus old below: sigma-bar_s is the smaller one, and noise is taken away.",
            EULER,
        ),
        Misconception(
            "did not change to x_bar",
            between(lambda x, y, now, s: (y - x) / (sigma_bar(s) - sigma_bar(now))),
            "The straight line is one in x_bar = x / sqrt(alpha-bar), whose clean part does not shrink.",
            EULER,
        ),
        Misconception(
            "took sqrt(1 - alpha-bar) for sigma-bar",
            between(lambda x, y, now, s: (y / s.sqrt() - x / now.sqrt()) / ((1 - s).sqrt() - (1 - now).sqrt())),
            "sigma-bar is noise over signal: sqrt((1 - alpha-bar) / alpha-bar).",
            EULER,
        ),
        Misconception(
            "forgot the root in sigma-bar",
            between(lambda x, y, now, s: (y / s.sqrt() - x / now.sqrt()) / ((1 - s) / s - (1 - now) / now)),
            "sigma-bar is a standard deviation, the root of (1 - alpha-bar) / alpha-bar.",
            EULER,
        ),
        Misconception(
            "took x_s for the clean picture",
            between(lambda x, y, now, s: (x - now.sqrt() * y) / (1 - now).sqrt()),
            "x_s has noise in it too, at the strength of its own level.",
            EULER,
        ),
        Misconception(
            "answered with the picture",
            between(lambda x, y, now, s: _meets_the_axis(x / now.sqrt(), y / s.sqrt(), sigma_bar(now), sigma_bar(s))),
            "That is where the line meets sigma-bar = 0, the estimate of x_0. The noise is its slope.",
            EULER,
        ),
    ),
    hints=(
        "x_t and x_s share one estimate of the picture and one noise: two equations with two unknowns.",
        "In x_bar over sigma_bar the step is a straight line, and you know two of its points.",
        "A slope is the difference of the heights over the difference of the places, both taken in the same order.",
    ),
    explains="If the next answer is the same, the next step goes on along the same line: one long step ends there too.",
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
        "The first half takes alpha_bar[s], the second alpha_bar[t], and both take the same eps_hat.",
    ),
    explains="It is not exactly the way back: the step down asks for the noise in x_t, and this one for that in x_s.",
)
