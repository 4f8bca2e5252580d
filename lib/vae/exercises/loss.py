"""The exercise about the loss: both terms together."""

import math

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception
from lib.vae.loss import kl_to_standard_normal

LOSS_LINES = "The loss, line by line"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


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
    for num, size, dim, pixel_std in ((3, 2, 2, 0.3), (2, 4, 5, 0.7)):
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
        Misconception(
            "summed over the batch",
            _with(lambda error, kl, s, num: len(kl) * (error / (2 * s**2) + kl)),
            "Then the loss, and the step it causes, would double with the batch size. Add up within a picture; take "
            "the mean over pictures.",
            LOSS_LINES,
        ),
        Misconception(
            "summed the error over the batch",
            _with(lambda error, kl, s, num: len(kl) * error / (2 * s**2) + kl),
            "reduction='sum' adds up all pictures, while the KL term is a mean over them: the larger the batch, the "
            "less the KL counts. Both terms need the same mean over the batch.",
            LOSS_LINES,
        ),
        Misconception(
            "left one number per picture",
            lambda x, x_hat, mu, logvar, s: _error(x, x_hat) / (2 * s**2) + kl_to_standard_normal(mu, logvar),
            "These are the right terms of every picture. The loss of a batch is one number, their mean.",
            LOSS_LINES,
        ),
        Misconception(
            "kept the constant",
            _with(lambda error, kl, s, num: error / (2 * s**2) + kl + num / 2 * math.log(2 * math.pi * s**2)),
            "That is the whole negative ELBO, correctly. The exercise leaves the constant (D/2) log(2 pi s squared) "
            "out, as the chapter's loss does: no weight of the networks can change it.",
            LOSS_LINES,
        ),
        Misconception(
            "averaged the KL over the dimensions",
            lambda x, x_hat, mu, logvar, s: (
                _error(x, x_hat) / (2 * s**2) + kl_to_standard_normal(mu, logvar) / mu.shape[1]
            ).mean(),
            "The log of a product is a sum. With a mean, the longer the code, the cheaper the same message.",
            LOSS_LINES,
        ),
        Misconception(
            "forgot the half of the KL",
            _with(lambda error, kl, s, num: error / (2 * s**2) + 2 * kl),
            "The half stands before the whole bracket of the KL term: a density has a half in its exponent and a "
            "square root in front.",
            LOSS_LINES,
        ),
        Misconception(
            "added up the colours alone",
            lambda x, x_hat, mu, logvar, s: (
                (x - x_hat).square().sum(1) / (2 * s**2) + kl_to_standard_normal(mu, logvar)
            ),
            "sum(1) adds up axis 1, the three colours, and an error of shape (B, H, W) is left that does not fit the B "
            "numbers of the KL. flatten(1) makes one axis of all values of a picture.",
            LOSS_LINES,
        ),
    ),
    hints=(
        "Two numbers per picture, added; then one mean over the batch.",
        "The first: sum of squares over all values of a picture, divided by twice the variance of the decoder.",
        "flatten(1) makes one row of every picture, so that a sum over dim=1 gives a tensor of shape (B,), as the KL "
        "of exercise 1 does. What remains is one division, one sum and one mean.",
    ),
    explains="Both terms are in nats, so they can be added without any weight of our own.",
    compare_grad=True,
)
