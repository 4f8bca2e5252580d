"""The exercise about the levels that are visited."""

from lib.ddim.exercises.cases import LEVELS
from lib.ddim.subsequences import evenly
from lib.exercises import Exercise, Misconception


def levels(num_timesteps: int, num_steps: int) -> list[int]:
    """Rising, evenly spaced, ending at T."""
    return evenly(num_timesteps, num_steps)


SPACED = Exercise(
    name="ddim.levels",
    prompt="S rising levels of 1..T as a list, strides as equal as whole numbers allow, rounded down, ending at T.",
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
        "The walk starts from pure noise: which level must be in the list?",
        "Level number i lies at the fraction i / S of the way, and // rounds down.",
        "Round once, at the end: multiply by i before you divide.",
    ),
    explains="The last is T, where there is nothing but noise; from the first, about T / S, one step leads to 0.",
)
