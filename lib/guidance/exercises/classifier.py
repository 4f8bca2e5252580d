"""Exercises about the gradient of a classifier: in the estimate, in the mean of a step, and as an exponent."""

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception
from lib.guidance.exercises.cases import BAYES, FORMS, double


def push_in_x0(x_0_hat: Tensor, grad: Tensor, alpha_bar_t: float, s: float) -> Tensor:
    """The estimate of the clean picture after the push by a classifier's gradient."""
    return x_0_hat + s * (1 - alpha_bar_t) / alpha_bar_t**0.5 * grad


def _estimates(generator: torch.Generator) -> list[tuple]:
    return [
        (*double(generator, 2, num, 2), level, s) for num, level, s in ((1, 0.8, 2.0), (2, 0.3, 1.0), (3, 0.1, 7.5))
    ]


def _moved(factor):
    """A misconception: ``x_0_hat`` plus the gradient times ``factor(alpha_bar_t, s)``."""

    def function(x_0_hat: Tensor, grad: Tensor, alpha_bar_t: float, s: float) -> Tensor:
        return x_0_hat + factor(alpha_bar_t, s) * grad

    return function


PUSH_IN_X0 = Exercise(
    name="guidance.push_in_x0",
    prompt="Guidance changes eps_hat. Where does the estimate x_0_hat go? Arguments (x_0_hat, grad, alpha_bar_t, s): "
    "the estimate before, the gradient of log p(y | x_t) at x_t, a number, the scale.",
    reference=push_in_x0,
    cases=_estimates,
    misconceptions=(
        Misconception(
            "took the minus sign",
            _moved(lambda bar, s: -s * (1 - bar) / bar**0.5),
            "Less noise in a direction is more picture in it: the minus of the noise form meets the minus with which "
            "eps_hat enters the estimate.",
            FORMS,
        ),
        Misconception(
            "moved the estimate as the noise",
            _moved(lambda bar, s: -s * (1 - bar) ** 0.5),
            "That is the change of eps_hat. What does a change of eps_hat do to (x_t - sqrt(1 - bar) eps_hat) / "
            "sqrt(bar)?",
            FORMS,
        ),
        Misconception(
            "lost one of the two roots",
            _moved(lambda bar, s: s * ((1 - bar) / bar) ** 0.5),
            "sqrt(1 - bar) occurs twice: once in the change of the noise, once where the noise is taken off.",
            FORMS,
        ),
        Misconception(
            "left out the signal",
            _moved(lambda bar, s: s * (1 - bar)),
            "The estimate divides by sqrt(bar), and so is its change: that is why early pushes are so strong.",
            FORMS,
        ),
        Misconception(
            "divided by the whole signal",
            _moved(lambda bar, s: s * (1 - bar) / bar),
            "(1 - bar) / bar is a ratio of variances. The estimate divides by the root of bar.",
            FORMS,
        ),
        Misconception(
            "forgot the scale",
            _moved(lambda bar, s: (1 - bar) / bar**0.5),
            "That is scale 1.",
            BAYES,
        ),
    ),
    hints=(
        "Write the estimate as a function of x_t and eps_hat. Only eps_hat changes.",
        "The change of eps_hat is in the section on the two forms. Multiply it by what stands before eps_hat in the "
        "estimate.",
        "Two minus signs meet, and two equal roots. What divides?",
    ),
    explains="The factor is small near clean pictures and huge near pure noise: small gradients move it far.",
)


def mean_scale(s: float, alpha_bar_t: float, alpha_bar_before: float, variance: float) -> float:
    """Scale of the mean form that moves DDPM's mean as the guided noise does."""
    alpha = alpha_bar_t / alpha_bar_before
    return s * (1 - alpha) / alpha**0.5 / variance


def _chains(generator: torch.Generator) -> list[tuple]:
    return [(2.0, 0.5, 0.6, 0.1), (1.0, 0.3, 0.5, 0.4), (5.0, 0.72, 0.8, 0.25)]


def _wrong_scale(rule):
    """A misconception: ``rule(s, alpha, beta, variance)``."""

    def function(s: float, alpha_bar_t: float, alpha_bar_before: float, variance: float) -> float:
        alpha = alpha_bar_t / alpha_bar_before
        return rule(s, alpha, 1 - alpha, variance)

    return function


