"""Exercises about the network: what it is asked, what its answer means, and what an error costs."""

import math

import torch
from torch import Tensor

from lib.ddpm import schedules
from lib.ddpm.exercises.cases import ESTIMATE, LOSS, double, random_alpha_bar
from lib.exercises import Exercise, Misconception


def x_0_hat(x_t: Tensor, eps_hat: Tensor, alpha_bar_t: float) -> Tensor:
    """The clean picture that an estimate of the noise amounts to."""
    return (x_t - math.sqrt(1 - alpha_bar_t) * eps_hat) / math.sqrt(alpha_bar_t)


def _estimates(generator: torch.Generator) -> list[tuple]:
    return [(double(generator, num, 2), double(generator, num, 2), level) for num, level in ((1, 0.8), (3, 0.3))]


X_0_HAT = Exercise(
    name="ddpm.x_0_hat",
    prompt="The estimate of x_0 that follows from x_t and eps_hat; alpha_bar_t is a number.",
    reference=x_0_hat,
    cases=_estimates,
    misconceptions=(
        Misconception(
            "only subtracted",
            lambda x_t, eps_hat, alpha_bar_t: x_t - math.sqrt(1 - alpha_bar_t) * eps_hat,
            "What is left is sqrt(alpha-bar_t) x_0, a dark copy of the picture: it still has to be divided.",
            ESTIMATE,
        ),
        Misconception(
            "divided by alpha-bar without its root",
            lambda x_t, eps_hat, alpha_bar_t: (x_t - math.sqrt(1 - alpha_bar_t) * eps_hat) / alpha_bar_t,
            "The picture was multiplied by the root of alpha-bar_t, so the root divides.",
            ESTIMATE,
        ),
        Misconception(
            "took the variance for the standard deviation of the noise",
            lambda x_t, eps_hat, alpha_bar_t: (x_t - (1 - alpha_bar_t) * eps_hat) / math.sqrt(alpha_bar_t),
            "eps_hat has variance 1; in x_t it stands with the root of 1 - alpha-bar_t.",
            ESTIMATE,
        ),
        Misconception(
            "forgot all roots",
            lambda x_t, eps_hat, alpha_bar_t: (x_t - (1 - alpha_bar_t) * eps_hat) / alpha_bar_t,
            "alpha-bar_t and 1 - alpha-bar_t are variances; picture and noise are multiplied by their roots.",
            ESTIMATE,
        ),
        Misconception(
            "subtracted the noise itself",
            lambda x_t, eps_hat, alpha_bar_t: x_t - eps_hat,
            "Noise was not simply added: the picture was shrunk and the noise scaled, both depending on t.",
            ESTIMATE,
        ),
        Misconception(
            "added the noise",
            lambda x_t, eps_hat, alpha_bar_t: (x_t + math.sqrt(1 - alpha_bar_t) * eps_hat) / math.sqrt(alpha_bar_t),
            "Solve x_t = signal · x_0 + noise · eps for x_0: the noise changes sides and its sign.",
            ESTIMATE,
        ),
        Misconception(
            "divided only the picture",
            lambda x_t, eps_hat, alpha_bar_t: x_t / math.sqrt(alpha_bar_t) - math.sqrt(1 - alpha_bar_t) * eps_hat,
            "The whole difference is divided, the noise as well.",
            ESTIMATE,
        ),
    ),
    hints=(
        "Write down x_t in terms of x_0 and eps, and solve for x_0.",
        "Subtract the noise with its factor, then divide by the factor of the picture.",
        "x_t - sqrt(1 - alpha_bar_t) * eps_hat is the picture, but too dark: by which factor?",
    ),
    explains="At small alpha-bar division magnifies errors of eps_hat: 157-fold at the end of the linear schedule.",
)


def x_0_from_v(x_t: Tensor, v: Tensor, alpha_bar_t: float) -> Tensor:
    """The clean picture that an answer v amounts to."""
    return math.sqrt(alpha_bar_t) * x_t - math.sqrt(1 - alpha_bar_t) * v


def _rotation(signal_of, noise_of, sign: int):
    def function(x_t: Tensor, v: Tensor, alpha_bar_t: float) -> Tensor:
        return signal_of(alpha_bar_t) * x_t + sign * noise_of(alpha_bar_t) * v

    return function


def _signal(level: float) -> float:
    return math.sqrt(level)


def _noise(level: float) -> float:
    return math.sqrt(1 - level)


