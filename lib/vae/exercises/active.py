"""The exercise about code dimensions that are used."""

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception

COLLAPSE = "When the code says nothing"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def active_units(mu: Tensor, threshold: float) -> int:
    """How many code dimensions have a mean whose variance over the pictures exceeds the threshold."""
    return int((mu.var(dim=0) > threshold).sum())


DIMENSIONS = {
    "alive": (1.0, 0.0),
    "alive off centre": (0.5, -0.7),
    "narrow": (0.05, 0.0),
    "narrow off centre": (0.05, 0.6),
    "dead": (0.002, 0.0),
    "dead off centre": (0.002, 0.6),
    "dead below zero": (0.002, -0.7),
    "dead near zero": (0.002, 0.05),
}
"""Spread and mean of the code dimensions in the cases: each wrong idea counts other ones of them."""


def _means(generator: torch.Generator) -> list[tuple]:
    """So many dimensions of each kind, in the order of `DIMENSIONS`, and a threshold for the variance."""
    cases = []
    for numbers, threshold in (
        ((1, 0, 0, 0, 1, 1, 0, 0), 0.01),
        ((2, 1, 3, 1, 2, 1, 2, 1), 0.01),
        ((1, 2, 1, 2, 1, 2, 1, 3), 0.001),
        ((2, 3, 2, 1, 3, 1, 2, 1), 0.3),
    ):
        table = torch.tensor(list(DIMENSIONS.values()), dtype=torch.float64)
        spread, mean = table.repeat_interleave(torch.tensor(numbers), dim=0).T
        raw = _double(generator, 40, len(spread))
        cases.append(((raw - raw.mean(0)) / raw.std(0) * spread + mean, threshold))
    return cases


ACTIVE_UNITS = Exercise(
    name="vae.active_units",
    prompt="How many code dimensions carry something: the variance of their mean over pictures exceeds threshold.",
    reference=active_units,
    cases=_means,
    misconceptions=(
        Misconception(
            "compared the spread with the threshold",
            lambda mu, threshold: int((mu.std(dim=0) > threshold).sum()),
            "The threshold is one for the variance; the standard deviation is its root, and much larger where both are "
            "small.",
            COLLAPSE,
        ),
        Misconception(
            "did not subtract the mean",
            lambda mu, threshold: int((mu.square().mean(dim=0) > threshold).sum()),
            "A dimension that answers 0.6 to every picture says nothing about any. Only what varies counts.",
            COLLAPSE,
        ),
        Misconception(
            "counted the dead ones",
            lambda mu, threshold: int((mu.var(dim=0) <= threshold).sum()),
            "Active are those above the threshold.",
            COLLAPSE,
        ),
        Misconception(
            "took the variance within each picture",
            lambda mu, threshold: int((mu.var(dim=1) > threshold).sum()),
            "Rows are pictures. A dimension is a column, and the question is how it varies from picture to picture.",
            COLLAPSE,
        ),
        Misconception(
            "counted every dimension",
            lambda mu, threshold: mu.shape[1],
            "That is the length of the code. How much of it is used is another question.",
            COLLAPSE,
        ),
        Misconception(
            "compared the size of the means",
            lambda mu, threshold: int((mu.abs().mean(dim=0) > threshold).sum()),
            "The size of mu is its distance from zero. A dimension that answers 0.6 to every picture is far from zero "
            "and says nothing about any; only what varies from picture to picture counts.",
            COLLAPSE,
        ),
        Misconception(
            "compared the mean over the pictures",
            lambda mu, threshold: int((mu.mean(dim=0) > threshold).sum()),
            "The mean over the pictures says where a dimension stands. Whether it tells pictures apart is said by its "
            "variance.",
            COLLAPSE,
        ),
        Misconception(
            "compared the mean over the pictures, whatever its sign",
            lambda mu, threshold: int((mu.mean(dim=0).abs() > threshold).sum()),
            "The mean over the pictures says where a dimension stands. Whether it tells pictures apart is said by its "
            "variance.",
            COLLAPSE,
        ),
        Misconception(
            "counted the numbers above the threshold",
            lambda mu, threshold: int((mu > threshold).sum()),
            "That counts entries of the table, picture by picture. First one number per dimension, its variance over "
            "the pictures, dim=0; then the comparison and the count.",
            COLLAPSE,
        ),
        Misconception(
            "counted the numbers far from zero",
            lambda mu, threshold: int((mu.abs() > threshold).sum()),
            "That counts entries of the table, picture by picture. First one number per dimension, its variance over "
            "the pictures, dim=0; then the comparison and the count.",
            COLLAPSE,
        ),
        Misconception(
            "took one variance of everything",
            lambda mu, threshold: int((mu.var() > threshold).sum()),
            "Without dim the whole table has a single variance. Each dimension, a column, has one: dim=0.",
            COLLAPSE,
        ),
        Misconception(
            "did not count",
            lambda mu, threshold: mu.var(dim=0) > threshold,
            "That says of each dimension whether it is active, correctly. How many are True? Their sum.",
            COLLAPSE,
        ),
        Misconception(
            "gave the share",
            lambda mu, threshold: (mu.var(dim=0) > threshold).double().mean(),
            "The mean of the answers is the active share of the code. The number was asked for.",
            COLLAPSE,
        ),
        Misconception(
            "added up the variances",
            lambda mu, threshold: (mu.var(dim=0) * (mu.var(dim=0) > threshold)).sum(),
            "Each active dimension counts as one, however large its variance is.",
            COLLAPSE,
        ),
        Misconception(
            "used 0.01 whatever was asked",
            lambda mu, threshold: int((mu.var(dim=0) > 0.01).sum()),
            "0.01 is the usual threshold; here it is an argument.",
            COLLAPSE,
        ),
    ),
    hints=(
        "One number per column, then a comparison, then a count.",
        "mu.var(dim=0) is the variance of each code dimension over the pictures.",
        "Compare these variances with the threshold: the result is True or False for each dimension. What is the sum "
        "of such a row?",
    ),
    explains="Burda and others proposed the count in 2016; dimensions are usually either far above 0.01 or far below.",
)
