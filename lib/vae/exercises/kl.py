"""The exercise about the KL term."""

import math

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception
from lib.vae.loss import kl_to_standard_normal

KL_TERM = "The KL term, four ways"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _clouds(generator: torch.Generator) -> list[tuple]:
    return [(_double(generator, num, dim), _double(generator, num, dim)) for num, dim in ((2, 2), (4, 3))]


def _terms(mu: Tensor, logvar: Tensor) -> Tensor:
    """The divergence of every code dimension."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


KL = Exercise(
    name="vae.kl",
    prompt="The KL divergence from N(mu, diag exp(logvar)) to N(0, I): one number in nats per picture.",
    reference=kl_to_standard_normal,
    cases=_clouds,
    misconceptions=(
        Misconception(
            "forgot the half",
            lambda mu, logvar: 2 * kl_to_standard_normal(mu, logvar),
            "Both densities carry a half in their exponent and a square root in front, and the half stays.",
            KL_TERM,
        ),
        Misconception(
            "took logvar for the log of sigma",
            lambda mu, logvar: kl_to_standard_normal(mu, 2 * logvar),
            "logvar is the log of sigma squared, so the variance is exp(logvar), not exp(2 * logvar).",
            KL_TERM,
        ),
        Misconception(
            "took the standard deviation for the variance",
            lambda mu, logvar: 0.5 * (mu**2 + (logvar / 2).exp() - 1 - logvar).sum(1),
            "The second moment of a code is mu squared plus the variance, and the variance is exp(logvar).",
            KL_TERM,
        ),
        Misconception(
            "turned the sign of logvar",
            lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - 1 + logvar).sum(1),
            "The log of the narrower density is larger at its centre: a small variance costs, so logvar is subtracted. "
            "With your sign the term falls below zero for precise codes, and a KL divergence never does.",
            KL_TERM,
        ),
        Misconception(
            "turned the sign of all of it",
            lambda mu, logvar: -kl_to_standard_normal(mu, logvar),
            "That is the term as it stands in the bound, where it is subtracted. The divergence itself is positive.",
            KL_TERM,
        ),
        Misconception(
            "forgot the -1",
            lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - logvar).sum(1),
            "Two equal distributions have divergence zero: try mu = 0 and logvar = 0.",
            KL_TERM,
        ),
        Misconception(
            "averaged over the dimensions",
            lambda mu, logvar: kl_to_standard_normal(mu, logvar) / mu.shape[1],
            "The log of a product is a sum. With a mean, the same message gets cheaper for every dimension that is "
            "added to the code.",
            KL_TERM,
        ),
        Misconception(
            "averaged over the batch too",
            lambda mu, logvar: kl_to_standard_normal(mu, logvar).mean(),
            "One number per picture was asked for; the mean over the batch comes later, in the loss.",
            KL_TERM,
        ),
        Misconception(
            "exchanged the two distributions",
            lambda mu, logvar: 0.5 * ((1 + mu**2) * (-logvar).exp() - 1 + logvar).sum(1),
            "That is the divergence from the prior to the code. The bound has the mean over the code's own draws, so "
            "q comes first.",
            KL_TERM,
        ),
        Misconception(
            "squared logvar",
            lambda mu, logvar: 0.5 * (mu**2 + logvar**2 - 1 - logvar).sum(1),
            "What is squared is sigma, and logvar is not sigma. The variance is exp(logvar): try logvar = 0, which is "
            "sigma = 1.",
            KL_TERM,
        ),
        Misconception(
            "took logvar for the variance",
            lambda mu, logvar: 0.5 * (mu**2 + logvar - 1 - logvar.log()).sum(1),
            "That is the formula in the variance itself. Given is its logarithm, which is negative for narrow clouds, "
            "so that a log of it is NaN: put exp(logvar) for the variance, and logvar for its log.",
            KL_TERM,
        ),
        Misconception(
            "subtracted logvar twice",
            lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - 1 - 2 * logvar).sum(1),
            "The 2 belongs to 2 log sigma. logvar is log sigma squared, so it contains the 2 already.",
            KL_TERM,
        ),
        Misconception(
            "did not square mu",
            lambda mu, logvar: 0.5 * (mu + logvar.exp() - 1 - logvar).sum(1),
            "A mean of -1 is as far from the prior as a mean of 1, so mu enters squared.",
            KL_TERM,
        ),
        Misconception(
            "did not add up the dimensions",
            _terms,
            "That is one number per dimension. Independent dimensions add up: one number per picture.",
            KL_TERM,
        ),
        Misconception(
            "averaged everything",
            lambda mu, logvar: _terms(mu, logvar).mean(),
            "One number per picture was asked for. Over the dimensions it is a sum: a mean makes the term smaller, the "
            "longer the code is. The mean over the batch comes later, in the loss.",
            KL_TERM,
        ),
        Misconception(
            "added up everything",
            lambda mu, logvar: _terms(mu, logvar).sum(),
            "Add up the dimensions only, dim=1. Each picture keeps a number of its own.",
            KL_TERM,
        ),
        Misconception(
            "added up the pictures",
            lambda mu, logvar: _terms(mu, logvar).sum(0),
            "Rows are pictures and columns are code dimensions. The sum runs over the dimensions, dim=1.",
            KL_TERM,
        ),
        Misconception(
            "kept the axis of the dimensions",
            lambda mu, logvar: _terms(mu, logvar).sum(1, keepdim=True),
            "Added to a row of B errors, a column of shape (B, 1) gives a table of B times B numbers. Leave keepdim "
            "out.",
            KL_TERM,
        ),
        Misconception(
            "took math.exp for torch.exp",
            lambda mu, logvar: mu**2 + math.exp(logvar.detach()),
            "The functions of math take one number. For a whole tensor there is torch.exp(logvar), or logvar.exp(), "
            "and gradients pass through it.",
            KL_TERM,
        ),
    ),
    hints=(
        "Each code dimension has a divergence of its own, and independent dimensions add up.",
        "For one dimension: half of (second moment, minus log variance, minus 1).",
        "The second moment is mu**2 + logvar.exp(). Put it in, take the half, and sum over dim=1.",
    ),
    explains="It is zero for the prior itself, and grows without end as a code gets precise: log(1/sigma) nats.",
    compare_grad=True,
)
