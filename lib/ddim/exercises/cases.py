"""Inputs that the exercises share, and the headings of the chapter."""

from collections.abc import Callable

import torch
from torch import Tensor

from lib.ddpm.exercises.cases import double, random_alpha_bar

FAMILY = "A family with the same marginals"
SHARE = "How much fresh noise"
LEVELS = "Which levels to visit"
EULER = "The sampler is Euler's method"
INVERSION = "From pictures to noise and back"
INTERPOLATION = "Between two noises"

PAIRS = ((4, 2), (5, 1), (3, 2))
"""Levels t and s of a chain of five steps."""


def pair(generator: torch.Generator, num: int) -> tuple[Tensor, Tensor]:
    """Two batches of points."""
    return double(generator, num, 2), double(generator, num, 2)


def schedule(generator: torch.Generator) -> Tensor:
    """A chain of five large steps, so that every slip shows."""
    return random_alpha_bar(generator, 5)


def walks(generator: torch.Generator) -> list[tuple]:
    """Points, noise, the level they are at, the level they go to, and the schedule."""
    return [(*pair(generator, num), t, s, schedule(generator)) for num, (t, s) in enumerate(PAIRS, start=1)]


def between(combine: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """A misconception about a step: ``combine(x, e, now, then)`` with alpha-bar at the level left and at the goal."""
    return lambda x, e, now, then, alpha_bar: combine(x, e, alpha_bar[now], alpha_bar[then])
