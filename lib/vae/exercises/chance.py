"""Exercises about chance: drawing a code, the gradient without a slope, and a tighter bound from many draws."""

import math

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception

CLOUD = "A cloud for every picture"
EVIDENCE = "How likely is a picture"
GRADIENT = "A gradient through chance"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def draw(mu: Tensor, logvar: Tensor, eps: Tensor) -> Tensor:
    """z = mu + sigma eps."""
    return mu + (logvar / 2).exp() * eps


REPARAMETERIZE = Exercise(
    name="vae.reparameterize",
    prompt="Turn standard normal noise eps into a draw from N(mu, diag exp(logvar)), so that gradients can pass.",
    reference=draw,
    cases=lambda g: [tuple(_double(g, 3, num, dim)) for num, dim in ((2, 2), (3, 4))],
    misconceptions=(
        Misconception(
            "multiplied by the variance",
            lambda mu, logvar, eps: mu + logvar.exp() * eps,
            "Noise times a number has that number as its standard deviation. exp(logvar) is the variance.",
            CLOUD,
        ),
        Misconception(
            "multiplied by the log variance",
            lambda mu, logvar, eps: mu + logvar * eps,
            "logvar can be negative; undo the logarithm before it is a spread.",
            CLOUD,
        ),
        Misconception(
            "halved after the exponential",
            lambda mu, logvar, eps: mu + logvar.exp() / 2 * eps,
            "The root of exp(logvar) is exp(logvar / 2): the half goes inside.",
            CLOUD,
        ),
        Misconception(
            "drew noise of its own",
            lambda mu, logvar, eps: mu + (logvar / 2).exp() * torch.randn_like(eps),
            "The noise was given. Drawn inside, a result cannot be repeated.",
            CLOUD,
        ),
        Misconception(
            "left the noise out",
            lambda mu, logvar, eps: mu + 0 * eps,
            "Without noise it is an autoencoder again, and the KL term alone decides on the log variance.",
            CLOUD,
        ),
        Misconception(
            "gave one draw to the whole batch",
            lambda mu, logvar, eps: mu + (logvar / 2).exp() * eps[:1],
            "Every picture needs noise of its own, or the batch does not average the noise out.",
            CLOUD,
        ),
        Misconception(
            "gave one draw to all dimensions",
            lambda mu, logvar, eps: mu + (logvar / 2).exp() * eps[:, :1],
            "Then the noise of the dimensions is the same, and a decoder can cancel it by taking differences.",
            CLOUD,
        ),
        Misconception(
            "detached the spread",
            lambda mu, logvar, eps: mu + (logvar / 2).exp().detach() * eps,
            "The numbers are right, but the spread no longer learns from the reconstruction.",
            GRADIENT,
        ),
        Misconception(
            "detached the draw",
            lambda mu, logvar, eps: (mu + (logvar / 2).exp() * eps).detach(),
            "The numbers are right, but the encoder learns nothing from the reconstruction: this is what .sample() "
            "does where .rsample() is meant.",
            GRADIENT,
        ),
    ),
    hints=(
        "Stretch the noise, then shift it.",
        "The stretch is the standard deviation, the square root of the variance exp(logvar).",
        "mu + torch.exp(logvar / 2) * eps.",
    ),
    explains="eps depends on nothing, so mu and sigma stand where backpropagation can reach them.",
    compare_grad=True,
)


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
    ),
    hints=(
        "On paper: log of (1/K times the sum of exp(log_weights)).",
        "torch.logsumexp adds the weights without leaving the logarithm.",
        "torch.logsumexp(log_weights, dim=1) minus the log of K.",
    ),
    explains="With one draw it is the ELBO; its mean rises with every further draw, towards log p(x).",
)
