"""Each broken autoencoder is broken in the way that the gallery describes."""

import torch

from lib.ae import AutoEncoder, reconstruction_loss
from lib.ae.failures import (
    CheckerboardAutoEncoder,
    NoActivationAutoEncoder,
    SigmoidAutoEncoder,
    affine_gap,
    phase_spread,
    shuffled_pairs_loss,
    unreachable_error,
    variety,
)

SMALL = {"channels": (4, 8, 8, 8), "hidden": 16}


def pictures(num: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(num, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_a_sigmoid_cannot_go_below_the_unreachable_error():
    """Outputs in (0, 1) miss each negative value by at least its size, so the floor holds for every model and
    every training.
    """
    x = pictures(6)
    floor = unreachable_error(x).mean()
    for seed in range(3):
        torch.manual_seed(seed)
        assert reconstruction_loss(SigmoidAutoEncoder(4, **SMALL)(x), x) > floor
    best = x.clamp(min=0)
    torch.testing.assert_close(reconstruction_loss(best, x), floor)


def test_without_activations_the_autoencoder_is_affine_and_with_them_it_is_not():
    """Convolution, upsampling and linear layers are affine, and so is any chain of them."""
    torch.manual_seed(0)
    x, y = pictures(3).double(), pictures(3, 1).double()
    assert affine_gap(NoActivationAutoEncoder(4, **SMALL).double(), x, y) < 1e-10
    assert affine_gap(AutoEncoder(4, **SMALL).double(), x, y) > 0.1


def test_transposed_convolutions_write_a_chessboard_at_birth():
    """Kernel 3 at stride 2 overlaps unevenly; upsampling followed by a convolution treats all pixels alike."""
    spreads = {}
    for build in (AutoEncoder, CheckerboardAutoEncoder):
        values = []
        for seed in range(4):
            torch.manual_seed(seed)
            values.append(phase_spread(build(4, **SMALL)(pictures(4))).item())
        spreads[build] = sum(values) / len(values)
    assert spreads[CheckerboardAutoEncoder] > 5 * spreads[AutoEncoder]


def test_a_chessboard_is_measured_and_a_picture_is_not():
    """The four phases of the pattern (-1)^(i+j) have means +1, -1, -1, +1: a spread of 2/sqrt(3)."""
    i = torch.arange(32)
    board = ((-1.0) ** (i[:, None] + i)).expand(2, 3, 32, 32)
    torch.testing.assert_close(phase_spread(board), torch.tensor(2 / 3**0.5))
    assert phase_spread(torch.full((2, 3, 32, 32), 0.7)) == 0


def test_shuffled_pairs_pull_towards_the_mean_picture():
    """For a target that is independent of the input the best output is the mean: its expected loss is below that
    of the true pictures.
    """
    x = pictures(200)
    mean = torch.nn.Parameter(x.mean(0, keepdim=True))

    class Copy(torch.nn.Module):
        def forward(self, x):
            return x

    class Mean(torch.nn.Module):
        def forward(self, x):
            return mean.expand_as(x)

    generator = torch.Generator().manual_seed(0)
    assert shuffled_pairs_loss(Mean(), x, generator) < 0.6 * shuffled_pairs_loss(Copy(), x, generator)


def test_variety_is_zero_for_one_repeated_picture():
    """The variance over the set of a constant set is zero, and that of uniform noise in [-1, 1] is 1/3."""
    x = pictures(400)
    assert variety(x[:1].expand(5, -1, -1, -1)) == 0
    assert abs(variety(x) - 1 / 3) < 0.01
