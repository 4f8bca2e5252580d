"""Exercises about codes: projecting onto principal components, walking between codes, describing and drawing from
them.
"""

import torch
from torch import Tensor

from lib.ae.codes import interpolate
from lib.exercises import Exercise, Misconception

FLAT = "The flat autoencoder"
GENERATOR = "Is the decoder a generator"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def project(x: Tensor, mean: Tensor, components: Tensor) -> Tensor:
    """The point of the flat sheet (mean, orthonormal rows) that is nearest to each row of x."""
    return mean + (x - mean) @ components.T @ components


def _sheets(generator: torch.Generator) -> list[tuple]:
    cases = []
    for num, width, dim in ((2, 3, 1), (5, 6, 2)):
        rows = torch.linalg.qr(_double(generator, width, dim)).Q.T
        cases.append((_double(generator, num, width) + 1, _double(generator, width), rows))
    return cases


PROJECT = Exercise(
    name="ae.project",
    prompt="Project each row of x onto the flat sheet through mean that the orthonormal rows of components span.",
    reference=project,
    cases=_sheets,
    misconceptions=(
        Misconception(
            "forgot to subtract the mean",
            lambda x, mean, components: mean + x @ components.T @ components,
            "The components are directions seen from the mean, so the coordinates are those of x - mean.",
            FLAT,
        ),
        Misconception(
            "forgot to add the mean again",
            lambda x, mean, components: (x - mean) @ components.T @ components,
            "What you have is the way from the mean to the nearest point; the point itself is the mean plus that way.",
            FLAT,
        ),
        Misconception(
            "left the mean out",
            lambda x, mean, components: x @ components.T @ components,
            "That projects onto the parallel sheet through the origin, and the cloud is not centred there.",
            FLAT,
        ),
        Misconception(
            "returned what is lost",
            lambda x, mean, components: (x - mean) - (x - mean) @ components.T @ components,
            "This is the residual, orthogonal to the sheet: what the reconstruction misses.",
            FLAT,
        ),
        Misconception(
            "stopped at the code",
            lambda x, mean, components: (x - mean) @ components.T,
            "These are the coordinates on the sheet. The decoder turns them into a point again.",
            FLAT,
        ),
        Misconception(
            "encoded without the transpose",
            lambda x, mean, components: mean + (x - mean) @ components @ components.T,
            "The rows of components are the directions. The coordinates of a point are its inner products with these "
            "rows, and a matrix product takes its inner products with columns: components.T.",
            FLAT,
        ),
        Misconception(
            "decoded with the transpose",
            lambda x, mean, components: mean + (x - mean) @ components.T @ components.T,
            "Encoding took components.T. Decoding adds up the rows themselves, each times its coordinate: code @ "
            "components.",
            FLAT,
        ),
    ),
    hints=(
        "There are four moves: subtract the mean, encode, decode, add the mean.",
        "Take one component v and one centred row y. The nearest point on the line along v is (y · v) v: a number, the "
        "code, times the direction. Several components at right angles: add up such terms.",
        "All numbers y · v at once are a matrix product with components.T, of shape (N, D). Times components it is "
        "the sum of the terms. Then the mean.",
    ),
    explains="Do it twice and nothing changes: a point on the sheet is its own reconstruction.",
)

INTERPOLATE = Exercise(
    name="ae.interpolate",
    prompt="num_steps equally spaced codes on the straight line from z_a to z_b, both ends included.",
    reference=interpolate,
    cases=lambda g: [(_double(g, 2), _double(g, 2), 3), (_double(g, 4), _double(g, 4), 6)],
    misconceptions=(
        Misconception(
            "stopped before the end",
            lambda z_a, z_b, num_steps: z_a + (torch.arange(num_steps) / num_steps)[:, None].double() * (z_b - z_a),
            "With weights 0, 1/n, 2/n … the last one is short of 1; n points have n - 1 gaps.",
            GENERATOR,
        ),
        Misconception(
            "left both ends out",
            lambda z_a, z_b, num_steps: interpolate(z_a, z_b, num_steps + 2)[1:-1],
            "The first code must be z_a itself and the last z_b.",
            GENERATOR,
        ),
        Misconception(
            "walked backwards",
            lambda z_a, z_b, num_steps: interpolate(z_b, z_a, num_steps),
            "The walk starts at z_a: there the weight of z_b is zero.",
            GENERATOR,
        ),
        Misconception(
            "kept all of z_a",
            lambda z_a, z_b, num_steps: z_a + torch.linspace(0, 1, num_steps)[:, None].double() * z_b,
            "The two weights must add up to 1; here the walk ends at z_a + z_b.",
            GENERATOR,
        ),
        Misconception(
            "walked along an arc",
            lambda z_a, z_b, num_steps: _slerp(z_a, z_b, num_steps),
            "Weights made of sines keep to a sphere. That is for Gaussian noise (chapter 5); a straight line was "
            "asked for.",
            GENERATOR,
        ),
        Misconception(
            "left the shares in a row",
            lambda z_a, z_b, num_steps: torch.linspace(0, 1, num_steps, dtype=z_a.dtype) * z_a + z_b,
            "num_steps shares meet D numbers of a code, and they do not fit. As a column, shares[:, None], they make "
            "one row for every share.",
            GENERATOR,
        ),
    ),
    hints=(
        "A point on the line is a mixture: some share of z_b, and the rest of z_a.",
        "For three steps the shares of z_b are 0, 1/2 and 1: torch.linspace(0, 1, 3). Work out the three rows for "
        "z_a = [0, 0], z_b = [2, 4] by hand: [0, 0], [1, 2], [2, 4].",
        "The shares must be a column, [:, None], so that each of them multiplies a whole code; z_a gets what z_b "
        "leaves, 1 minus the share.",
    ),
    explains="The line is straight for the codes; what the decoder makes of it is the question.",
)


def _slerp(z_a: Tensor, z_b: Tensor, num_steps: int) -> Tensor:
    angle = torch.acos(z_a @ z_b / (z_a.norm() * z_b.norm()))
    share = torch.linspace(0, 1, num_steps, dtype=z_a.dtype)[:, None]
    return (((1 - share) * angle).sin() * z_a + (share * angle).sin() * z_b) / angle.sin()
