"""Exercises about chance: the gradient without a slope, and a tighter bound from many draws."""

import math

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception

EVIDENCE = "How likely is a picture"
GRADIENT = "A gradient through chance"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def score_gradient(f_z: Tensor, z: Tensor, mu: float, sigma: float) -> Tensor:
    """One score-function estimate per draw of d/d mu E[f(z)]."""
    return f_z * (z - mu) / sigma**2


def _draws(generator: torch.Generator) -> list[tuple]:
    cases = []
    for num, mu, sigma in ((3, 0.7, 0.4), (6, -1.2, 1.8)):
        z = mu + sigma * _double(generator, num)
        cases.append(((z - 0.5).square() + z.sin(), z, mu, sigma))
    return cases


SCORE_GRADIENT = Exercise(
    name="vae.score_gradient",
    prompt="From draws z of N(mu, sigma**2) and the values f(z): for each draw one estimate of d/d mu of E[f(z)].",
    reference=score_gradient,
    cases=_draws,
    misconceptions=(
        Misconception(
            "divided by sigma once",
            lambda f_z, z, mu, sigma: f_z * (z - mu) / sigma,
            "The log of a Gaussian is -(z - mu)**2 / (2 sigma**2) plus a constant: its slope keeps sigma**2.",
            GRADIENT,
        ),
        Misconception(
            "took the slope with respect to z",
            lambda f_z, z, mu, sigma: -f_z * (z - mu) / sigma**2,
            "The sign is that of the slope in z. Moving mu up moves the density up: draws above mu become more likely.",
            GRADIENT,
        ),
        Misconception(
            "left f out",
            lambda f_z, z, mu, sigma: (z - mu) / sigma**2,
            "That is the score alone, whose mean is zero whatever f is. Each draw is weighted by its value.",
            GRADIENT,
        ),
        Misconception(
            "forgot to subtract mu",
            lambda f_z, z, mu, sigma: f_z * z / sigma**2,
            "What counts is on which side of the mean a draw fell.",
            GRADIENT,
        ),
        Misconception(
            "took the mean at once",
            lambda f_z, z, mu, sigma: (f_z * (z - mu) / sigma**2).mean(),
            "One number per draw was asked for, so that their spread can be looked at.",
            GRADIENT,
        ),
        Misconception(
            "weighted by the density",
            lambda f_z, z, mu, sigma: (
                f_z * (z - mu) / sigma**2 * torch.exp(-(((z - mu) / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))
            ),
            "The draws come from the density already; weighting them again counts it twice.",
            GRADIENT,
        ),
        Misconception(
            "left the score out",
            lambda f_z, z, mu, sigma: f_z,
            "That estimates the mean of f itself. How it changes with mu is told by the score, the slope of the log "
            "density.",
            GRADIENT,
        ),
        Misconception(
            "took the logarithm of f",
            lambda f_z, z, mu, sigma: f_z.log() * (z - mu) / sigma**2,
            "The logarithm is that of the density. The values of f stay as they are, and where one is negative its log "
            "is NaN.",
            GRADIENT,
        ),
        Misconception(
            "subtracted the mean of f",
            lambda f_z, z, mu, sigma: (f_z - f_z.mean()) * (z - mu) / sigma**2,
            "A baseline is a good idea, it lowers the spread. But each draw's own value is part of this mean, which "
            "makes the estimate too small by the factor 1 - 1/n. Here the plain estimate was asked for.",
            GRADIENT,
        ),
    ),
    hints=(
        "The gradient of a density is the density times the gradient of its logarithm.",
        "Differentiate -(z - mu)**2 / (2 * sigma**2) with respect to mu.",
        "f_z times that slope, draw by draw.",
    ),
    explains="No slope of f is needed, which is why this way also works for codes that are whole numbers (chapter 3).",
)


def importance_bound(log_weights: Tensor) -> Tensor:
    """log of the mean weight of each row."""
    return torch.logsumexp(log_weights, dim=1) - math.log(log_weights.shape[1])


IMPORTANCE_BOUND = Exercise(
    name="vae.importance_bound",
    prompt="From the logs of K weights per picture, shape (B, K): the log of their mean, safe for very small weights.",
    reference=importance_bound,
    cases=lambda g: [
        (_double(g, 2, 3),),
        (3 * _double(g, 4, 5) - 2,),
        (20 * _double(g, 3, 4) - 2000,),
    ],
    misconceptions=(
        Misconception(
            "took the mean of the logs",
            lambda log_weights: log_weights.mean(1),
            "That is the ELBO, averaged over more draws: less noise, but no tighter. The mean has to be taken of the "
            "weights, inside the logarithm.",
            EVIDENCE,
        ),
        Misconception(
            "took the sum for the mean",
            lambda log_weights: torch.logsumexp(log_weights, dim=1),
            "Then the bound grows with the number of draws, beyond log p(x) itself.",
            EVIDENCE,
        ),
        Misconception(
            "divided outside the logarithm",
            lambda log_weights: torch.logsumexp(log_weights, dim=1) / log_weights.shape[1],
            "A factor 1/K inside a logarithm is minus log K outside.",
            EVIDENCE,
        ),
        Misconception(
            "left the logarithm too early",
            lambda log_weights: log_weights.exp().mean(1).log(),
            "Right on paper; but exp(-2000) is zero in the computer, and log(0) is minus infinity.",
            EVIDENCE,
        ),
        Misconception(
            "took the best draw",
            lambda log_weights: log_weights.amax(1),
            "The largest weight dominates the sum, but K - 1 draws that explain nothing have to be paid for.",
            EVIDENCE,
        ),
        Misconception(
            "averaged over the pictures",
            lambda log_weights: torch.logsumexp(log_weights, dim=0) - math.log(len(log_weights)),
            "Rows are pictures and columns are draws; every picture has a bound of its own.",
            EVIDENCE,
        ),
        Misconception(
            "took the number of pictures for that of draws",
            lambda log_weights: torch.logsumexp(log_weights, dim=1) - math.log(len(log_weights)),
            "len counts rows, and rows are pictures (B). The mean is over the K draws, log_weights.shape[1].",
            EVIDENCE,
        ),
        Misconception(
            "added the log of K",
            lambda log_weights: torch.logsumexp(log_weights, dim=1) + math.log(log_weights.shape[1]),
            "Dividing by K inside the logarithm subtracts log K outside.",
            EVIDENCE,
        ),
        Misconception(
            "averaged over the pictures too",
            lambda log_weights: importance_bound(log_weights).mean(),
            "That is the mean bound of the batch. Each picture has a bound of its own: one number per row.",
            EVIDENCE,
        ),
        Misconception(
            "took all weights together",
            lambda log_weights: torch.logsumexp(log_weights, dim=(0, 1)) - math.log(log_weights.numel()),
            "The weights of one picture say nothing of another. One number per row: dim=1.",
            EVIDENCE,
        ),
        Misconception(
            "stopped before the logarithm",
            lambda log_weights: log_weights.exp().mean(1),
            "That is the mean weight. Its logarithm was asked for; and exp(-2000) is zero in the computer.",
            EVIDENCE,
        ),
        Misconception(
            "left the logarithm too early and forgot the mean",
            lambda log_weights: log_weights.exp().sum(1).log(),
            "exp(-2000) is zero in the computer, and log(0) is minus infinity; torch.logsumexp avoids it. And a mean "
            "is the sum over K.",
            EVIDENCE,
        ),
        Misconception(
            "took torch.log of a plain number",
            lambda log_weights: torch.logsumexp(log_weights, dim=1) - torch.log(log_weights.shape[1]),
            "torch.log takes tensors, and a length is a plain number: math.log.",
            EVIDENCE,
        ),
    ),
    hints=(
        "On paper: log of (1/K times the sum of exp(log_weights)).",
        "torch.logsumexp adds the weights without leaving the logarithm.",
        "That gives the log of a sum, and you want the log of a mean: the sum divided by K. What does the logarithm "
        "make of a division? And which of the two lengths of log_weights is K?",
    ),
    explains="With one draw it is the ELBO; its mean rises with every further draw, towards log p(x).",
)
