"""The exercise about a condition beside the picture."""

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception

CONDITION = "Ask for what you want"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def paint(x: Tensor, condition: Tensor) -> Tensor:
    """The condition as constant channels behind those of the picture."""
    return torch.cat([x, condition[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1)


def _channel(numbers: Tensor, x: Tensor) -> Tensor:
    """(B, K) numbers as K constant channels of the size of x."""
    return numbers[:, :, None, None].to(x.dtype).expand(-1, -1, *x.shape[2:])


PAINT = Exercise(
    name="vae.paint",
    prompt="Show a condition (B, K) to a convolution: K constant channels behind the channels of the pictures x.",
    reference=paint,
    cases=lambda g: [
        (_double(g, num, channels, size, size), _double(g, num, wide))
        for num, channels, size, wide in ((2, 1, 1, 2), (3, 3, 4, 5), (4, 3, 4, 4))
    ],
    misconceptions=(
        Misconception(
            "put the condition first",
            lambda x, condition: torch.cat([condition[:, :, None, None].expand(-1, -1, *x.shape[2:]), x], dim=1),
            "It would work as well, if encoder and trained weights agreed on it. The picture comes first here.",
            CONDITION,
        ),
        Misconception(
            "added the mean of the condition to the picture",
            lambda x, condition: x + condition.mean(1)[:, None, None, None],
            "Added to the pixels, a condition cannot be told from a brighter picture. It needs channels of its own.",
            CONDITION,
        ),
        Misconception(
            "painted one pixel only",
            lambda x, condition: torch.cat(
                [x, torch.nn.functional.pad(condition[:, :, None, None], (0, x.shape[3] - 1, 0, x.shape[2] - 1))], dim=1
            ),
            "A convolution looks at a few pixels at a time; the condition must be there wherever it looks.",
            CONDITION,
        ),
        Misconception(
            "gave every picture the first condition",
            lambda x, condition: torch.cat([x, condition[:1, :, None, None].expand(len(x), -1, *x.shape[2:])], dim=1),
            "Each picture has a condition of its own: row b belongs to picture b.",
            CONDITION,
        ),
        Misconception(
            "added the sum of the condition to the picture",
            lambda x, condition: x + condition.sum(1)[:, None, None, None],
            "The sum of a condition does not tell which condition it is: a row with a single 1 always has the sum 1. "
            "Give it channels of its own.",
            CONDITION,
        ),
        Misconception(
            "added the condition to the channels",
            lambda x, condition: x + condition[:, :, None, None],
            "K numbers and three colours do not fit; and added to the pixels, a condition cannot be told from another "
            "picture. It needs channels of its own: torch.cat.",
            CONDITION,
        ),
        Misconception(
            "painted the number of the class",
            lambda x, condition: torch.cat([x, _channel(condition.argmax(1, keepdim=True), x)], dim=1),
            "As one number, class 4 would be twice class 2. Each of the K numbers gets a channel; and a condition may "
            "have two 1s, one for the class and one for the colour.",
            CONDITION,
        ),
        Misconception(
            "painted the sum on one channel",
            lambda x, condition: torch.cat([x, _channel(condition.sum(1, keepdim=True), x)], dim=1),
            "The sum does not tell which of the K numbers was large. Each of them gets a channel.",
            CONDITION,
        ),
        Misconception(
            "left the condition without height and width",
            lambda x, condition: torch.cat([x, condition], dim=1),
            "x has the four axes (B, C, H, W), the condition only (B, K). Give it two more, condition[:, :, None, "
            "None], and repeat it over the pixels.",
            CONDITION,
        ),
        Misconception(
            "did not repeat it over the pixels",
            lambda x, condition: torch.cat([x, condition[:, :, None, None]], dim=1),
            "The condition has height and width 1, the picture H and W, and torch.cat does not repeat anything: "
            ".expand does.",
            CONDITION,
        ),
        Misconception(
            "put the condition along the width",
            lambda x, condition: torch.cat([x, condition[:, None, None, :].expand(-1, -1, *x.shape[2:])], dim=1),
            "With [:, None, None, :] the K numbers stand side by side in a row of pixels. Channels are axis 1: [:, :, "
            "None, None].",
            CONDITION,
        ),
        Misconception(
            "glued it behind the batch",
            lambda x, condition: torch.cat([x, _channel(condition, x)]),
            "torch.cat glues along axis 0, the batch, if it is not told otherwise. Channels are dim=1.",
            CONDITION,
        ),
    ),
    hints=(
        "First give the condition a height and a width of 1.",
        "Then repeat it over all pixels: .expand(-1, -1, *x.shape[2:]).",
        "Then torch.cat of picture and painted condition, along the channels, dim=1.",
    ),
    explains="The same condition is appended to the code before the decoder, so the code need not repeat it.",
)
