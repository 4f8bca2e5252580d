"""The exercise about drawing a code."""

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception

CLOUD = "A cloud for every picture"
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
        Misconception(
            "let torch.normal draw",
            lambda mu, logvar, eps: torch.normal(mu, (logvar / 2).exp()),
            "The spread is right, but the noise was given, and torch.normal draws its own. Nor does a gradient pass "
            "through it to mu and the spread: that is why the draw is written out as shift and stretch.",
            CLOUD,
        ),
        Misconception(
            "left the spread out",
            lambda mu, logvar, eps: mu + eps,
            "Every cloud would be as wide as the prior, whatever logvar says, and logvar learns nothing from the "
            "reconstruction.",
            CLOUD,
        ),
        Misconception(
            "took the root of logvar",
            lambda mu, logvar, eps: mu + logvar.sqrt() * eps,
            "The root belongs to the variance, which is exp(logvar). logvar itself is negative for narrow clouds, and "
            "the root of a negative number is NaN.",
            CLOUD,
        ),
        Misconception(
            "added logvar",
            lambda mu, logvar, eps: mu + logvar + eps,
            "A spread does not shift the noise, it stretches it: a product. And it comes out of its logarithm first.",
            CLOUD,
        ),
        Misconception(
            "exchanged mean and spread",
            lambda mu, logvar, eps: (logvar / 2).exp() + mu * eps,
            "The spread multiplies the noise, the mean is added. As you have it, the cloud stands at sigma and is mu "
            "wide.",
            CLOUD,
        ),
        Misconception(
            "doubled in place of halving",
            lambda mu, logvar, eps: mu + (2 * logvar).exp() * eps,
            "Doubling the logarithm squares the variance. The standard deviation is its root, half the logarithm.",
            CLOUD,
        ),
    ),
    hints=(
        "Stretch the noise, then shift it.",
        "The stretch is the standard deviation, the square root of the variance exp(logvar).",
        "The root of e to the power a is e to the power a / 2: so what is sigma in terms of logvar? Then the stretch "
        "of hint 1 is a product, and the shift a sum.",
    ),
    explains="eps depends on nothing, so mu and sigma stand where backpropagation can reach them.",
    compare_grad=True,
)
