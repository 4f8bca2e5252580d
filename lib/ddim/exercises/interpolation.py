"""The exercise about walking between two noises."""

import torch
from torch import Tensor

from lib.ddim.exercises.cases import INTERPOLATION
from lib.ddim.interpolation import slerp
from lib.ddpm.exercises.cases import double
from lib.exercises import Exercise, Misconception


def arc(first: Tensor, second: Tensor, share: float) -> Tensor:
    """The arc between two vectors."""
    return slerp(first[None], second[None], share)[0]


def _slerp(combine):
    """A misconception: ``combine(a, b, share, angle)``."""

    def function(a: Tensor, b: Tensor, share: float) -> Tensor:
        return combine(a, b, share, torch.arccos((a * b).sum() / (a.norm() * b.norm())))

    return function


def _of_lengths_ignored(a: Tensor, b: Tensor, share: float) -> Tensor:
    angle = torch.arccos((a * b).sum().clamp(-1, 1))
    return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)


SLERP = Exercise(
    name="ddim.slerp",
    prompt="The point at ``share`` of the arc from the vector first to the vector second, by spherical interpolation.",
    reference=arc,
    cases=lambda generator: [
        (double(generator, num), double(generator, num), share) for num, share in ((3, 0.25), (5, 0.6), (8, 0.9))
    ],
    misconceptions=(
        Misconception(
            "took the straight line",
            _slerp(lambda a, b, share, angle: (1 - share) * a + share * b),
            "The chord leaves the shell on which noise lives: in its middle the norm is 0.71 of what it should be.",
            INTERPOLATION,
        ),
        Misconception(
            "exchanged the two ends",
            _slerp(lambda a, b, share, angle: (share * angle).sin() / angle.sin() * a
                   + ((1 - share) * angle).sin() / angle.sin() * b),
            "At share 0 the point is the first vector: its factor is the one with 1 - share.",
            INTERPOLATION,
        ),
        Misconception(
            "forgot to divide by the sine of the angle",
            _slerp(lambda a, b, share, angle: ((1 - share) * angle).sin() * a + (share * angle).sin() * b),
            "At share 0 the factor of the first vector has to be 1, and sin(angle) is not.",
            INTERPOLATION,
        ),
        Misconception(
            "took every angle for a right one",
            _slerp(lambda a, b, share, angle: torch.cos(torch.tensor(share * torch.pi / 2)) * a
                   + torch.sin(torch.tensor(share * torch.pi / 2)) * b),
            "Two noises are almost orthogonal, not exactly, and two inverted pictures are not at all.",
            INTERPOLATION,
        ),
        Misconception(
            "forgot the lengths in the angle",
            _of_lengths_ignored,
            "The scalar product is the cosine for unit vectors only; divide by both lengths.",
            INTERPOLATION,
        ),
    ),
    hints=(
        "The angle between the two comes from their scalar product and their lengths.",
        "Each vector has a factor that is a sine over the sine of the whole angle.",
        "At share 0 the factors must be 1 and 0, at share 1 they must be 0 and 1.",
    ),
    explains="Between vectors of one length the length stays the same, whatever the angle.",
)  # fmt: skip
