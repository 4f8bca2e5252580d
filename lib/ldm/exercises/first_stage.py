"""Exercises about the first stage: what is saved, the critic's loss, and how loudly it may speak."""

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from lib.exercises import Exercise, Misconception
from lib.ldm.discriminator import LARGEST_WEIGHT, TINY, hinge_loss
from lib.ldm.exercises.cases import CRITIC, WHY, double


def compression(size: int, factor: int, channels: int) -> float:
    """How many numbers of a colour picture there are for each number of its latent."""
    return 3 * size**2 / (channels * (size / factor) ** 2)


COMPRESSION = Exercise(
    name="ldm.compression",
    prompt="How many times fewer numbers has the latent than the colour picture? Given are the pixels across, the "
    "factor f, and the channels of the latent.",
    reference=compression,
    cases=lambda generator: [(64, 2, 2), (512, 8, 4), (256, 4, 3)],
    misconceptions=(
        Misconception(
            "counted one direction only",
            lambda size, factor, channels: 3 * factor / channels,
            "Height and width both shrink by f.",
            WHY,
        ),
        Misconception(
            "forgot the colours",
            lambda size, factor, channels: factor**2 / channels,
            "A pixel is three numbers.",
            WHY,
        ),
        Misconception(
            "forgot the channels of the latent",
            lambda size, factor, channels: 3 * factor**2,
            "A place of the latent is as many numbers as it has channels.",
            WHY,
        ),
        Misconception(
            "counted places, not numbers",
            lambda size, factor, channels: factor**2,
            "There are f² pixels for each place; but a pixel has three numbers, and a place has its channels.",
            WHY,
        ),
        Misconception(
            "turned it round",
            lambda size, factor, channels: channels / (3 * factor**2),
            "The picture is the larger one: the answer is above 1.",
            WHY,
        ),
    ),
    hints=(
        "Count the numbers of the picture, then those of the latent.",
        "How high and wide is the latent, and how many numbers stand at each of its places?",
        "For 512 pixels, f = 8 and 4 channels it must come to 48. Which factors make 48?",
    ),
    explains="The pixels across cancel: Stable Diffusion has 48 times fewer numbers at any size.",
)


def _logits(generator: torch.Generator) -> list[tuple]:
    return [tuple(2 * part for part in double(generator, 2, num, 1, 3, 3)) for num in (1, 4)]


HINGE = Exercise(
    name="ldm.hinge",
    prompt="The critic's hinge loss from logits_real and logits_fake: the mean of both sides, where a side costs "
    "nothing beyond a margin of 1.",
    reference=hinge_loss,
    cases=_logits,
    misconceptions=(
        Misconception(
            "exchanged real and made",
            lambda real, fake: hinge_loss(fake, real),
            "High means real: real pictures are pushed up.",
            CRITIC,
        ),
        Misconception(
            "left out the margin",
            lambda real, fake: 0.5 * (relu(-real).mean() + relu(fake).mean()),
            "Then a critic that answers 0 everywhere is perfect. A side is only done beyond 1.",
            CRITIC,
        ),
        Misconception(
            "added both sides instead of taking their mean",
            lambda real, fake: 2 * hinge_loss(real, fake),
            "The half keeps the critic's loss at 1 while it cannot tell anything.",
            CRITIC,
        ),
        Misconception(
            "never stopped",
            lambda real, fake: 0.5 * ((1 - real).mean() + (1 + fake).mean()),
            "Without the hinge the critic gains by shouting ever louder about patches that it already has right.",
            CRITIC,
        ),
        Misconception(
            "wrote the cross-entropy",
            lambda real, fake: 0.5 * (softplus(-real).mean() + softplus(fake).mean()),
            "That is the loss of the first GANs. It never reaches 0, the hinge loss does.",
            CRITIC,
        ),
        Misconception(
            "summed over the patches",
            lambda real, fake: 0.5 * (relu(1 - real).sum() + relu(1 + fake).sum()),
            "A larger picture has more patches and would count more: take means.",
            CRITIC,
        ),
    ),
    hints=(
        "What should a real patch cost at logit 1, at 3, at 0? And a made one at -1?",
        "relu(1 - logit) is 0 from 1 upwards. What is the mirror image of it?",
        "Two means, one of each side; in the end half of their sum.",
    ),
    explains="The decoder has no margin of its own: it minimises minus the mean of logits_fake.",
)


def weight_from_grads(rebuild: Tensor, fool: Tensor) -> Tensor:
    """The adaptive weight from the two gradients at the last layer."""
    return (rebuild.norm() / (fool.norm() + TINY)).clamp(max=LARGEST_WEIGHT)


def _grads(generator: torch.Generator) -> list[tuple]:
    pairs = [double(generator, 2, *shape) for shape in ((3, 2), (3, 4, 3, 3))]
    return [(3 * pairs[0][0], pairs[0][1]), (pairs[1][0], 0.2 * pairs[1][1]), (5 * pairs[1][0], 1e-8 * pairs[1][1])]


ADAPTIVE_WEIGHT = Exercise(
    name="ldm.adaptive_weight",
    prompt="The factor of the critic's term, from the gradients of reconstruction and critic at the decoder's last "
    "layer: the ratio of their lengths, with 1e-4 added below, cut off at 10,000.",
    reference=weight_from_grads,
    cases=_grads,
    misconceptions=(
        Misconception(
            "turned the ratio round",
            lambda rebuild, fool: (fool.norm() / (rebuild.norm() + TINY)).clamp(max=LARGEST_WEIGHT),
            "The factor multiplies the critic's gradient: a weak one must become louder.",
            CRITIC,
        ),
        Misconception(
            "forgot to cut it off",
            lambda rebuild, fool: rebuild.norm() / (fool.norm() + TINY),
            "Where the critic hardly pulls at this layer the ratio is huge, and layers that were not asked get it too.",
            CRITIC,
        ),
        Misconception(
            "took the squares of the lengths",
            lambda rebuild, fool: (
                rebuild.square().sum() / (fool.square().sum() + TINY)
            ).clamp(max=LARGEST_WEIGHT),
            "A factor scales a gradient's length, not its square.",
            CRITIC,
        ),
        Misconception(
            "compared the largest entries",
            lambda rebuild, fool: (rebuild.abs().max() / (fool.abs().max() + TINY)).clamp(max=LARGEST_WEIGHT),
            "The length of the whole gradient counts: the root of the sum of squares.",
            CRITIC,
        ),
        Misconception(
            "took a mean over the entries one by one",
            lambda rebuild, fool: (rebuild.abs() / (fool.abs() + TINY)).mean().clamp(max=LARGEST_WEIGHT),
            "First one length for each gradient, then one ratio.",
            CRITIC,
        ),
    ),
    hints=(
        "Two lengths and one ratio. Which gradient is to be made as long as the other?",
        "Tensor.norm() is the length of all entries together; the small number belongs below the fraction only.",
        "Last comes clamp. Which of its two bounds is wanted?",
    ),
    explains="At the last layer both terms then pull equally hard, times the fixed weight that the recipe adds.",
)  # fmt: skip
