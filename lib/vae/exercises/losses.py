"""Exercises about the loss: the KL term, both terms together, and the weight that hides in a mean over pixels."""

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception
from lib.vae.loss import kl_to_standard_normal

KL_TERM = "The KL term, four ways"
LOSS_LINES = "The loss, line by line"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _clouds(generator: torch.Generator) -> list[tuple]:
    return [(_double(generator, num, dim), _double(generator, num, dim)) for num, dim in ((2, 2), (4, 3))]


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
    ),
    hints=(
        "Each code dimension has a divergence of its own, and independent dimensions add up.",
        "For one dimension: half of (second moment, minus log variance, minus 1).",
        "The second moment is mu**2 + logvar.exp(). Put it in, take the half, and sum over dim=1.",
    ),
    explains="It is zero for the prior itself, and grows without end as a code gets precise: log(1/sigma) nats.",
    compare_grad=True,
)


def loss(x: Tensor, x_hat: Tensor, mu: Tensor, logvar: Tensor, pixel_std: float) -> Tensor:
    """Mean over the batch of squared error / (2 s²) plus KL."""
    return (_error(x, x_hat) / (2 * pixel_std**2) + kl_to_standard_normal(mu, logvar)).mean()


def _error(x: Tensor, x_hat: Tensor) -> Tensor:
    return (x - x_hat).square().flatten(1).sum(1)


def _with(combine):
    """A misconception about the loss: ``combine(error, kl, s, values per picture)`` before the mean."""

    def function(x: Tensor, x_hat: Tensor, mu: Tensor, logvar: Tensor, pixel_std: float) -> Tensor:
        return combine(_error(x, x_hat), kl_to_standard_normal(mu, logvar), pixel_std, x[0].numel()).mean()

    return function


def _pictures(generator: torch.Generator) -> list[tuple]:
    cases = []
    for num, size, dim, pixel_std in ((2, 2, 2, 0.3), (3, 4, 5, 0.7)):
        x, x_hat = _double(generator, 2, num, 3, size, size).tanh()
        cases.append((x, x_hat, _double(generator, num, dim), _double(generator, num, dim), pixel_std))
    return cases


LOSS = Exercise(
    name="vae.loss",
    prompt="The negative ELBO of a batch in nats, without the constant: squared error over 2 s squared, plus KL.",
    reference=loss,
    cases=_pictures,
    misconceptions=(
        Misconception(
            "averaged the error over the pixels",
            _with(lambda error, kl, s, num: error / num / (2 * s**2) + kl),
            "The pixels are independent given the code, so their log densities add up. A mean divides the error by "
            "the number of pixels and leaves the KL term as it is, which then wins.",
            LOSS_LINES,
        ),
        Misconception(
            "used torch's mean squared error and nothing else",
            _with(lambda error, kl, s, num: error / num + kl),
            "That is the mean over pixels, and without 2 s squared: it claims a decoder whose spread is tens of times "
            "the range of a pixel.",
            LOSS_LINES,
        ),
        Misconception(
            "left out 2 s squared",
            _with(lambda error, kl, s, num: error + kl),
            "Squared error plus KL is right for one spread only, s = 0.71. Any other s has to stand in the formula.",
            LOSS_LINES,
        ),
        Misconception(
            "forgot the 2 below the error",
            _with(lambda error, kl, s, num: error / s**2 + kl),
            "A Gaussian has the square over 2 s squared in its exponent.",
            LOSS_LINES,
        ),
        Misconception(
            "did not square s",
            _with(lambda error, kl, s, num: error / (2 * s) + kl),
            "The squared error is in squared pixel values, so it must be divided by a variance.",
            LOSS_LINES,
        ),
        Misconception(
            "subtracted the KL term",
            _with(lambda error, kl, s, num: error / (2 * s**2) - kl),
            "In the ELBO the KL is subtracted; this is minus the ELBO. With a minus here the loss has no bottom: codes "
            "run away to infinity.",
            LOSS_LINES,
        ),
        Misconception(
            "gave the ELBO itself",
            _with(lambda error, kl, s, num: -error / (2 * s**2) - kl),
            "A loss is minimised, so it is minus the bound.",
            LOSS_LINES,
        ),
        Misconception(
            "put 2 s squared in front of the KL",
            _with(lambda error, kl, s, num: error + 2 * s**2 * kl),
            "That has the same minimum, and is the form of a β-VAE; but it is 2 s squared times what was asked for and "
            "no longer in nats.",
            LOSS_LINES,
        ),
    ),
    hints=(
        "Two numbers per picture, added; then one mean over the batch.",
        "The first: sum of squares over all values of a picture, divided by twice the variance of the decoder.",
        "(x - x_hat).square().flatten(1).sum(1) / (2 * pixel_std**2), plus the KL of exercise 1, then .mean().",
    ),
    explains="Both terms are in nats, so they can be added without any weight of our own.",
    compare_grad=True,
)


def hidden_weight(num_values: int, pixel_std: float) -> float:
    """kl_weight of "mean squared error plus KL", read as a loss in nats with spread s."""
    return num_values / (2 * pixel_std**2)


HIDDEN_WEIGHT = Exercise(
    name="vae.hidden_weight",
    prompt="The kl_weight that 'mean over the values of a picture of the squared error, plus KL' has in truth.",
    reference=hidden_weight,
    cases=lambda generator: [(12, 0.5), (784, 0.3), (3072, 0.2)],
    misconceptions=(
        Misconception(
            "forgot the 2",
            lambda num_values, pixel_std: num_values / pixel_std**2,
            "The error of the honest loss is divided by twice the variance.",
            LOSS_LINES,
        ),
        Misconception(
            "did not square the spread",
            lambda num_values, pixel_std: num_values / (2 * pixel_std),
            "The honest loss contains the variance of the decoder, the square of its spread.",
            LOSS_LINES,
        ),
        Misconception(
            "counted the values alone",
            lambda num_values, pixel_std: float(num_values),
            "The mean divides the error by the number of values; the honest loss divides it by 2 s squared, which "
            "counts as well.",
            LOSS_LINES,
        ),
        Misconception(
            "took the weight of the sum of squares",
            lambda num_values, pixel_std: 2 * pixel_std**2,
            "That is the weight that makes 'sum of squares plus weight times KL' honest. Here the weight is 1 and the "
            "error is a mean: multiply the whole loss until its error term is the honest one, and read off what now "
            "stands before the KL.",
            LOSS_LINES,
        ),
        Misconception(
            "turned the ratio over",
            lambda num_values, pixel_std: 2 * pixel_std**2 / num_values,
            "That is the weight that would repair the loss. The question is what it is without repair.",
            LOSS_LINES,
        ),
    ),
    hints=(
        "Multiplying a whole loss by a number does not change its minimum. By which number must you multiply?",
        "The error term is sum / num_values and should be sum / (2 * pixel_std**2).",
        "The factor that turns one into the other multiplies the KL as well, and is its weight.",
    ),
    explains="For the pictures of this chapter the KL counts tens of thousands of times too much.",
)
