"""The schedules of the schedule laboratory, as the browser computes them, and the ranges of its sliders.

`lib.ddpm.schedules` explains each of them; the tests hold the two and the browser's version equal. They stand here once
more because the widgets lie below the chapters.
"""

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

KINDS = ("linear", "cosine", "sigmoid", "drawn")
PARAMETERS = {
    "beta_start": (1e-4, 1e-5, 0.02),
    "beta_end": (0.02, 1e-3, 0.1),
    "s": (0.008, 0.0, 0.2),
    "start": (-3.0, -6.0, -0.1),
    "end": (3.0, 0.1, 6.0),
    "tau": (1.0, 0.3, 3.0),
}
"""Usual value, lowest and highest of every parameter; the first two belong to "linear", s to "cosine", the rest to
"sigmoid"."""
STEPS = (10, 1000)
DRAWN_POINTS = (6, 12)
DRAWN_LOW, DRAWN_GAP = 5e-4, 2e-3  # lowest alpha_bar that can be drawn; how far neighbours stay apart
MAX_BETA = 0.999


def check_parameters(name: str, values: Mapping) -> dict[str, float]:
    """The parameters as floats.

    Raises:
        ValueError: if there is no parameter of a name, or a value is no number in its range.
    """
    checked = {}
    for key, value in dict(values).items():
        if key not in PARAMETERS:
            raise ValueError(f"{name} has no parameter {key!r}; there are {', '.join(PARAMETERS)}")
        _, low, high = PARAMETERS[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"{name}[{key!r}] must be a number in [{low:g}, {high:g}], got {value!r}")
        checked[key] = float(value)
    return checked


def check_drawn(name: str, values) -> list[float]:
    """The drawn values of alpha_bar as floats.

    Raises:
        ValueError: if there are too few or too many, or they do not fall from below 1 to above 0.
    """
    values, (fewest, most) = [float(v) for v in values], DRAWN_POINTS
    if not fewest <= len(values) <= most:
        raise ValueError(f"{name} must be {fewest} to {most} values of alpha_bar, got {len(values)}")
    falling = all(before - after >= 0.5 * DRAWN_GAP for before, after in zip([1.0, *values], values, strict=False))
    if not falling or not values[-1] >= DRAWN_LOW:
        raise ValueError(
            f"{name} must fall from below 1 to at least {DRAWN_LOW:g}, each value {0.5 * DRAWN_GAP:g} or more below "
            f"the one before, got {values}"
        )
    return values


def alpha_bar(
    kind: str, num_steps: int, parameters: Mapping[str, float], drawn: list[float]
) -> Float[Tensor, " levels"]:
    """The T + 1 values of one schedule, float64."""
    p = {name: usual for name, (usual, _, _) in PARAMETERS.items()} | dict(parameters)
    if kind == "linear":
        rise = torch.linspace(p["beta_start"], p["beta_end"], num_steps, dtype=torch.float64)
        return torch.cat([torch.ones(1, dtype=torch.float64), (1 - rise).cumprod(0)])
    if kind == "drawn":
        return _through([1.0, *drawn], num_steps)
    if kind == "cosine":
        return _sampled(lambda u: math.cos((u + p["s"]) / (1 + p["s"]) * math.pi / 2) ** 2, num_steps)
    high, low = _logistic(-p["start"] / p["tau"]), _logistic(-p["end"] / p["tau"])
    place = lambda u: -(p["start"] + u * (p["end"] - p["start"])) / p["tau"]  # noqa: E731
    return _sampled(lambda u: (_logistic(place(u)) - low) / (high - low), num_steps)


def _through(values: list[float], num_steps: int) -> Float[Tensor, " levels"]:
    """Straight lines through values at evenly spaced times."""
    known, last = torch.tensor(values, dtype=torch.float64), len(values) - 1
    place = torch.linspace(0, last, num_steps + 1, dtype=torch.float64)
    left = place.long().clamp(max=last - 1)
    return known[left] + (place - left) * (known[left + 1] - known[left])


def _sampled(function: Callable[[float], float], num_steps: int) -> Float[Tensor, " levels"]:
    values, made = [function(t / num_steps) for t in range(num_steps + 1)], [1.0]
    for before, now in zip(values, values[1:], strict=False):
        made.append(made[-1] * (1 - min(1 - now / before, MAX_BETA)))
    return torch.tensor(made, dtype=torch.float64)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))
