"""The exercise about how the network is told the level."""

import math

import torch
from torch import Tensor

from lib.ddpm.blocks import timestep_embedding
from lib.ddpm.exercises.cases import NETWORK
from lib.exercises import Exercise, Misconception


def _angles(t: Tensor, dim: int, last: int, base: float = 10000.0) -> Tensor:
    return t[:, None] * torch.exp(-math.log(base) * torch.arange(dim // 2) / last)


def _waves(first: Tensor, second: Tensor) -> Tensor:
    return torch.cat([first, second], dim=1)


def _interleaved(t: Tensor, dim: int) -> Tensor:
    angles = _angles(t, dim, dim // 2 - 1)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)


TIME_EMBEDDING = Exercise(
    name="ddpm.time_embedding",
    prompt="Waves of the level as in DDPM's code: dim/2 sines, then dim/2 cosines, with frequencies falling by equal "
    "factors from 1 to exactly 1/10000; t has shape (B,), dim is even.",
    reference=timestep_embedding,
    cases=lambda generator: [(torch.tensor([3]), 4), (torch.randint(1, 1000, (3,), generator=generator), 8)],
    misconceptions=(
        Misconception(
            "put the cosines first",
            lambda t, dim: timestep_embedding(t, dim, cosine_first=True),
            "Either order works if the network is trained with it, but weights trained with one do not fit the other.",
            NETWORK,
        ),
        Misconception(
            "stopped before the last frequency",
            lambda t, dim: timestep_embedding(t, dim, shift=0.0),
            "dim/2 frequencies from 1 to 1/10000 have dim/2 - 1 gaps between them: the exponent is i / (dim/2 - 1).",
            NETWORK,
        ),
        Misconception(
            "mixed sines and cosines",
            _interleaved,
            "Here all sines come first. Taking turns is the order of the transformer paper.",
            NETWORK,
        ),
        Misconception(
            "took rising frequencies",
            lambda t, dim: _waves(
                *(f(t[:, None] * 10000 ** (torch.arange(dim // 2) / (dim // 2 - 1))) for f in (torch.sin, torch.cos))
            ),
            "The exponent is negative: the fastest wave turns by one radian a step, all others more slowly.",
            NETWORK,
        ),
        Misconception(
            "spaced the frequencies evenly",
            lambda t, dim: _waves(*(f(t[:, None] * torch.linspace(1, 1e-4, dim // 2)) for f in (torch.sin, torch.cos))),
            "Equal factors, not equal differences: otherwise almost all waves are fast and none is slow.",
            NETWORK,
        ),
    ),
    hints=(
        "First the frequencies, then the product with t (every level with every frequency), then sine and cosine.",
        "frequencies = exp(-log(10000) * i / (dim/2 - 1)) for i = 0 … dim/2 - 1.",
        "t[:, None].float() times frequencies has shape (B, dim/2): its sines and its cosines stand beside each other.",
    ),
    explains="Fast waves tell neighbouring levels apart, slow ones tell early from late.",
    rtol=1e-4,
    atol=1e-4,
)
