"""Inputs that the exercises share: short random schedules, small pictures, and the headings of the chapter."""

import torch
from torch import Tensor

from lib.ddpm import schedules

FORWARD = "The forward process"
JUMP = "One jump instead of t steps"
POSTERIOR = "The step back, if we knew the picture"
ESTIMATE = "Four names for one estimate"
LOSS = "From the bound to the simple loss"
SAMPLING = "Sampling, step by step"
NETWORK = "The network"


def double(generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def random_betas(generator: torch.Generator, num_steps: int) -> Tensor:
    """Noise variances between 0.05 and 0.45: large enough that every slip shows."""
    return 0.05 + 0.4 * torch.rand(num_steps, generator=generator, dtype=torch.float64)


def random_alpha_bar(generator: torch.Generator, num_steps: int) -> Tensor:
    """A short schedule with such betas."""
    return schedules.from_betas(random_betas(generator, num_steps))


def column(values: Tensor, like: Tensor) -> Tensor:
    """One value for each row, with as many axes as ``like``."""
    return values.reshape(-1, *[1] * (like.ndim - 1))