MEAN_SCALE = Exercise(
    name="guidance.mean_scale",
    prompt="The guided noise at scale s is put into DDPM's mean. Which scale of the mean form, with this variance, "
    "moves the mean as far (for the same gradient)? Arguments (s, alpha_bar_t, alpha_bar_before, variance), numbers.",
    reference=mean_scale,
    cases=_chains,
    misconceptions=(
        Misconception(
            "took the forms for the same",
            _wrong_scale(lambda s, alpha, beta, variance: s),
            "Nearly, if the variance is beta_t and the step is small. Here neither is granted.",
            FORMS,
        ),
        Misconception(
            "took beta for the variance",
            _wrong_scale(lambda s, alpha, beta, variance: s / alpha**0.5),
            "That holds if the step's variance is beta_t. Compare two displacements, one with beta_t, one with the "
            "variance.",
            FORMS,
        ),
        Misconception(
            "forgot the root of alpha",
            _wrong_scale(lambda s, alpha, beta, variance: s * beta / variance),
            "In DDPM's mean all is divided by sqrt(alpha_t), the noise as well.",
            FORMS,
        ),
        Misconception(
            "multiplied by the root of alpha",
            _wrong_scale(lambda s, alpha, beta, variance: s * beta * alpha**0.5 / variance),
            "A step back makes the picture louder: the mean divides by sqrt(alpha_t).",
            FORMS,
        ),
        Misconception(
            "turned the ratio over",
            _wrong_scale(lambda s, alpha, beta, variance: s * variance * alpha**0.5 / beta),
            "That leads from the mean form to the noise form. A smaller variance needs a larger scale.",
            FORMS,
        ),
        Misconception(
            "exchanged the levels",
            lambda s, alpha_bar_t, alpha_bar_before, variance: s * (1 - alpha_bar_t) / alpha_bar_t**0.5 / variance,
            "beta_t and alpha_t belong to one step: alpha_t is the ratio of the two alpha-bars.",
            FORMS,
        ),
    ),
    hints=(
        "How far does each form move the mean, for the same gradient? Set the two displacements equal.",
        "DDPM's mean contains -beta_t / (sqrt(alpha_t) sqrt(1 - alpha-bar_t)) eps; the mean form moves it by scale x "
        "variance times the gradient.",
        "alpha_t is alpha_bar_t / alpha_bar_before, and beta_t what is missing to 1. The roots cancel.",
    ),
    explains="With the variance beta_t the scales nearly agree. With beta_tilde, 0 at the last step, no scale does it.",
)


def sharpen(density: Tensor, prob: Tensor, s: float) -> Tensor:
    """Shares of a few places after the class counts s times."""
    weight = density * prob**s
    return weight / weight.sum()


def _places(generator: torch.Generator) -> list[tuple]:
    cases = []
    for num, s in ((2, 2.0), (3, 8.0), (4, 0.5)):
        density, prob = torch.rand(2, num, generator=generator, dtype=torch.float64) * 0.8 + 0.1
        cases.append((density / density.sum(), prob, s))
    return cases


def _normal(weight: Tensor) -> Tensor:
    return weight / weight.sum()


SHARPEN = Exercise(
    name="guidance.sharpen",
    prompt="A few places have the shares density, (N,), and the classifier says the wanted class with chance prob, "
    "(N,). The shares at scale s; they add up to 1.",
    reference=sharpen,
    cases=_places,
    misconceptions=(
        Misconception(
            "did not share out the whole",
            lambda density, prob, s: density * prob**s,
            "These are weights. Shares add up to 1; the constant that a gradient never sees is needed here.",
            BAYES,
        ),
        Misconception(
            "multiplied by the scale",
            lambda density, prob, s: _normal(density * prob * s),
            "A factor in front of a logarithm is a power inside.",
            BAYES,
        ),
        Misconception(
            "raised everything",
            lambda density, prob, s: _normal((density * prob) ** s),
            "Only the class counts s times; how common a place is counts once.",
            BAYES,
        ),
        Misconception(
            "forgot how common the places are",
            lambda density, prob, s: _normal(prob**s),
            "At s = 0 the class plays no part, and the shares must be those of the data.",
            BAYES,
        ),
        Misconception(
            "counted the class once more",
            lambda density, prob, s: _normal(density * prob ** (1 + s)),
            "1 + s is for a density that knows the label already. Here s = 0 must give back the data.",
            FORMS,
        ),
    ),
    hints=(
        "Line 5 of the derivation says what the score is the slope of. What is missing to a share?",
        "Check two scales by hand: s = 0 must give the density back, s = 1 is Bayes' rule.",
        "Compute a weight for each place from the formula under the logarithm; then make the weights add up to 1.",
    ),
    explains="Where the verdicts are all 1 nothing changes at any scale. That is why clean clouds cannot be sharpened.",
)
