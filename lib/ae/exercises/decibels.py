"""The exercise about decibels."""

import math

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception

DECIBELS = "How close is close"


def decibels(x_hat: Tensor, x: Tensor, low: float, high: float) -> Tensor:
    """PSNR of every picture, for values in [low, high]."""
    return 10 * torch.log10((high - low) ** 2 / (x_hat - x).square().flatten(1).mean(1))


def _psnr_with(peak=lambda low, high: (high - low) ** 2, factor: float = 10.0, base: float = 10.0):
    """A PSNR with another square of the largest error, another factor or another logarithm."""

    def function(x_hat: Tensor, x: Tensor, low: float, high: float) -> Tensor:
        error = (x_hat - x).square().flatten(1).mean(1)
        return factor * torch.log(peak(low, high) / error) / math.log(base)

    return function


def _pictures(generator: torch.Generator) -> list[tuple]:
    cases = []
    for shape, low, high in (((2, 1, 1, 2), -1.0, 1.0), ((3, 3, 4, 4), 0.0, 255.0), ((2, 3, 4, 4), -0.5, 0.5)):
        x_hat, x = (torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(2))
        cases.append((low + (high - low) * x_hat, low + (high - low) * x, low, high))
    return cases


PSNR = Exercise(
    name="ae.psnr",
    prompt="The peak signal-to-noise ratio of every picture of a batch, in decibels, for values in [low, high].",
    reference=decibels,
    cases=_pictures,
    misconceptions=(
        Misconception(
            "took the largest value for the largest error",
            _psnr_with(peak=lambda low, high: high**2),
            "The largest possible error is the distance from one end of the range to the other, high - low.",
            DECIBELS,
        ),
        Misconception(
            "kept the 2 of the range [-1, 1]",
            _psnr_with(peak=lambda low, high: 4.0),
            "These pictures may be stored in another range; the largest possible error is high - low.",
            DECIBELS,
        ),
        Misconception(
            "did not square the range",
            _psnr_with(peak=lambda low, high: high - low),
            "The error is a mean of squares, so the largest error must be squared as well, or the units do not match.",
            DECIBELS,
        ),
        Misconception(
            "summed the squares",
            lambda x_hat, x, low, high: 10 * torch.log10((high - low) ** 2 / (x_hat - x).square().flatten(1).sum(1)),
            "With a sum, a larger picture of the same quality would get a lower number. PSNR takes the mean.",
            DECIBELS,
        ),
        Misconception(
            "took the natural logarithm",
            _psnr_with(base=math.e),
            "Decibels count powers of ten: torch.log is the natural logarithm, torch.log10 the one that is wanted.",
            DECIBELS,
        ),
        Misconception(
            "took 20 for 10",
            _psnr_with(factor=20.0),
            "20 log10 goes with a ratio of amplitudes; the mean squared error is a power already, so the factor is 10.",
            DECIBELS,
        ),
        Misconception(
            "turned the ratio over",
            _psnr_with(factor=-10.0),
            "Signal over noise, peak over error: better pictures have larger numbers.",
            DECIBELS,
        ),
        Misconception(
            "averaged over the batch first",
            lambda x_hat, x, low, high: 10 * torch.log10((high - low) ** 2 / (x_hat - x).square().mean()),
            "The mean error of all pictures gives one number in which the worst picture dominates; one number per "
            "picture was asked for.",
            DECIBELS,
        ),
    ),
    hints=(
        "In the formula of the chapter, which number comes from the range [-1, 1]?",
        "It is the 2: the largest possible error, from one end of the range to the other. Write that with low and "
        "high. The error is one mean of squares for each picture; check that it has the shape (B,).",
        "Ten times the log10 of a ratio: the square of the largest possible error, over the mean squared error.",
    ),
    explains="The same picture stored in [-1, 1] or in 0..255 has the same decibels: the unit cancels.",
)
