"""Exercises about the way from picture to noise."""

import torch
from torch import Tensor

from lib.ddpm.exercises.cases import FORWARD, JUMP, column, double, random_alpha_bar, random_betas
from lib.ddpm.forward import q_sample
from lib.ddpm.schedules import from_betas
from lib.exercises import Exercise, Misconception


def _one() -> Tensor:
    return torch.ones(1, dtype=torch.float64)


ALPHA_BAR = Exercise(
    name="ddpm.alpha_bar",
    prompt="alpha_bar with T + 1 entries, from the T noise variances beta_1 … beta_T.",
    reference=from_betas,
    cases=lambda generator: [(random_betas(generator, 3),), (random_betas(generator, 6),)],
    misconceptions=(
        Misconception(
            "left out level 0",
            lambda betas: (1 - betas).cumprod(0),
            "These are the values for t = 1 … T. Level 0, the clean picture, has alpha_bar 1 and belongs in front, so "
            "that alpha_bar[t] is alpha-bar_t.",
            FORWARD,
        ),
        Misconception(
            "stopped at alpha",
            lambda betas: torch.cat([_one(), 1 - betas]),
            "alpha_t = 1 - beta_t is what one step leaves; alpha-bar_t is what all t steps together leave, a product.",
            FORWARD,
        ),
        Misconception(
            "multiplied the betas",
            lambda betas: torch.cat([_one(), betas.cumprod(0)]),
            "beta is what a step takes away; what stays is 1 - beta, and that is what multiplies up.",
            FORWARD,
        ),
        Misconception(
            "added the betas",
            lambda betas: torch.cat([_one(), 1 - betas.cumsum(0)]),
            "Each step shrinks what the steps before it have left, so shares multiply. A sum falls below zero in the "
            "end.",
            FORWARD,
        ),
        Misconception(
            "took the root",
            lambda betas: from_betas(betas).sqrt(),
            "The root is the factor of the picture; alpha_bar itself is a share of variance.",
            FORWARD,
        ),
        Misconception(
            "squared the factors",
            lambda betas: from_betas(betas).square(),
            "The picture is multiplied by sqrt(1 - beta), its variance by 1 - beta: nothing is squared.",
            FORWARD,
        ),
    ),
    hints=(
        "After one step a share 1 - beta_1 of the variance is left. After the second step, which share of that?",
        "A running product: torch.cumprod of 1 - betas. And which value has level 0?",
        "(1 - betas).cumprod(0) gives levels 1 to T; torch.cat puts a tensor that holds a single 1 in front of them.",
    ),
    explains="With the 1 in front, alpha_bar[t - 1] works at t = 1 as well, and no formula needs an exception.",
)


def _batches(generator: torch.Generator) -> list[tuple]:
    cases = []
    for num, size, levels in ((2, 1, [2, 1]), (3, 2, [1, 4, 3]), (3, 3, [5, 0, 2])):
        shape = (num, 3, size, size)
        x_0, eps, alpha_bar = double(generator, *shape), double(generator, *shape), random_alpha_bar(generator, 5)
        cases.append((x_0, torch.tensor(levels), eps, alpha_bar))
    return cases


def _jump(combine):
    """A misconception about the jump: ``combine(x_0, eps, level)`` with the level of each picture."""

    def function(x_0: Tensor, t: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
        return combine(x_0, eps, column(alpha_bar[t], x_0))

    return function


Q_SAMPLE = Exercise(
    name="ddpm.q_sample",
    prompt="Pictures x_0 of shape (B, C, H, W) at levels t of shape (B,): x_t, with the noise eps.",
    reference=q_sample,
    cases=_batches,
    misconceptions=(
        Misconception(
            "forgot both square roots",
            _jump(lambda x_0, eps, level: level * x_0 + (1 - level) * eps),
            "alpha_bar and 1 - alpha_bar are variances; what multiplies a picture is a standard deviation, their root. "
            "Without the roots the variance of x_t sinks to a half in the middle of the chain.",
            JUMP,
        ),
        Misconception(
            "took the variance for the standard deviation of the noise",
            _jump(lambda x_0, eps, level: level.sqrt() * x_0 + (1 - level) * eps),
            "1 - alpha_bar is the variance of the noise. eps has variance 1, so it must be multiplied by the root.",
            JUMP,
        ),
        Misconception(
            "forgot the root of alpha_bar",
            _jump(lambda x_0, eps, level: level * x_0 + (1 - level).sqrt() * eps),
            "Every step multiplies the picture by sqrt(1 - beta), so t steps multiply it by sqrt(alpha_bar_t).",
            JUMP,
        ),
        Misconception(
            "took 1 minus the root",
            _jump(lambda x_0, eps, level: level.sqrt() * x_0 + (1 - level.sqrt()) * eps),
            "The squares of the two factors must add up to 1, not the factors themselves.",
            JUMP,
        ),
        Misconception(
            "exchanged the two factors",
            _jump(lambda x_0, eps, level: (1 - level).sqrt() * x_0 + level.sqrt() * eps),
            "At t = 0, where alpha_bar is 1, this is pure noise. It should be the clean picture.",
            JUMP,
        ),
        Misconception(
            "did not shrink the picture",
            _jump(lambda x_0, eps, level: x_0 + (1 - level).sqrt() * eps),
            "DDPM shrinks the picture while noise is added, so that the variance stays where it is.",
            JUMP,
        ),
        Misconception(
            "took alpha for alpha_bar",
            lambda x_0, t, eps, alpha_bar: q_sample_with(x_0, eps, _alpha(alpha_bar)[t]),
            "That is one step's worth of noise. The jump from x_0 to x_t needs all t steps, so the one with the bar.",
            JUMP,
        ),
        Misconception(
            "is off by one",
            lambda x_0, t, eps, alpha_bar: q_sample_with(x_0, eps, alpha_bar[(t - 1).clamp(min=0)]),
            "In many libraries the arrays begin with the first noisy level and alpha-bar_t has the index t - 1. Here "
            "alpha_bar[0] is 1 and alpha_bar[t] is alpha-bar_t.",
            FORWARD,
        ),
        Misconception(
            "gave all pictures the level of the first",
            lambda x_0, t, eps, alpha_bar: q_sample_with(x_0, eps, alpha_bar[t[:1]]),
            "Every picture of the batch has a level of its own.",
            JUMP,
        ),
    ),
    hints=(
        "Two factors for each picture, one for x_0 and one for eps; their squares add up to 1.",
        "alpha_bar[t] has shape (B,). To meet a picture it needs three more axes: .reshape(-1, 1, 1, 1).",
        "With level = alpha_bar[t].reshape(-1, 1, 1, 1) the picture gets level.sqrt(). What does the noise get?",
    ),
    explains="One draw of noise does the work of t steps, which is what makes training at a random level possible.",
)


def q_sample_with(x_0: Tensor, eps: Tensor, level: Tensor) -> Tensor:
    """The jump with the right formula at levels that may be wrong."""
    level = column(level, x_0)
    return level.sqrt() * x_0 + (1 - level).sqrt() * eps


def _alpha(alpha_bar: Tensor) -> Tensor:
    """alpha_t with a 1 in front."""
    return torch.cat([alpha_bar[:1], alpha_bar[1:] / alpha_bar[:-1]])
