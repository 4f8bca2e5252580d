"""The exercise about the cloud of all pictures together."""

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception

TOGETHER = "All codes together"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def aggregate(mu: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the mixture of all clouds: law of total variance."""
    mean = mu.mean(0)
    centred = mu - mean
    return mean, centred.T @ centred / len(mu) + logvar.exp().mean(0).diag()


def _total(parts):
    """A misconception about the covariance of the mixture: ``parts(centred mu, mu, logvar)`` in its place."""

    def function(mu: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
        return mu.mean(0), parts(mu - mu.mean(0), mu, logvar)

    return function


AGGREGATE = Exercise(
    name="vae.aggregate",
    prompt="Mean and covariance of the cloud of all codes: pick one of N pictures, then draw from its cloud.",
    reference=aggregate,
    cases=lambda g: [(_double(g, num, dim) + 1, _double(g, num, dim)) for num, dim in ((3, 2), (5, 3))],
    misconceptions=(
        Misconception(
            "forgot the width of the clouds",
            _total(lambda c, mu, logvar: c.T @ c / len(mu)),
            "That is the covariance of the centres. A draw also scatters around its own centre, and that adds.",
            TOGETHER,
        ),
        Misconception(
            "forgot that the centres differ",
            _total(lambda c, mu, logvar: logvar.exp().mean(0).diag()),
            "That is the mean width of a cloud. The clouds also stand in different places, and that adds.",
            TOGETHER,
        ),
        Misconception(
            "added standard deviations",
            _total(lambda c, mu, logvar: c.T @ c / len(mu) + (logvar / 2).exp().mean(0).diag()),
            "Variances of independent parts add up, standard deviations do not.",
            TOGETHER,
        ),
        Misconception(
            "averaged the log variances",
            _total(lambda c, mu, logvar: c.T @ c / len(mu) + logvar.mean(0).exp().diag()),
            "The mean has to be taken of the variances, after the exponential.",
            TOGETHER,
        ),
        Misconception(
            "divided by N - 1",
            _total(lambda c, mu, logvar: c.T @ c / (len(mu) - 1) + logvar.exp().mean(0).diag()),
            "Nothing is estimated here: the mixture has exactly these N clouds, each with weight 1/N.",
            TOGETHER,
        ),
        Misconception(
            "did not centre the means",
            _total(lambda c, mu, logvar: mu.T @ mu / len(mu) + logvar.exp().mean(0).diag()),
            "The spread is measured around the mean of all codes.",
            TOGETHER,
        ),
        Misconception(
            "forgot the width of the clouds, and divided by N - 1",
            _total(lambda c, mu, logvar: mu.T.cov()),
            "mu.T.cov() is the covariance of the centres. A draw also scatters around its own centre, and that adds: "
            "the mean of exp(logvar), on the diagonal. And cov divides by N - 1 unless told correction=0; these N "
            "clouds are all there are.",
            TOGETHER,
        ),
        Misconception(
            "added the log variances",
            _total(lambda c, mu, logvar: c.T @ c / len(mu) + logvar.mean(0).diag()),
            "logvar is the logarithm of a variance, and variances are what adds up: logvar.exp().",
            TOGETHER,
        ),
        Misconception(
            "added the variances to every row",
            _total(lambda c, mu, logvar: c.T @ c / len(mu) + logvar.exp().mean(0)),
            "Within a cloud the dimensions are independent, so the widths add to the variances only, on the diagonal. "
            "A row of D numbers is added to every row of the matrix: make it a matrix with torch.diag.",
            TOGETHER,
        ),
        Misconception(
            "gave variances for a covariance matrix",
            _total(lambda c, mu, logvar: c.square().mean(0) + logvar.exp().mean(0)),
            "These are the right variances, the diagonal of the matrix. The centres of different dimensions may vary "
            "together; that stands beside the diagonal.",
            TOGETHER,
        ),
        Misconception(
            "gave variances for a covariance matrix, and divided by N - 1",
            _total(lambda c, mu, logvar: mu.var(0) + logvar.exp().mean(0)),
            "The centres of different dimensions may vary together; a matrix tells that, a row of variances does not. "
            "And var divides by N - 1 unless told correction=0; these N clouds are all there are.",
            TOGETHER,
        ),
        Misconception(
            "kept the diagonal alone",
            _total(lambda c, mu, logvar: (c.square().mean(0) + logvar.exp().mean(0)).diag()),
            "Within a cloud the dimensions are independent, but the centres may vary together; without the other "
            "entries the mixture loses its tilt.",
            TOGETHER,
        ),
        Misconception(
            "did not divide",
            _total(lambda c, mu, logvar: c.T @ c + logvar.exp().mean(0).diag()),
            "A sum over pictures grows with their number. Each cloud has the weight 1/N.",
            TOGETHER,
        ),
        Misconception(
            "added up the widths",
            _total(lambda c, mu, logvar: c.T @ c / len(mu) + logvar.exp().sum(0).diag()),
            "One cloud is picked, not all at once: the mean of their variances, not the sum.",
            TOGETHER,
        ),
        Misconception(
            "took the covariance of the pictures",
            _total(lambda c, mu, logvar: mu.cov() + logvar.exp().mean(0).diag()),
            "cov takes rows for the dimensions and columns for the draws, and mu has it the other way round: mu.T.",
            TOGETHER,
        ),
        Misconception(
            "gave the prior",
            lambda mu, logvar: (torch.zeros(mu.shape[1]), torch.eye(mu.shape[1])),
            "That is what the mixture would be if all clouds together filled the prior. What it is in truth comes from "
            "mu and logvar.",
            TOGETHER,
        ),
    ),
    hints=(
        "Two things make codes differ: which picture was picked, and the noise around its centre.",
        "The law of total variance: covariance of the centres plus the mean of the variances.",
        "With centred = mu - mean: entry (i, j) of the first part is the mean over the pictures of the product of "
        "columns i and j, all of them at once a matrix product over N. The second part stands on the diagonal only.",
    ),
    explains="Where this is near (0, I), random codes fall among trained ones, as far as two moments can tell.",
)
