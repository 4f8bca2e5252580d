"""Exercises about layers and losses: the size of a feature map, the loss."""

import torch
from torch import Tensor

from lib.ae.loss import reconstruction_loss
from lib.exercises import Exercise, Misconception

LAYERS = "Layer by layer"
LOSS = "What is minimised"


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
            "divided by the stride alone",
            lambda size, kernel, stride, padding: size // stride,
            "That is right for kernel 3, stride 2, padding 1 and an even size, which were chosen to make it so. "
            "Without padding the kernel cannot stand on the rim, and fewer positions are left.",
            LAYERS,
        ),
        Misconception(
            "did not round",
            lambda size, kernel, stride, padding: (size + 2 * padding - kernel) / stride + 1,
            "A kernel cannot take half a step. Use // in place of /, which drops the part of a step that is left over.",
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
        "Write the rows of a picture of height 5 on paper and lay a kernel of 3 on them with stride 2, no padding. How "
        "many positions?",
        "Two: the first row of the kernel stands in row 0, then in row 2; it may not pass row 5 - 3. In general: how "
        "many rows has the padded picture, and which is the last row in which the kernel may begin?",
        "The last row in which it may begin is size + 2 * padding - kernel. It gets there in steps of stride, and the "
        "position it starts from counts as well.",
    ),
    explains="Kernel 3, stride 2 and padding 1 halve every even size: 32, 16, 8, 4.",
)


def weighted_loss(x_hat: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """The reconstruction loss with a weight for every pixel, rescaled to the mean 1 in every picture."""
    share = weight / weight.mean((1, 2), keepdim=True)
    return reconstruction_loss(share[:, None].sqrt() * x_hat, share[:, None].sqrt() * x)


def _errors(x_hat: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """The weighted squared error of every value."""
    return (weight / weight.mean((1, 2), keepdim=True))[:, None] * (x_hat - x).square()


LOSS_EXERCISE = Exercise(
    name="ae.weighted_loss",
    prompt="The reconstruction loss with a weight for every pixel; the weights of each picture are rescaled to mean 1.",
    reference=weighted_loss,
    cases=lambda g: [
        (_double(g, *shape), _double(g, *shape), _double(g, shape[0], *shape[2:]).abs() + 0.1)
        for shape in ((1, 2, 1, 2), (2, 3, 4, 4))
    ],
    misconceptions=(
        Misconception(
            "left the weights as they are",
            lambda x_hat, x, weight: (weight[:, None] * (x_hat - x).square()).flatten(1).sum(1).mean(),
            "Then doubling all weights doubles the loss. Divide the weights of each picture by their mean first.",
            LOSS,
        ),
        Misconception(
            "rescaled over the whole batch",
            lambda x_hat, x, weight: (weight[:, None] / weight.mean() * (x_hat - x).square()).flatten(1).sum(1).mean(),
            "With one mean for all, a picture with large weights counts more than its neighbours in the batch. Take "
            "the mean of each picture.",
            LOSS,
        ),
        Misconception(
            "took a mean over the pixels",
            lambda x_hat, x, weight: _errors(x_hat, x, weight).flatten(1).sum(1).mean() / weight[0].numel(),
            "Weights that add up to 1 do that, and so does sum(1) without flatten(1), which adds up the colours alone. "
            "A picture is a sum over all its values, and its weights have the mean 1.",
            LOSS,
        ),
        Misconception(
            "averaged over the values too",
            lambda x_hat, x, weight: _errors(x_hat, x, weight).mean(),
            "The squared distance of two pictures is a sum over their values; only the batch is averaged. With "
            "the mean, the loss no longer grows with the size of the picture, and in chapter 2 that changes what "
            "is learned.",
            LOSS,
        ),
        Misconception(
            "summed over the batch",
            lambda x_hat, x, weight: _errors(x_hat, x, weight).sum(),
            "Then the loss, and the step it causes, would double with the batch size.",
            LOSS,
        ),
        Misconception(
            "weighted before squaring",
            lambda x_hat, x, weight: (
                ((weight / weight.mean((1, 2), keepdim=True))[:, None] * (x_hat - x)).square().flatten(1).sum(1).mean()
            ),
            "Inside the square, a weight of 3 counts nine times. Square the error, then weigh it.",
            LOSS,
        ),
        Misconception(
            "forgot the axis of the colours",
            lambda x_hat, x, weight: (
                (weight / weight.mean((1, 2), keepdim=True) * (x_hat - x).square()).flatten(1).sum(1).mean()
            ),
            "weight has the shape (B, H, W), the error (B, C, H, W). Matched from the last axis backwards, B would "
            "meet C. weight[:, None] puts an axis of length 1 where the colours are.",
            LOSS,
        ),
    ),
    hints=(
        "Begin with weights that are all 1: that is the loss of the chapter. Where does the weight come in?",
        "The squared errors have the shape (B, C, H, W), the weights (B, H, W). Make the weights ready first: divide "
        "by weight.mean((1, 2), keepdim=True) and insert an axis for the colours with [:, None].",
        "Multiply the squared errors by these weights. What is left is the old loss: flatten(1), a sum for each "
        "picture, a mean over pictures.",
    ),
    explains="Weights that are all equal give back the reconstruction loss, whatever their size: a test worth writing.",
    compare_grad=True,
)
