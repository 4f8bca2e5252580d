"""Learning-rate schedules: pure functions of the step, each returning a factor that multiplies the learning rate."""

import math


def warm_up(step: int, num_steps: int, warmup: float) -> float:
    """A line from 0 to 1 over the first ``warmup`` share of the steps, then 1.

    Raises:
        ValueError: if ``step`` is outside 1..num_steps or ``warmup`` outside [0, 1).
    """
    if not 1 <= step <= num_steps:
        raise ValueError(f"step must lie in 1..num_steps = 1..{num_steps}, got {step}")
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup is a share of the steps in [0, 1), got {warmup}")
    return min(1.0, step / (warmup * num_steps)) if warmup else 1.0


def constant(step: int, num_steps: int, warmup: float = 0.05) -> float:
    """Warm-up, then 1.

    Args:
        step: the update this factor is for, 1..num_steps.
        warmup: share of the steps over which the factor rises from 0; 0 is none.
    """
    return warm_up(step, num_steps, warmup)


def cosine(step: int, num_steps: int, warmup: float = 0.05) -> float:
    """Warm-up, then half a cosine wave from 1 down to almost 0; the last update still moves.

    Args:
        step: the update this factor is for, 1..num_steps.
        warmup: share of the steps over which the factor rises from 0; 0 is none.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, without restarts.
    """
    rise = warm_up(step, num_steps, warmup)
    start = warmup * num_steps
    progress = max(0.0, step - 1 - start) / (num_steps - start)
    return rise * 0.5 * (1 + math.cos(math.pi * progress))
