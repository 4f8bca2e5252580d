"""Exercises about clouds of codes: describing one by a Gaussian, and drawing from it."""

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception

GENERATOR = "Is the decoder a generator"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def describe(chunks: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and unbiased covariance of codes that come in pieces, from sums that can be added up."""
    num = sum(len(chunk) for chunk in chunks)
    mean = sum(chunk.sum(0) for chunk in chunks) / num
    return mean, sum((chunk - mean).T @ (chunk - mean) for chunk in chunks) / (num - 1)


def _with_cov(change):
    """A misconception about the covariance: ``change(mean, cov, codes)`` in its place."""

    def function(chunks: list[Tensor]) -> tuple[Tensor, Tensor]:
        mean, cov = describe(chunks)
        return mean, change(mean, cov, torch.cat(chunks))

    return function


def _mean_of_means(chunks: list[Tensor]) -> tuple[Tensor, Tensor]:
    mean = torch.stack([chunk.mean(0) for chunk in chunks]).mean(0)
    centred = torch.cat(chunks) - mean
    return mean, centred.T @ centred / (len(centred) - 1)


FIT_GAUSSIAN = Exercise(
    name="ae.fit_gaussian",
    prompt="Mean and unbiased covariance matrix of a cloud of codes that comes in chunks of different length.",
    reference=describe,
    cases=lambda g: [
        ([_double(g, 3, 2) + 1, _double(g, 2, 2)],),
        ([_double(g, num, 3) @ _double(g, 3, 3) - 2 for num in (5, 2, 4)],),
    ],
    misconceptions=(
        Misconception(
            "averaged the means of the chunks",
            _mean_of_means,
            "A chunk of two codes would count as much as a chunk of five. Add up the codes of all chunks, then "
            "divide by how many there are.",
            GENERATOR,
        ),
        Misconception(
            "averaged the covariances of the chunks",
            lambda chunks: (describe(chunks)[0], torch.stack([chunk.T.cov() for chunk in chunks]).mean(0)),
            "Each chunk was measured around its own mean, so the distance between the chunks is lost. Measure all of "
            "them around the common mean.",
            GENERATOR,
        ),
        Misconception(
            "divided by N",
            _with_cov(lambda mean, cov, codes: cov * (len(codes) - 1) / len(codes)),
            "The mean was fitted to the same codes, which makes them look closer together than they are; N - 1 "
            "makes up for it. (PCA in this chapter divides by N: there the loss is a mean, and nothing is estimated.)",
            GENERATOR,
        ),
        Misconception(
            "did not divide",
            _with_cov(lambda mean, cov, codes: cov * (len(codes) - 1)),
            "A sum over codes grows with their number; the covariance is a mean of products, over N - 1.",
            GENERATOR,
        ),
        Misconception(
            "kept the diagonal alone",
            _with_cov(lambda mean, cov, codes: cov.diag().diag()),
            "Code dimensions of an autoencoder are correlated; without the other entries the cloud loses its tilt.",
            GENERATOR,
        ),
        Misconception(
            "did not centre the codes",
            _with_cov(lambda mean, cov, codes: codes.T @ codes / (len(codes) - 1)),
            "The spread is measured around the mean; without subtracting it, the distance of the cloud from zero "
            "counts too.",
            GENERATOR,
        ),
        Misconception(
            "took the mean off once for all codes",
            _with_cov(lambda mean, cov, codes: (codes.T @ codes - torch.outer(mean, mean)) / (len(codes) - 1)),
            "Multiplied out, the sum of (z - m)(z - m).T is the sum of z z.T minus N times m m.T: the N is missing.",
            GENERATOR,
        ),
    ),
    hints=(
        "Which sums over all codes do you need? A sum over all codes is a sum of sums over chunks.",
        "Go through the chunks twice. The first time, add up chunk.sum(0) and len(chunk), which gives the mean. "
        "What do you add up the second time, now that the mean is known?",
        "The second time, for each chunk: centred = chunk - mean, a matrix of shape (n, D). The product of its "
        "columns i and j, summed over the rows, belongs to entry (i, j). Divide the total by N - 1.",
    ),
    explains="A code of dimension D needs D + D(D + 1)/2 numbers, 2,144 for D = 64, and no more memory than a chunk.",
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
            "forgot the transpose",
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
            "multiplied by L from the left",
            lambda mean, cov, eps: mean + torch.linalg.cholesky(cov) @ eps,
            "L @ eps is right for a single column. Here each draw is a row of eps, so L has to act on rows: it stands "
            "on the right, transposed.",
            GENERATOR,
        ),
        Misconception(
            "used the variances for the spread",
            lambda mean, cov, eps: mean + eps * cov.diag(),
            "The diagonal of a covariance holds variances, in squared units; and the dimensions must move together.",
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
        "torch.linalg.cholesky(cov) plays it: L @ L.T is cov, as sigma * sigma is the variance. For one draw, with eps "
        "and z as columns, z = mean + L @ eps. Now write this for a row: (L @ eps).T is what?",
        "(L @ eps).T = eps.T @ L.T: for rows, L.T stands on the right. The mean is added to every row.",
    ),
    explains="The covariance of L eps is L I L.T, which is cov: that is the whole proof.",
)
