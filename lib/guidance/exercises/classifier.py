"""Exercises about the gradient of a classifier: in the noise, in the mean, and hidden in two answers."""

import torch
from torch import Tensor

from lib.ddpm import schedules
from lib.exercises import Exercise, Misconception
from lib.guidance.combine import classifier_guided_eps, classifier_guided_mean
from lib.guidance.exercises.cases import BAYES, FORMS, FREE, double, random_alpha_bar


def _noisy(generator: torch.Generator) -> list[tuple]:
    cases = []
    for num, t, scale in ((1, 3, 2.0), (2, 5, 1.0), (3, 2, 7.5)):
        eps_hat, grad = double(generator, 2, num, 2)
        cases.append((eps_hat, grad, t, random_alpha_bar(generator, 5), scale))
    return cases


def _push(factor):
    """A misconception: ``eps_hat`` plus the gradient times ``factor(t, alpha_bar, scale)``."""

    def function(eps_hat: Tensor, grad: Tensor, t: int, alpha_bar: Tensor, scale: float) -> Tensor:
        return eps_hat + factor(t, alpha_bar, scale) * grad

    return function


CLASSIFIER_EPS = Exercise(
    name="guidance.classifier_eps",
    prompt="The guided noise from eps_hat and grad = gradient of log p(y | x_t), at an integer level t, with scale s; "
    "arguments (eps_hat, grad, t, alpha_bar, s).",
    reference=classifier_guided_eps,
    cases=_noisy,
    misconceptions=(
        Misconception(
            "took the plus sign",
            _push(lambda t, alpha_bar, s: s * (1 - alpha_bar[t]).sqrt()),
            "Noise points away from the data: it is minus the score. Less of it in the direction of the class, so "
            "minus. The plus belongs to the mean of a step.",
            FORMS,
        ),
        Misconception(
            "took the step's noise for the level's",
            _push(lambda t, alpha_bar, s: -s * schedules.beta_tilde(alpha_bar)[t].sqrt()),
            "sigma_t is the fresh noise of one step, and 0 in DDIM. Score and noise differ by the noise of the whole "
            "level, sqrt(1 - alpha-bar_t).",
            FORMS,
        ),
        Misconception(
            "took the root of beta",
            _push(lambda t, alpha_bar, s: -s * schedules.betas(alpha_bar)[t].sqrt()),
            "beta_t is the noise of one step; eps_hat speaks of all the noise up to level t.",
            FORMS,
        ),
        Misconception(
            "forgot the root",
            _push(lambda t, alpha_bar, s: -s * (1 - alpha_bar[t])),
            "eps is minus the score times the standard deviation of the noise, not its variance.",
            BAYES,
        ),
        Misconception(
            "forgot the factor",
            _push(lambda t, alpha_bar, s: -s),
            "grad is a change of the score. As a change of the noise it is multiplied by -sqrt(1 - alpha-bar_t).",
            BAYES,
        ),
        Misconception(
            "divided by the factor",
            _push(lambda t, alpha_bar, s: -s / (1 - alpha_bar[t]).sqrt()),
            "From noise to score one divides by sqrt(1 - alpha-bar_t); here the way leads from score to noise.",
            BAYES,
        ),
        Misconception(
            "took the picture's share",
            _push(lambda t, alpha_bar, s: -s * alpha_bar[t].sqrt()),
            "sqrt(alpha-bar_t) is what is left of the picture. The noise has the other factor.",
            BAYES,
        ),
        Misconception(
            "forgot the scale",
            _push(lambda t, alpha_bar, s: -(1 - alpha_bar[t]).sqrt()),
            "That is Bayes' rule as it stands, scale 1. The scale multiplies the classifier's gradient.",
            BAYES,
        ),
    ),
    hints=(
        "Write the scores of Bayes' rule one under the other, with s before the classifier's, and replace each score "
        "of a picture by its noise.",
        "score = -eps / sqrt(1 - alpha-bar_t). Solve for the guided eps.",
        "Minus s, times the root of 1 - alpha_bar[t], times grad, added to eps_hat.",
    ),
    explains="No sigma of any sampler occurs, so that the same guided noise serves DDPM, DDIM and all others.",
)


def _steps(generator: torch.Generator) -> list[tuple]:
    cases = []
    for num, variance, scale in ((1, 0.3, 2.0), (2, 0.04, 1.0), (3, 0.5, 7.5)):
        mean, grad = double(generator, 2, num, 2)
        cases.append((mean, variance, grad, scale))
    return cases


