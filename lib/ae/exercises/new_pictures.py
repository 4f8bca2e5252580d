"""Exercises about new pictures: drawing codes near training codes, and telling new pictures from copies."""

import functools

import torch
from torch import Tensor

from lib.data import emoji
from lib.exercises import Exercise, Misconception
from lib.metrics import nearest, psnr

GENERATOR = "Is the decoder a generator"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def kernel_draw(codes: Tensor, index: Tensor, bandwidth: float, eps: Tensor) -> Tensor:
    """The chosen codes plus noise of ``bandwidth`` standard deviations of each dimension."""
    return codes[index] + bandwidth * codes.std(dim=0) * eps


KERNEL_DRAW = Exercise(
    name="ae.kernel_draw",
    prompt="The codes that index chooses, plus bandwidth * eps in units of each dimension's standard deviation.",
    reference=kernel_draw,
    cases=lambda g: [
        (_double(g, num, dim), torch.randint(num, (draws,), generator=g), 0.3, _double(g, draws, dim))
        for num, dim, draws in ((4, 2, 3), (6, 3, 5))
    ],
    misconceptions=(
        Misconception(
            "gave every dimension the same noise",
            lambda codes, index, bandwidth, eps: codes[index] + bandwidth * eps,
            "Some dimensions of a code spread far and others hardly; the noise must be measured in their own spread.",
            GENERATOR,
        ),
        Misconception(
            "took the variance for the spread",
            lambda codes, index, bandwidth, eps: codes[index] + bandwidth * codes.var(dim=0) * eps,
            "The standard deviation has the units of a code; the variance has them squared.",
            GENERATOR,
        ),
        Misconception(
            "measured the spread of the chosen codes",
            lambda codes, index, bandwidth, eps: codes[index] + bandwidth * codes[index].std(dim=0) * eps,
            "The unit is the spread of the whole cloud, which does not depend on which codes were drawn.",
            GENERATOR,
        ),
        Misconception(
            "drew around the mean",
            lambda codes, index, bandwidth, eps: codes.mean(dim=0) + bandwidth * codes.std(dim=0) * eps,
            "Each draw starts from a code of its own; around the mean it would be one small Gaussian again.",
            GENERATOR,
        ),
        Misconception(
            "took one spread for all dimensions",
            lambda codes, index, bandwidth, eps: codes[index] + bandwidth * codes.std() * eps,
            "codes.std() mixes all dimensions into one number; dim=0 keeps them apart.",
            GENERATOR,
        ),
    ),
    hints=(
        "Indexing with a tensor of integers picks rows: codes[index] has one row per draw.",
        "What is the unit of the noise? One number per dimension, measured over the whole cloud and not over the codes "
        "that were picked.",
        "The unit is codes.std(dim=0). A draw is the chosen code, plus bandwidth times unit times eps.",
    ),
    explains="At bandwidth 0 this is a lottery among the training codes, and nothing new can come out.",
)


@functools.cache
def _pairs() -> tuple[Tensor, Tensor]:
    """Every held-out picture and the training picture nearest to it."""
    unseen, images = emoji(32, "heldout").images, emoji(32).images
    return unseen, images[nearest(unseen, images).index[:, 0]]


def novelty() -> float:
    """Mean PSNR between the held-out pictures and their nearest training pictures."""
    return psnr(*_pairs()).mean().item()


NOVELTY = Exercise(
    name="ae.novelty",
    prompt="The mean PSNR, in decibels, between each held-out picture and the training picture nearest to it.",
    reference=novelty,
    cases=None,
    misconceptions=(
        Misconception(
            "averaged the errors first",
            lambda: (10 * torch.log10(4 / (_pairs()[0] - _pairs()[1]).square().mean())).item(),
            "Take the PSNR of every pair and then the mean of these, as everywhere in this chapter; the mean of the "
            "errors lets the worst pair speak for all.",
            "How close is close",
        ),
        Misconception(
            "took 1 for the largest error",
            lambda: novelty() - 10 * torch.log10(torch.tensor(4.0)).item(),
            "The pictures live in [-1, 1]: the largest error of a value is 2.",
            "How close is close",
        ),
        Misconception(
            "compared with the picture of the same number",
            lambda: psnr(_pairs()[0], emoji(32).images[: len(_pairs()[0])]).mean().item(),
            "The nearest picture has to be searched for: nearest(unseen, images).index[:, 0] says which one it is.",
            GENERATOR,
        ),
        Misconception(
            "took the median",
            lambda: psnr(*_pairs()).median().item(),
            "A good choice too, but the table of the chapter shows means.",
            GENERATOR,
        ),
    ),
    hints=(
        "For each of the 517 held-out pictures: which training picture is the nearest?",
        "nearest(unseen, images).index has one row for each held-out picture; its first column holds positions in "
        "images. Pick these pictures out of images; you get a tensor as large as unseen.",
        "psnr of unseen and of what you picked gives 517 numbers. Their mean is asked for.",
    ),
    explains="This is how near a picture comes to the training set by being an emoji, without being copied from it.",
    rtol=1e-3,
)
