"""Exercises about clouds: which code dimensions live, the cloud of all pictures, and a condition beside the picture."""

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception

COLLAPSE = "When the code says nothing"
TOGETHER = "All codes together"
CONDITION = "Ask for what you want"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def active_units(mu: Tensor, threshold: float) -> int:
    """How many code dimensions have a mean whose variance over the pictures exceeds the threshold."""
    return int((mu.var(dim=0) > threshold).sum())


def _means(generator: torch.Generator) -> list[tuple]:
    """Dimensions of known variance, among them some whose spread and variance lie on both sides of the threshold."""
    cases = []
    for spreads in ((1.0, 0.001), (1.0, 0.05, 0.001, 0.04, 0.5), (0.05, 0.002, 0.05, 0.7, 0.9, 0.8, 0.003)):
        raw = _double(generator, 40, len(spreads))
        raw = (raw - raw.mean(0)) / raw.std(0)
        shift = torch.tensor([0.0, 0.6, -0.7, 0.5, 0.0, 0.8, 0.9], dtype=torch.float64)[: len(spreads)]
        cases.append((raw * torch.tensor(spreads, dtype=torch.float64) + shift, 0.01))
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
    ),
    hints=(
        "One number per column, then a comparison, then a count.",
        "mu.var(dim=0) is the variance of each code dimension over the pictures.",
        "(mu.var(dim=0) > threshold).sum() counts; make it an int.",
    ),
    explains="Burda and others proposed the count in 2016; dimensions are usually either far above 0.01 or far below.",
)


def paint(x: Tensor, condition: Tensor) -> Tensor:
    """The condition as constant channels behind those of the picture."""
    return torch.cat([x, condition[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1)


PAINT = Exercise(
    name="vae.paint",
    prompt="Show a condition (B, K) to a convolution: K constant channels behind the channels of the pictures x.",
    reference=paint,
    cases=lambda g: [
        (_double(g, num, channels, size, size), _double(g, num, wide))
        for num, channels, size, wide in ((2, 1, 1, 2), (3, 3, 4, 5), (4, 3, 4, 4))
    ],
    misconceptions=(
        Misconception(
            "put the condition first",
            lambda x, condition: torch.cat([condition[:, :, None, None].expand(-1, -1, *x.shape[2:]), x], dim=1),
            "It would work as well, if encoder and trained weights agreed on it. The picture comes first here.",
            CONDITION,
        ),
        Misconception(
            "added the condition to the picture",
            lambda x, condition: x + condition.mean(1)[:, None, None, None],
            "Added to the pixels, a condition cannot be told from a brighter picture. It needs channels of its own.",
            CONDITION,
        ),
        Misconception(
            "painted one pixel only",
            lambda x, condition: torch.cat(
                [x, torch.nn.functional.pad(condition[:, :, None, None], (0, x.shape[3] - 1, 0, x.shape[2] - 1))], dim=1
            ),
            "A convolution looks at a few pixels at a time; the condition must be there wherever it looks.",
            CONDITION,
        ),
        Misconception(
            "gave every picture the first condition",
            lambda x, condition: torch.cat([x, condition[:1, :, None, None].expand(len(x), -1, *x.shape[2:])], dim=1),
            "Each picture has a condition of its own: row b belongs to picture b.",
            CONDITION,
        ),
    ),
    hints=(
        "First give the condition a height and a width of 1.",
        "Then repeat it over all pixels: .expand(-1, -1, *x.shape[2:]).",
        "Then torch.cat of picture and painted condition, along the channels, dim=1.",
    ),
    explains="The same condition is appended to the code before the decoder, so the code need not repeat it.",
)


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
    cases=lambda g: [(_double(g, num, dim) + 1, _double(g, num, dim)) for num, dim in ((2, 2), (5, 3))],
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
    ),
    hints=(
        "Two things make codes differ: which picture was picked, and the noise around its centre.",
        "The law of total variance: covariance of the centres plus the mean of the variances.",
        "centred.T @ centred / N, plus torch.diag of logvar.exp().mean(0).",
    ),
    explains="Where this is near (0, I), random codes fall among trained ones, as far as two moments can tell.",
)
