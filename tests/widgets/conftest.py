"""Makes the shared browser of the tests importable, and small networks to show."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))


def small_decoder(seed: int, latent_dim: int = 2) -> nn.Sequential:
    """A decoder with random weights that makes 16 x 16 pictures."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(latent_dim, 32),
        nn.SiLU(),
        nn.Linear(32, 8 * 16),
        nn.Unflatten(1, (8, 4, 4)),
        nn.ConvTranspose2d(8, 8, 4, 2, 1),
        nn.SiLU(),
        nn.ConvTranspose2d(8, 3, 4, 2, 1),
        nn.Tanh(),
    )


@pytest.fixture
def decoder():
    """Makes decoders: ``decoder(seed)``."""
    return small_decoder