CLASSIFIER_MEAN = Exercise(
    name="guidance.classifier_mean",
    prompt="The guided mean of a step from its mean, its variance (a number), the gradient of log p(y | x_t), and s.",
    reference=classifier_guided_mean,
    cases=_steps,
    misconceptions=(
        Misconception(
            "took the minus sign",
            lambda mean, variance, grad, s: mean - s * variance * grad,
            "The gradient points to where the class is more likely, and the mean goes there. Minus belongs to the "
            "noise.",
            FORMS,
        ),
        Misconception(
            "took the standard deviation",
            lambda mean, variance, grad, s: mean + s * variance**0.5 * grad,
            "Complete the square: the linear term of the exponent is multiplied by the variance.",
            FORMS,
        ),
        Misconception(
            "forgot the variance",
            lambda mean, variance, grad, s: mean + s * grad,
            "A step without noise cannot be moved at all: the Gaussian has to be wide enough to reach the place.",
            FORMS,
        ),
        Misconception(
            "divided by the variance",
            lambda mean, variance, grad, s: mean + s * grad / variance,
            "A narrow Gaussian is moved less than a wide one by the same push.",
            FORMS,
        ),
        Misconception(
            "forgot the scale",
            lambda mean, variance, grad, s: mean + variance * grad,
            "That is scale 1.",
            FORMS,
        ),
        Misconception(
            "gave the displacement alone",
            lambda mean, variance, grad, s: s * variance * grad,
            "That is how far the mean moves; the mean itself is missing.",
            FORMS,
        ),
    ),
    hints=(
        "The Gaussian of the step is multiplied by exp(s · grad · (x - mean)). Where is the new maximum?",
        "-(x - mean)² / (2 variance) + s grad (x - mean): set the derivative to zero.",
        "x - mean = variance times s times grad.",
    ),
    explains="With variance beta_t it is what the guided noise gives, up to the factor sqrt(alpha_t), which is near 1.",
)


def implicit_grad(eps_uncond: Tensor, eps_cond: Tensor, alpha_bar_t: float) -> Tensor:
    """Gradient of the log q(y | x_t) that two answers amount to."""
    return -(eps_cond - eps_uncond) / (1 - alpha_bar_t) ** 0.5


def _answers(generator: torch.Generator) -> list[tuple]:
    return [(*double(generator, 2, num, 2), level) for num, level in ((1, 0.8), (3, 0.3))]


IMPLICIT_GRAD = Exercise(
    name="guidance.implicit_grad",
    prompt="The gradient of log q(y | x_t) that eps_uncond and eps_cond amount to; alpha_bar_t is a number.",
    reference=implicit_grad,
    cases=_answers,
    misconceptions=(
        Misconception(
            "lost the minus",
            lambda eps_uncond, eps_cond, alpha_bar_t: (eps_cond - eps_uncond) / (1 - alpha_bar_t) ** 0.5,
            "The score is minus the noise over its standard deviation, for both answers.",
            FREE,
        ),
        Misconception(
            "forgot to divide",
            lambda eps_uncond, eps_cond, alpha_bar_t: eps_uncond - eps_cond,
            "A difference of noises becomes one of scores when it is divided by sqrt(1 - alpha-bar_t).",
            FREE,
        ),
        Misconception(
            "multiplied instead",
            lambda eps_uncond, eps_cond, alpha_bar_t: -(eps_cond - eps_uncond) * (1 - alpha_bar_t) ** 0.5,
            "From score to noise one multiplies. Here the way leads back.",
            FREE,
        ),
        Misconception(
            "forgot the root",
            lambda eps_uncond, eps_cond, alpha_bar_t: -(eps_cond - eps_uncond) / (1 - alpha_bar_t),
            "The standard deviation divides, not the variance.",
            FREE,
        ),
        Misconception(
            "divided by the picture's share",
            lambda eps_uncond, eps_cond, alpha_bar_t: -(eps_cond - eps_uncond) / alpha_bar_t**0.5,
            "sqrt(alpha-bar_t) belongs to the picture, sqrt(1 - alpha-bar_t) to the noise.",
            FREE,
        ),
        Misconception(
            "gave the score of the conditional",
            lambda eps_uncond, eps_cond, alpha_bar_t: -eps_cond / (1 - alpha_bar_t) ** 0.5,
            "That is the gradient of log q(x_t | y). By Bayes' rule the one of log q(x_t) has to be taken away.",
            BAYES,
        ),
    ),
    hints=(
        "Bayes' rule for scores: grad log q(y | x_t) is a difference of two scores. Which?",
        "With the label minus without it; each score is -eps over the noise's standard deviation.",
        "The square root of 1 - alpha_bar_t divides the difference. And the sign?",
    ),
    explains="Two answers of one network contain a classifier that nobody trained: that is what is amplified.",
)
