"""Each broken autoencoder is broken in the way that the gallery describes."""

import pytest
import torch

from lib.ae import AutoEncoder, autoencoder_loss, reconstruction_loss
from lib.ae.failures import (
    CheckerboardAutoEncoder,
    CheckerboardDecoder,
    NoActivationAutoEncoder,
    SigmoidAutoEncoder,
    affine_gap,
    chessboard,
    shuffled_pairs_loss,
    unreachable_error,
    variety,
    without,
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
        model = SigmoidAutoEncoder(4, **SMALL)
        assert reconstruction_loss(model(x), x) > floor
        torch.nn.init.constant_(model.decoder[-2].bias, -50.0)  # asked for black, it answers with grey
        assert model(x).min() >= 0
    best = x.clamp(min=0)
    torch.testing.assert_close(reconstruction_loss(best, x), floor)


def test_without_activations_the_autoencoder_is_affine_and_with_them_it_is_not():
    """Convolution, upsampling and linear layers are affine, and so is any chain of them."""
    torch.manual_seed(0)
    x, y = pictures(3).double(), pictures(3, 1).double()
    assert affine_gap(NoActivationAutoEncoder(4, **SMALL).double(), x, y) < 1e-10
    assert affine_gap(AutoEncoder(4, **SMALL).double(), x, y) > 0.1


def test_normalisation_alone_keeps_the_autoencoder_from_being_affine():
    """GroupNorm divides by a spread that depends on the picture."""
    torch.manual_seed(0)
    model = AutoEncoder(4, **SMALL).double()
    model.encoder = without(model.encoder, torch.nn.SiLU, torch.nn.Tanh)
    model.decoder = without(model.decoder, torch.nn.SiLU, torch.nn.Tanh)
    x, y = pictures(3).double(), pictures(3, 1).double()
    assert affine_gap(model, x, y) > 0.1
    kept = {type(layer) for layer in [*model.encoder, *model.decoder]}
    assert torch.nn.GroupNorm in kept and not kept & {torch.nn.SiLU, torch.nn.Tanh}


@pytest.mark.parametrize("kernel", [3, 4])
def test_transposed_convolutions_write_a_chessboard_at_birth(kernel):
    """Their four pixel phases come from different weights; upsampling and a convolution treat all pixels alike."""

    def mean_board(build) -> float:
        values = []
        for seed in range(4):
            torch.manual_seed(seed)
            values.append(chessboard(build()(pictures(4))).item())
        return sum(values) / len(values)

    transposed = mean_board(lambda: CheckerboardAutoEncoder(4, kernel, **SMALL))
    assert transposed > 3 * mean_board(lambda: AutoEncoder(4, **SMALL))


def test_kernel_3_overlaps_unevenly_and_kernel_4_evenly():
    """Weights of 1 on a constant map count the contributions: 1, 2, 2, 4 with kernel 3, always 4 with kernel 4."""
    counts = {}
    for kernel in (3, 4):
        layer = next(m for m in CheckerboardDecoder(2, kernel, **SMALL) if isinstance(m, torch.nn.ConvTranspose2d))
        ones = torch.nn.ConvTranspose2d(1, 1, layer.kernel_size, 2, layer.padding, layer.output_padding, bias=False)
        torch.nn.init.ones_(ones.weight)
        inside = ones(torch.ones(1, 1, 6, 6))[0, 0, 4:6, 4:6]
        counts[kernel] = sorted(inside.flatten().tolist())
    assert counts == {3: [1, 2, 2, 4], 4: [4, 4, 4, 4]}
    with pytest.raises(ValueError, match="kernel must be 3 or 4"):
        CheckerboardDecoder(2, 5)


def test_a_chessboard_is_measured_and_stripes_slopes_and_passing_details_are_not():
    """The filter answers (-1)^(i+j) with itself; it has no answer to what changes along one axis only, and what is
    different in every picture cancels in their mean.
    """
    i = torch.arange(32)
    board = ((-1.0) ** (i[:, None] + i)).expand(2, 3, 32, 32)
    torch.testing.assert_close(chessboard(0.3 * board), torch.tensor(0.3))
    stripes = ((-1.0) ** i).expand(2, 3, 32, 32)
    assert chessboard(stripes + i[:, None] / 32) < 1e-6
    assert chessboard(pictures(400)) < 0.1 * chessboard(pictures(1))


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


def test_a_perfect_copy_has_loss_zero_unless_the_pairs_are_shuffled():
    """The question that finds a bug in the loss before any training: what does it say of a perfect answer?"""
    x, generator = pictures(20), torch.Generator().manual_seed(0)
    assert autoencoder_loss(torch.nn.Identity(), x, generator) == 0
    assert shuffled_pairs_loss(torch.nn.Identity(), x, generator) > 1000


def test_variety_is_zero_for_one_repeated_picture():
    """The variance over the set of a constant set is zero, and that of uniform noise in [-1, 1] is 1/3."""
    x = pictures(400)
    assert variety(x[:1].expand(5, -1, -1, -1)) == 0
    assert abs(variety(x) - 1 / 3) < 0.01
