"""Exercises about clouds of codes: describing one by a Gaussian, and drawing from it."""

import torch
from torch import Tensor

from lib.ae.codes import fit_gaussian
from lib.exercises import Exercise, Misconception

GENERATOR = "Is the decoder a generator"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _scaled(scale):
    """A misconception about the covariance: ``scale(mean, cov, num)`` in its place."""

    def function(codes: Tensor) -> tuple[Tensor, Tensor]:
        mean, cov = fit_gaussian(codes)
        return mean, scale(mean, cov, len(codes))

    return function


FIT_GAUSSIAN = Exercise(
    name="ae.fit_gaussian",
    prompt="Mean and unbiased covariance matrix of a cloud of codes.",
    reference=fit_gaussian,
    cases=lambda g: [(_double(g, 3, 2) + 1,), (_double(g, 8, 3) @ _double(g, 3, 3) - 2,)],
    misconceptions=(
        Misconception(
            "divided by N",
            _scaled(lambda mean, cov, num: cov * (num - 1) / num),
            "The mean was fitted to the same codes, which makes them look closer together than they are; N - 1 "
            "makes up for it.",
            GENERATOR,
        ),
        Misconception(
            "kept the diagonal alone",
            _scaled(lambda mean, cov, num: cov.diag().diag()),
            "Code dimensions of an autoencoder are correlated; without the other entries the cloud loses its tilt.",
            GENERATOR,
        ),
        Misconception(
            "gave standard deviations",
            _scaled(lambda mean, cov, num: cov.diag().sqrt().diag()),
            "A covariance matrix holds variances on its diagonal, in squared units, and covariances elsewhere.",
            GENERATOR,
        ),
        Misconception(
            "gave correlations",
            _scaled(lambda mean, cov, num: cov / (cov.diag()[:, None] * cov.diag()).sqrt()),
            "Divided by the standard deviations, every variance has become 1 and the size of the cloud is lost.",
            GENERATOR,
        ),
        Misconception(
            "did not centre the codes",
            _scaled(lambda mean, cov, num: cov + mean[:, None] * mean * num / (num - 1)),
            "The spread is measured around the mean; without subtracting it, the distance of the cloud from zero "
            "counts too.",
            GENERATOR,
        ),
    ),
    hints=(
        "Two answers in a tuple: a vector with one number per dimension, and a square matrix.",
        "Subtract the mean; entry (i, j) is then the average of column i times column j.",
        "centred.T @ centred / (len(codes) - 1).",
    ),
    explains="A code of dimension D needs D + D(D + 1)/2 numbers: 2,144 for D = 64.",
)


def gaussian_draw(mean: Tensor, cov: Tensor, eps: Tensor) -> Tensor:
    """White noise to draws from N(mean, cov), by the Cholesky factor."""
    return mean + eps @ torch.linalg.cholesky(cov).T


def _gaussians(generator: torch.Generator) -> list[tuple]:
    cases = []
    for num, dim in ((2, 2), (4, 3)):
        root = _double(generator, dim, dim)
        cov = root @ root.T + 0.5 * torch.eye(dim, dtype=torch.float64)
        cases.append((_double(generator, dim), cov, _double(generator, num, dim)))
    return cases


GAUSSIAN_DRAW = Exercise(
    name="ae.gaussian_draw",
    prompt="Turn rows of white noise eps into draws from N(mean, cov) with the Cholesky factor L, cov = L @ L.T.",
    reference=gaussian_draw,
    cases=_gaussians,
    misconceptions=(
        Misconception(
            "multiplied by L from the wrong side",
            lambda mean, cov, eps: mean + eps @ torch.linalg.cholesky(cov),
            "A column z = L eps, written as a row, is eps @ L.T. Without the transpose the covariance is L.T @ L.",
            GENERATOR,
        ),
        Misconception(
            "multiplied by the covariance",
            lambda mean, cov, eps: mean + eps @ cov,
            "A covariance is in squared units: noise times cov has covariance cov @ cov.",
            GENERATOR,
        ),
        Misconception(
            "used the standard deviations alone",
            lambda mean, cov, eps: mean + eps * cov.diag().sqrt(),
            "Each dimension has the right spread, but they no longer move together.",
            GENERATOR,
        ),
        Misconception(
            "forgot the mean",
            lambda mean, cov, eps: eps @ torch.linalg.cholesky(cov).T,
            "The draws have the right spread around zero, and the cloud lies around its mean.",
            GENERATOR,
        ),
    ),
    hints=(
        "In one dimension the answer is mean + sigma * eps. What plays the part of sigma here?",
        "torch.linalg.cholesky(cov) is a square root: L @ L.T is cov again.",
        "Each row is mean + L @ eps_row; for all rows at once that is mean + eps @ L.T.",
    ),
    explains="The covariance of L eps is L I L.T, which is cov: that is the whole proof.",
)


def kernel_draw(codes: Tensor, index: Tensor, bandwidth: float, eps: Tensor) -> Tensor:
    """The chosen codes plus noise of ``bandwidth`` standard deviations of each dimension."""
    return codes[index] + bandwidth * codes.std(dim=0) * eps


KERNEL_DRAW = Exercise(
    name="ae.kernel_draw",
    prompt="The codes that index chooses, plus bandwidth * eps in units of each dimension's standard deviation.",
    reference=kernel_draw,
    cases=lambda g: [
        (_double(g, num, dim), torch.randint(num, (draws,), generator=g), 0.3, _double(g, draws, dim))
        for num, dim, draws in ((4, 2, 3), (6, 3, 5))
    ],
    misconceptions=(
        Misconception(
            "gave every dimension the same noise",
            lambda codes, index, bandwidth, eps: codes[index] + bandwidth * eps,
            "Some dimensions of a code spread far and others hardly; the noise must be measured in their own spread.",
            GENERATOR,
        ),
        Misconception(
            "took the variance for the spread",
            lambda codes, index, bandwidth, eps: codes[index] + bandwidth * codes.var(dim=0) * eps,
            "The standard deviation has the units of a code; the variance has them squared.",
            GENERATOR,
        ),
        Misconception(
            "measured the spread of the chosen codes",
            lambda codes, index, bandwidth, eps: codes[index] + bandwidth * codes[index].std(dim=0) * eps,
            "The unit is the spread of the whole cloud, which does not depend on which codes were drawn.",
            GENERATOR,
        ),
        Misconception(
            "drew around the mean",
            lambda codes, index, bandwidth, eps: codes.mean(dim=0) + bandwidth * codes.std(dim=0) * eps,
            "Each draw starts from a code of its own; around the mean it would be one small Gaussian again.",
            GENERATOR,
        ),
        Misconception(
            "took one spread for all dimensions",
            lambda codes, index, bandwidth, eps: codes[index] + bandwidth * codes.std() * eps,
            "codes.std() mixes all dimensions into one number; dim=0 keeps them apart.",
            GENERATOR,
        ),
    ),
    hints=(
        "Indexing with a tensor of integers picks rows: codes[index] has one row per draw.",
        "The unit of the noise is codes.std(dim=0), one number per dimension.",
        "codes[index] + bandwidth * unit * eps, where unit is that row of standard deviations.",
    ),
    explains="At bandwidth 0 this is a lottery among the training codes, and nothing new can come out.",
)
