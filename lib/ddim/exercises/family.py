"""Exercises about the family: a weight, a limit, and two steps in one."""

from collections.abc import Callable

import torch
from torch import Tensor

from lib.ddim.exercises.cases import FAMILY, PAIRS, SHARE, schedule
from lib.ddim.family import mean_coefficients
from lib.ddim.sampling import sigma_hat
from lib.exercises import Exercise, Misconception

TRIPLES = ((4, 3, 1), (5, 3, 2), (5, 2, 1))
"""Levels t, m and s of two steps in a chain of five."""


def _on(combine: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """An answer ``combine(now, below)`` with alpha-bar at t and at s."""
    return lambda alpha_bar, t, s: combine(alpha_bar[t], alpha_bar[s])


# ---- sigma-hat as a member


def old_noise(alpha_bar: Tensor, t: int, s: int) -> Tensor:
    """b of the member whose fresh noise is sigma-hat."""
    return mean_coefficients(alpha_bar, t, sigma_hat(alpha_bar, t, s), s)[1]


def _roomy(generator: torch.Generator) -> Tensor:
    """A chain whose first step is large and the others small, so that every pair of levels has room for sigma-hat."""
    share = torch.rand(5, generator=generator, dtype=torch.float64)
    alpha = torch.cat([torch.ones(1), 0.2 + 0.3 * share[:1], 0.9 + 0.08 * share[1:]])
    return alpha.cumprod(0)


MEND = Exercise(
    name="ddim.mend",
    prompt="The weight b of x_t that makes a step with fresh noise of variance 1 - alpha-bar_t / alpha-bar_s a member.",
    reference=old_noise,
    cases=lambda generator: [(_roomy(generator), t, s) for t, s in PAIRS],
    misconceptions=(
        Misconception(
            "kept the weight of eta = 1",
            _on(lambda now, s: (1 - s) / (1 - now) * (now / s).sqrt()),
            "That is what the sampler with sigma-hat does. More fresh noise has to be paid for by the old noise.",
            FAMILY,
        ),
        Misconception(
            "left no room for the fresh noise",
            _on(lambda now, s: ((1 - s) / (1 - now)).sqrt()),
            "Old and fresh noise share the variance 1 - alpha-bar_s. The old one keeps what is left after sigma².",
            FAMILY,
        ),
        Misconception(
            "took away sigma in place of its square",
            _on(lambda now, s: ((1 - s - (1 - now / s).sqrt()).abs() / (1 - now)).sqrt()),
            "Variances add up, standard deviations do not: the room is 1 - alpha-bar_s - sigma².",
            FAMILY,
        ),
        Misconception(
            "forgot what x_t has already",
            _on(lambda now, s: (now / s - s).sqrt()),
            "That is the size of the old noise at level s. In x_t it has the size sqrt(1 - alpha-bar_t): divide by it.",
            FAMILY,
        ),
        Misconception(
            "forgot the root",
            _on(lambda now, s: (now / s - s) / (1 - now)),
            "The demand is on the variance, and there b comes squared.",
            FAMILY,
        ),
        Misconception(
            "took a single step's beta",
            lambda alpha_bar, t, s: (
                (alpha_bar[t] / alpha_bar[t - 1] - alpha_bar[s]).clamp(min=0) / (1 - alpha_bar[t])
            ).sqrt(),
            "From t to s in one stride the noise is 1 - alpha-bar_t / alpha-bar_s, all of it between the two levels.",
            SHARE,
        ),
    ),
    hints=(
        "Only one of the two demands is needed, the one on the variance of level s.",
        "What x_t brings with it has the variance b² (1 - alpha-bar_t); the fresh noise brings its own.",
        "Set the sum of the two to 1 - alpha-bar_s and solve for b; one term cancels.",
    ),
    explains="There is no such b once alpha-bar_t is below the square of alpha-bar_s: the step is too long.",
)


# ---- the largest eta


def limit(alpha_bar: Tensor, t: int, s: int) -> Tensor:
    """The largest eta of a step."""
    now, below = alpha_bar[t], alpha_bar[s]
    return ((1 - now) / (1 - now / below)).sqrt()


LIMIT = Exercise(
    name="ddim.limit",
    prompt="The largest eta that a step from level t to level s can have, s >= 1.",
    reference=limit,
    cases=lambda generator: [(schedule(generator), t, s) for t, s in PAIRS],
    misconceptions=(
        Misconception(
            "took DDPM for the edge",
            lambda alpha_bar, t, s: torch.ones((), dtype=torch.float64),
            "eta = 1 is DDPM, and DDPM still looks at x_t. The family ends where no room for the old noise is left.",
            SHARE,
        ),
        Misconception(
            "answered with the largest sigma",
            _on(lambda now, s: (1 - s).sqrt()),
            "That is the largest standard deviation. eta is how many times that of DDPM it is.",
            SHARE,
        ),
        Misconception(
            "measured in units of sigma-hat",
            _on(lambda now, s: ((1 - s) / (1 - now / s)).sqrt()),
            "eta counts in units of sqrt(beta-tilde), the smaller noise of DDPM.",
            SHARE,
        ),
        Misconception(
            "forgot the root",
            _on(lambda now, s: (1 - now) / (1 - now / s)),
            "That is the largest eta²: eta multiplies the standard deviation.",
            SHARE,
        ),
        Misconception(
            "turned the ratio over",
            _on(lambda now, s: ((1 - now / s) / (1 - now)).sqrt()),
            "The whole room of level s is more than DDPM uses of it, so the answer is above 1.",
            SHARE,
        ),
        Misconception(
            "took a single step's beta",
            lambda alpha_bar, t, s: ((1 - alpha_bar[t]) / (1 - alpha_bar[t] / alpha_bar[t - 1])).sqrt(),
            "From t to s in one stride beta is 1 - alpha-bar_t / alpha-bar_s, all the noise between the levels.",
            SHARE,
        ),
    ),
    hints=(
        "sigma cannot be larger than the whole noise of its level.",
        "Put sigma_t(eta) into the bound of step 6, as an equality.",
        "1 - alpha-bar_s stands on both sides; what is left is an equation for eta².",
    ),
    explains="It is above 1 at every step, and there x_s is made from the picture and fresh noise alone.",
)


# ---- two steps in one


def two_steps(alpha_bar: Tensor, t: int, m: int, s: int, sigma_1: Tensor, sigma_2: Tensor) -> Tensor:
    """sigma of the one step from t to s that does what steps from t to m and from m to s do."""
    _, carried = mean_coefficients(alpha_bar, m, sigma_2, s)
    return (carried.square() * sigma_1.square() + sigma_2.square()).sqrt()


def _two_step_cases(generator: torch.Generator) -> list[tuple]:
    cases = []
    for t, m, s in TRIPLES:
        alpha_bar, shares = schedule(generator), 0.3 + 0.5 * torch.rand(2, generator=generator, dtype=torch.float64)
        cases.append((alpha_bar, t, m, s, *(shares * (1 - alpha_bar[[m, s]]).sqrt())))
    return cases


def _two(combine: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """An answer ``combine(middle, below, sigma_1, sigma_2)`` with alpha-bar at m and at s."""
    return lambda alpha_bar, t, m, s, sigma_1, sigma_2: combine(alpha_bar[m], alpha_bar[s], sigma_1, sigma_2)


TWO_STEPS = Exercise(
    name="ddim.two_steps",
    prompt="sigma of the one step from t to s that equals two steps, t to m with sigma_1 and m to s with sigma_2.",
    reference=two_steps,
    cases=_two_step_cases,
    misconceptions=(
        Misconception(
            "added the variances as they are",
            _two(lambda m, s, one, two: (one**2 + two**2).sqrt()),
            "The first noise does not arrive in full: the second step multiplies x_m, and all that is in it, by its b.",
            FAMILY,
        ),
        Misconception(
            "kept the noise of the second step only",
            _two(lambda m, s, one, two: two),
            "The noise of the first step is in x_m, and the second step keeps a part of it.",
            FAMILY,
        ),
        Misconception(
            "dimmed the first noise like a picture",
            _two(lambda m, s, one, two: (s / m * one**2 + two**2).sqrt()),
            "Noise does not follow the brightness of the picture. What multiplies x_m in the second step is b.",
            FAMILY,
        ),
        Misconception(
            "left no room in the second step",
            _two(lambda m, s, one, two: ((1 - s) / (1 - m) * one**2 + two**2).sqrt()),
            "b of the second step is smaller when that step adds noise of its own.",
            FAMILY,
        ),
        Misconception(
            "carried the variance with b",
            _two(lambda m, s, one, two: (((1 - s - two**2) / (1 - m)).sqrt() * one**2 + two**2).sqrt()),
            "b multiplies the noise, so its square multiplies the variance.",
            FAMILY,
        ),
        Misconception(
            "added standard deviations",
            _two(lambda m, s, one, two: ((1 - s - two**2) / (1 - m)).sqrt() * one + two),
            "Two independent noises are one whose variance is the sum.",
            FAMILY,
        ),
        Misconception(
            "answered with the variance",
            _two(lambda m, s, one, two: (1 - s - two**2) / (1 - m) * one**2 + two**2),
            "sigma is its root.",
            FAMILY,
        ),
    ),
    hints=(
        "Write the second step down, and put the first one in where x_m stands. Which terms are fresh noise?",
        "The noise of the first step arrives multiplied by b of the second.",
        "That b² is what sigma_2 leaves of the room at s, over the noise at m; then two independent noises are one.",
    ),
    explains="With eta = 1 in both steps it is eta = 1 for the long one, and with eta = 0 in both it is 0.",
)
