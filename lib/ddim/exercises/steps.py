"""Exercises about walking: the deterministic step, and the levels it visits."""

import torch
from torch import Tensor

from lib.ddim.exercises.cases import LEVELS, STEP, between, walks
from lib.ddim.sampling import ddim_step
from lib.ddim.subsequences import evenly
from lib.exercises import Exercise, Misconception


def step(x_t: Tensor, eps_hat: Tensor, t: int, s: int, alpha_bar: Tensor) -> Tensor:
    """DDIM without noise."""
    return ddim_step(x_t, eps_hat, t, s, alpha_bar)


def _picture(x: Tensor, e: Tensor, now: Tensor) -> Tensor:
    return (x - (1 - now).sqrt() * e) / now.sqrt()


STEP_DOWN = Exercise(
    name="ddim.step",
    prompt="x_s from x_t and eps_hat, for two levels t > s >= 1, without fresh noise.",
    reference=step,
    cases=walks,
    misconceptions=(
        Misconception(
            "stopped at the estimate of x_0",
            between(lambda x, e, now, s: _picture(x, e, now)),
            "That is only the first half. The picture still has to be brought back to level s.",
            STEP,
        ),
        Misconception(
            "left out the direction back to x_t",
            between(lambda x, e, now, s: s.sqrt() * _picture(x, e, now)),
            "Without sqrt(1 - alpha-bar_s) eps_hat the picture has no noise, and the network at s expects some.",
            STEP,
        ),
        Misconception(
            "forgot to dim the picture",
            between(lambda x, e, now, s: _picture(x, e, now) + (1 - s).sqrt() * e),
            "At level s the picture is multiplied by sqrt(alpha-bar_s).",
            STEP,
        ),
        Misconception(
            "did not divide the estimate",
            between(lambda x, e, now, s: s.sqrt() * (x - (1 - now).sqrt() * e) + (1 - s).sqrt() * e),
            "Taking the noise away leaves sqrt(alpha-bar_t) x_0; divide by the root, or the picture fades.",
            STEP,
        ),
        Misconception(
            "put the noise of level t back",
            between(lambda x, e, now, s: s.sqrt() * _picture(x, e, now) + (1 - now).sqrt() * e),
            "Level s has less noise: sqrt(1 - alpha-bar_s).",
            STEP,
        ),
        Misconception(
            "forgot the roots",
            between(lambda x, e, now, s: s * (x - (1 - now) * e) / now + (1 - s) * e),
            "alpha-bar is a variance; pictures and noises are multiplied by roots.",
            STEP,
        ),
        Misconception(
            "walked along the mean of DDPM",
            lambda x, e, t, s, alpha_bar: ddim_step(x, e, t, s, alpha_bar, torch.zeros_like(x), eta=1.0),
            "Leaving out DDPM's fresh noise is not enough: its mean keeps less of the old noise, because fresh noise "
            "was to follow.",
            STEP,
        ),
    ),
    hints=(
        "Two moves: from x_t to the estimate of x_0, and from there to level s, with the same noise.",
        "The second move is q_sample with eps_hat as its noise.",
        "x_0_hat = (x_t - sqrt(1 - alpha_bar[t]) eps_hat) / sqrt(alpha_bar[t]); then q_sample to s.",
    ),
    explains="The same x_T gives the same picture, however the generator is seeded.",
)


def levels(num_timesteps: int, num_steps: int) -> list[int]:
    """Rising, evenly spaced, ending at T."""
    return evenly(num_timesteps, num_steps)


SPACED = Exercise(
    name="ddim.levels",
    prompt="S rising levels of 1..T as a list: level number i, for i = 1..S, is the whole part of i · T / S.",
    reference=levels,
    cases=lambda generator: [(1000, 10), (1000, 7), (50, 50), (20, 3), (9, 4)],
    misconceptions=(
        Misconception(
            "began at level 0",
            lambda num_timesteps, num_steps: [i * num_timesteps // num_steps for i in range(num_steps)],
            "Level 0 is the clean picture, where no network is asked; and level T, where the noise is, is missing.",
            LEVELS,
        ),
        Misconception(
            "counted the levels in place of naming them",
            lambda num_timesteps, num_steps: list(range(1, num_steps + 1)),
            "1, 2, 3, … are the indices of the sub-sequence. The network has to be told the level of the long chain.",
            LEVELS,
        ),
        Misconception(
            "numbered the levels from 0",
            lambda num_timesteps, num_steps: [i * num_timesteps // num_steps - 1 for i in range(1, num_steps + 1)],
            "That is the numbering of libraries, whose timestep 0 is the first noisy level. Here that is level 1.",
            LEVELS,
        ),
        Misconception(
            "took strides of the whole part of T / S",
            lambda num_timesteps, num_steps: [i * (num_timesteps // num_steps) for i in range(1, num_steps + 1)],
            "Where S does not divide T, strides that are all cut off end below T.",
            LEVELS,
        ),
        Misconception(
            "began at level 1 in strides",
            lambda num_timesteps, num_steps: [1 + i * (num_timesteps // num_steps) for i in range(num_steps)],
            "That is the spacing called leading: its highest level is not T, and the walk begins in too little noise.",
            LEVELS,
        ),
        Misconception(
            "listed them from the top",
            lambda num_timesteps, num_steps: evenly(num_timesteps, num_steps)[::-1],
            "The walk goes down, the list goes up: the sampler turns it round.",
            LEVELS,
        ),
    ),
    hints=(
        "The last level is T, the first is about T / S.",
        "Whole parts are what // gives.",
        "[i * T // S for i in range(1, S + 1)]: multiply first.",
    ),
    explains="Nothing but the levels is chosen anew: the network stays as it was trained.",
)
