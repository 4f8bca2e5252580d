"""The exercise about one step of the sampler."""

import torch
from torch import Tensor

from lib.ddpm.exercises.cases import SAMPLING, double, random_alpha_bar
from lib.ddpm.sampling import ancestral_step
from lib.exercises import Exercise, Misconception


def step(x_t: Tensor, eps_hat: Tensor, t: int, alpha_bar: Tensor, z: Tensor) -> Tensor:
    """Algorithm 2 of the paper, with variance beta_t."""
    return ancestral_step(x_t, eps_hat, t, t - 1, alpha_bar, z, variance="beta")


def _walks(generator: torch.Generator) -> list[tuple]:
    cases = []
    for num, t in ((1, 3), (1, 1), (2, 5)):
        x_t, eps_hat, z = double(generator, 3, num, 2)
        cases.append((x_t, eps_hat, t, random_alpha_bar(generator, 5), z))
    return cases


def _step(combine):
    """A misconception: ``combine(x_t, eps_hat, z, now, alpha, beta)``; z is already 0 at t = 1."""

    def function(x_t: Tensor, eps_hat: Tensor, t: int, alpha_bar: Tensor, z: Tensor) -> Tensor:
        alpha = alpha_bar[t] / alpha_bar[t - 1]
        return combine(x_t, eps_hat, z if t > 1 else 0 * z, alpha_bar[t], alpha, 1 - alpha)

    return function


def _noise_to_the_end(x_t: Tensor, eps_hat: Tensor, t: int, alpha_bar: Tensor, z: Tensor) -> Tensor:
    beta = 1 - alpha_bar[t] / alpha_bar[t - 1]
    return (x_t - beta / (1 - alpha_bar[t]).sqrt() * eps_hat) / (1 - beta).sqrt() + beta.sqrt() * z


STEP = Exercise(
    name="ddpm.step",
    prompt="x_{t-1} from x_t and eps_hat as in algorithm 2, with variance beta_t; z is fresh noise.",
    reference=step,
    cases=_walks,
    misconceptions=(
        Misconception(
            "added noise at the last step",
            _noise_to_the_end,
            "At t = 1 the mean is the finished picture. Noise that is added there is never taken away again.",
            SAMPLING,
        ),
        Misconception(
            "took the variance for the standard deviation",
            _step(lambda x, e, z, now, a, b: (x - b / (1 - now).sqrt() * e) / a.sqrt() + b * z),
            "z has variance 1, so it is multiplied by the root of beta.",
            SAMPLING,
        ),
        Misconception(
            "removed all the noise at once",
            _step(lambda x, e, z, now, a, b: (x - (1 - now).sqrt() * e) / now.sqrt() + b.sqrt() * z),
            "That jumps to the estimate of x_0 at every step, and then adds the noise of one step only.",
            SAMPLING,
        ),
        Misconception(
            "forgot the root of 1 - alpha-bar",
            _step(lambda x, e, z, now, a, b: (x - b / (1 - now) * e) / a.sqrt() + b.sqrt() * z),
            "The share of the noise that one step may remove is beta_t over the *root* of 1 - alpha-bar_t.",
            SAMPLING,
        ),
        Misconception(
            "divided by the root of alpha-bar",
            _step(lambda x, e, z, now, a, b: (x - b / (1 - now).sqrt() * e) / now.sqrt() + b.sqrt() * z),
            "One step shrank the picture by sqrt(alpha_t), so one step back divides by that, not by all of "
            "sqrt(alpha-bar_t).",
            SAMPLING,
        ),
        Misconception(
            "removed the noise of one step",
            _step(lambda x, e, z, now, a, b: (x - b.sqrt() * e) / a.sqrt() + b.sqrt() * z),
            "That solves the forward rule as if eps_hat were the noise of this step. It is the total noise; the step "
            "brought only a share of it, hence beta_t over the root of 1 - alpha-bar_t.",
            SAMPLING,
        ),
        Misconception(
            "forgot to divide",
            _step(lambda x, e, z, now, a, b: x - b / (1 - now).sqrt() * e + b.sqrt() * z),
            "The step up shrank the picture by sqrt(alpha_t). The step back has to undo that.",
            SAMPLING,
        ),
        Misconception(
            "added the estimated noise",
            _step(lambda x, e, z, now, a, b: (x + b / (1 - now).sqrt() * e) / a.sqrt() + b.sqrt() * z),
            "eps_hat is noise that is in the picture; it is taken away.",
            SAMPLING,
        ),
        Misconception(
            "forgot the fresh noise",
            _step(lambda x, e, z, now, a, b: (x - b / (1 - now).sqrt() * e) / a.sqrt()),
            "This is the mean of the step alone. Walking along means only, samples run together in the middle.",
            SAMPLING,
        ),
    ),
    hints=(
        "Three moves: take away a little of the noise, undo the shrinking of one step, add fresh noise.",
        "The little is beta_t / sqrt(1 - alpha-bar_t) times eps_hat; the shrinking was sqrt(1 - beta_t).",
        "Two moves in one line, with beta = 1 - alpha_bar[t] / alpha_bar[t-1]; then z times a root, if t > 1.",
    ),
    explains="It is the posterior mean with the estimate of x_0 put in, written in terms of the noise.",
)
