"""Exercises about layers and losses: the size of a feature map, the loss, the PSNR."""

import math

import torch
from torch import Tensor

from lib.ae.loss import reconstruction_loss
from lib.exercises import Exercise, Misconception

LAYERS = "Layer by layer"
LOSS = "What is minimised"
DECIBELS = "How close is close"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def feature_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Height of the output of a convolution: how often the kernel fits into the padded picture."""
    return (size + 2 * padding - kernel) // stride + 1


FEATURE_SIZE = Exercise(
    name="ae.feature_size",
    prompt="The height of what leaves a convolution, from the height of what enters it.",
    reference=feature_size,
    cases=lambda generator: [(32, 3, 2, 1), (28, 5, 3, 2), (9, 2, 1, 0), (11, 1, 4, 3), (16, 4, 2, 1), (33, 3, 2, 0)],
    misconceptions=(
        Misconception(
            "padded one side only",
            lambda size, kernel, stride, padding: (size + padding - kernel) // stride + 1,
            "Padding adds rows above and below, so the picture grows by twice the padding.",
            LAYERS,
        ),
        Misconception(
            "counted steps, not positions",
            lambda size, kernel, stride, padding: (size + 2 * padding - kernel) // stride,
            "The division counts how many steps the kernel can take; the position it starts from counts as well.",
            LAYERS,
        ),
        Misconception(
            "rounded up",
            lambda size, kernel, stride, padding: -(-(size + 2 * padding - kernel) // stride) + 1,
            "A step that would carry the kernel over the edge is not taken, so the division rounds down.",
            LAYERS,
        ),
        Misconception(
            "forgot the kernel",
            lambda size, kernel, stride, padding: (size + 2 * padding) // stride,
            "A wide kernel reaches the edge earlier, so its width must be taken off first.",
            LAYERS,
        ),
        Misconception(
            "forgot the padding",
            lambda size, kernel, stride, padding: (size - kernel) // stride + 1,
            "The kernel also visits the rows of zeros around the picture.",
            LAYERS,
        ),
    ),
    hints=(
        "Write the rows of a picture of height 5 on paper and lay a kernel of 3 on them with stride 2. How many "
        "positions?",
        "The picture has size + 2 * padding rows. The kernel starts at the top; how far can its first row travel?",
        "It can travel size + 2 * padding - kernel rows, in whole steps of stride; then count the starting position.",
    ),
    explains="Kernel 3, stride 2 and padding 1 halve every even size: 32, 16, 8, 4.",
)


def _mean_of_everything(x_hat: Tensor, x: Tensor) -> Tensor:
    return (x_hat - x).square().mean()


LOSS_EXERCISE = Exercise(
    name="ae.loss",
    prompt="Squared distance between picture and reconstruction, summed over a picture and averaged over the batch.",
    reference=reconstruction_loss,
    cases=lambda g: [
        (_double(g, 2, 1, 2, 3), _double(g, 2, 1, 2, 3)),
        (_double(g, 5, 3, 4, 4), _double(g, 5, 3, 4, 4)),
    ],
    misconceptions=(
        Misconception(
            "averaged over the values too",
            _mean_of_everything,
            "The squared distance of two pictures is a sum over their values; only the batch is averaged. With "
            "the mean, the loss no longer grows with the size of the picture, and in chapter 2 that changes what "
            "is learned.",
            LOSS,
        ),
        Misconception(
            "summed over the batch",
            lambda x_hat, x: (x_hat - x).square().sum(),
            "Then the loss, and the step it causes, would double with the batch size.",
            LOSS,
        ),
        Misconception(
            "took the absolute value for the square",
            lambda x_hat, x: (x_hat - x).abs().flatten(1).sum(1).mean(),
            "That is the L1 distance, whose best guess is the median and not the mean.",
            LOSS,
        ),
        Misconception(
            "took the root",
            lambda x_hat, x: (x_hat - x).flatten(1).norm(dim=1).mean(),
            "The distance itself was not asked for, but its square: no root.",
            LOSS,
        ),
        Misconception(
            "halved it",
            lambda x_hat, x: (x_hat - x).square().flatten(1).sum(1).mean() / 2,
            "The half belongs to the logarithm of a Gaussian, in chapter 2; it is not part of a squared distance.",
            LOSS,
        ),
        Misconception(
            "did not square",
            lambda x_hat, x: (x_hat - x).flatten(1).sum(1).mean(),
            "Errors of opposite sign cancel, so a bad reconstruction can have the loss zero, or less.",
            LOSS,
        ),
    ),
    hints=(
        "Two things happen one after the other: a sum inside each picture, and a mean over pictures.",
        "Flatten everything but the first axis, so that a picture is one row.",
        "(x_hat - x).square().flatten(1) has one row per picture: sum along the row, then take the mean.",
    ),
    explains="With 3,072 values a picture this is 3,072 times what torch's mse_loss returns.",
    compare_grad=True,
)


def decibels(x_hat: Tensor, x: Tensor) -> Tensor:
    """PSNR of every picture, for values in [-1, 1]."""
    return 10 * torch.log10(4 / (x_hat - x).square().flatten(1).mean(1))


def _psnr_with(peak: float = 2.0, factor: float = 10.0, base: float = 10.0):
    def function(x_hat: Tensor, x: Tensor) -> Tensor:
        error = (x_hat - x).square().flatten(1).mean(1)
        return factor * torch.log(peak**2 / error) / math.log(base)

    return function


PSNR = Exercise(
    name="ae.psnr",
    prompt="The peak signal-to-noise ratio of every picture of a batch, in decibels, for values in [-1, 1].",
    reference=decibels,
    cases=lambda g: [(_double(g, num, 3, 4, 4).tanh(), _double(g, num, 3, 4, 4).tanh()) for num in (2, 3)],
    misconceptions=(
        Misconception(
            "took 1 for the peak",
            _psnr_with(peak=1.0),
            "The largest possible difference of two values in [-1, 1] is 2. With 1 every number is 6 dB too low.",
            DECIBELS,
        ),
        Misconception(
            "took 255 for the peak",
            _psnr_with(peak=255.0),
            "255 is the range of pictures stored as bytes; these live in [-1, 1], where the range is 2.",
            DECIBELS,
        ),
        Misconception(
            "took the natural logarithm",
            _psnr_with(base=math.e),
            "Decibels count powers of ten: torch.log is the natural logarithm, torch.log10 the one that is wanted.",
            DECIBELS,
        ),
        Misconception(
            "took 20 for 10",
            _psnr_with(factor=20.0),
            "20 log10 goes with a ratio of amplitudes; the mean squared error is a power already, so the factor is 10.",
            DECIBELS,
        ),
        Misconception(
            "turned the ratio over",
            _psnr_with(factor=-10.0),
            "Signal over noise, peak over error: better pictures have larger numbers.",
            DECIBELS,
        ),
        Misconception(
            "averaged over the batch first",
            lambda x_hat, x: 10 * torch.log10(4 / (x_hat - x).square().mean()),
            "The mean error of all pictures gives one number in which the worst picture dominates; one number per "
            "picture was asked for.",
            DECIBELS,
        ),
    ),
    hints=(
        "First one mean squared error per picture: a tensor with as many numbers as there are pictures.",
        "Then the ratio of the largest possible squared error, 2 squared, to it.",
        "10 * torch.log10(4 / error), where error is (x_hat - x).square().flatten(1).mean(1).",
    ),
    explains="Each 10 dB is a tenth of the squared error, and 20 dB is an error of one tenth of the range.",
)