X_0_FROM_V = Exercise(
    name="ddpm.x_0_from_v",
    prompt="x_0 from x_t and v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0; alpha_bar_t is a number.",
    reference=x_0_from_v,
    cases=_estimates,
    misconceptions=(
        Misconception(
            "added v",
            _rotation(_signal, _noise, 1),
            "v contains minus x_0, so it has to be subtracted to bring x_0 out.",
            ESTIMATE,
        ),
        Misconception(
            "gave the noise",
            _rotation(_noise, _signal, 1),
            "sqrt(1 - alpha-bar) x_t + sqrt(alpha-bar) v is eps. The picture is the other combination.",
            ESTIMATE,
        ),
        Misconception(
            "exchanged the factors",
            _rotation(_noise, _signal, -1),
            "Put in x_t and v and multiply out: the terms with eps must cancel, and here they do not.",
            ESTIMATE,
        ),
        Misconception(
            "forgot the square roots",
            _rotation(lambda level: level, lambda level: 1 - level, -1),
            "The two factors are cosine and sine of an angle: their squares add up to 1.",
            ESTIMATE,
        ),
        Misconception(
            "divided as for the noise",
            lambda x_t, v, alpha_bar_t: (x_t - _noise(alpha_bar_t) * v) / _signal(alpha_bar_t),
            "That is the formula for an answer eps. Turning back a rotation needs no division.",
            ESTIMATE,
        ),
    ),
    hints=(
        "(x_t, v) is (x_0, eps) turned by an angle. How is a rotation undone?",
        "Multiply x_t by the factor that x_0 has in it, v by the factor that x_0 has in it, and add.",
        "Both factors are roots, and one of them has a minus: look at the sign of x_0 in v.",
    ),
    explains="No division: unlike the estimate from eps it stays harmless at every level.",
)


def weight(t: int, alpha_bar: Tensor) -> Tensor:
    """What the squared error of the noise costs in L_{t-1} with variance beta_t."""
    beta = schedules.betas(alpha_bar)[t]
    return beta / (2 * (1 - beta) * (1 - alpha_bar[t]))


def _weight(combine):
    def function(t: int, alpha_bar: Tensor) -> Tensor:
        return combine(schedules.betas(alpha_bar)[t], alpha_bar[t])

    return function


WEIGHT = Exercise(
    name="ddpm.weight",
    prompt="The factor of ‖eps - eps_hat‖² in L_{t-1}, in nats, if the model's variance is beta_t.",
    reference=weight,
    cases=lambda generator: [(t, random_alpha_bar(generator, 6)) for t in (2, 3, 6)],
    misconceptions=(
        Misconception(
            "forgot the 2",
            _weight(lambda beta, level: beta / ((1 - beta) * (1 - level))),
            "A Gaussian has the square over twice the variance in its exponent.",
            LOSS,
        ),
        Misconception(
            "forgot to divide by the variance",
            _weight(lambda beta, level: beta**2 / (2 * (1 - beta) * (1 - level))),
            "beta squared comes from the means; the variance beta below it cancels one of the two.",
            LOSS,
        ),
        Misconception(
            "left out alpha",
            _weight(lambda beta, level: beta / (2 * (1 - level))),
            "The mean of a step is divided by sqrt(alpha_t), and the weight is a square: alpha_t stands below.",
            LOSS,
        ),
        Misconception(
            "took alpha-bar for alpha",
            _weight(lambda beta, level: beta / (2 * level * (1 - level))),
            "The mean of a step is divided by sqrt(alpha_t), the shrinking of that one step.",
            LOSS,
        ),
        Misconception(
            "took the root of 1 - alpha-bar",
            _weight(lambda beta, level: beta / (2 * (1 - beta) * (1 - level).sqrt())),
            "In the mean stands the root; in its square, which is what costs, 1 - alpha-bar_t itself.",
            LOSS,
        ),
        Misconception(
            "gave the weight of L_simple",
            _weight(lambda beta, level: torch.ones_like(beta)),
            "L_simple sets all weights to 1. The bound does not, and that is the difference between the two.",
            LOSS,
        ),
        Misconception(
            "gave the weight of the error of x_0",
            _weight(lambda beta, level: beta * level / (2 * (1 - beta) * (1 - level) ** 2)),
            "An error of x_0 is one of eps times sqrt((1 - alpha-bar)/alpha-bar); the weight of eps was asked for.",
            LOSS,
        ),
    ),
    hints=(
        "L_{t-1} is the squared distance of two means over twice the variance.",
        "The two means differ by beta_t / (sqrt(alpha_t) sqrt(1 - alpha-bar_t)) times the difference of the noises.",
        "Square that factor and divide by 2 * beta: one beta cancels, and both roots disappear.",
    ),
    explains="It is largest for the first levels, which is why L_simple, with weight 1, cares more for the noisy ones.",
)
