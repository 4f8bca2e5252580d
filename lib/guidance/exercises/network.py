"""Exercises about layers: how a label scales and shifts features, and what a Gram matrix keeps of them."""

import torch
from einops import einsum, rearrange
from torch import Tensor

from lib.exercises import Exercise, Misconception
from lib.guidance.energies import gram
from lib.guidance.exercises.cases import ENERGY, LABELS, double
from lib.guidance.model import modulate


def _features(generator: torch.Generator) -> list[tuple]:
    return [(double(generator, num, 3), double(generator, num, 3), double(generator, num, 3)) for num in (1, 2, 4)]


ADAGN = Exercise(
    name="guidance.modulate",
    prompt="Features h after a norm, with the shift and the scale that the embedding asks for (arguments in this "
    "order); a scale of 0 must leave the features as they are.",
    reference=modulate,
    cases=_features,
    misconceptions=(
        Misconception(
            "let a scale of 0 delete the features",
            lambda h, shift, scale: h * scale + shift,
            "A layer that is born near zero would switch the block off. The scale is counted from 1.",
            LABELS,
        ),
        Misconception(
            "exchanged scale and shift",
            lambda h, shift, scale: h * (1 + shift) + scale,
            "The shift is added, the scale multiplies.",
            LABELS,
        ),
        Misconception(
            "shifted before scaling",
            lambda h, shift, scale: (h + shift) * (1 + scale),
            "Then the shift is scaled as well. Scale first.",
            LABELS,
        ),
        Misconception(
            "only shifted",
            lambda h, shift, scale: h + shift,
            "That is the block of chapter 4, where the embedding is added.",
            LABELS,
        ),
        Misconception(
            "forgot the shift",
            lambda h, shift, scale: h * (1 + scale),
            "The norm has taken the mean away; the shift gives every channel a new one.",
            LABELS,
        ),
    ),
    hints=(
        "Two changes to every channel: how strong it is, and where its middle lies.",
        "The factor is 1 when scale is 0.",
        "h times (1 + scale), then the shift is added.",
    ),
    explains="The two rows come from one linear layer on the embedding of level and label.",
)


def _maps(generator: torch.Generator) -> list[tuple]:
    return [(double(generator, num, 3, height, width),) for num, height, width in ((1, 2, 4), (2, 5, 3))]


def _products(maps: Tensor) -> Tensor:
    return einsum(maps, maps, "b c h w, b d h w -> b c d")


def _centred(maps: Tensor) -> Tensor:
    return gram(maps - maps.mean((2, 3), keepdim=True))


def _of_places(maps: Tensor) -> Tensor:
    rows = rearrange(maps, "b c h w -> b (h w) c")
    return rows @ rows.mT / maps[0].numel()


GRAM = Exercise(
    name="guidance.gram",
    prompt="The Gram matrices, (B, C, C), of feature maps of shape (B, C, H, W): F F^T / (C H W).",
    reference=gram,
    cases=_maps,
    misconceptions=(
        Misconception(
            "forgot to divide",
            _products,
            "Without it, a map of twice the size would have four times the style.",
            ENERGY,
        ),
        Misconception(
            "divided by the places only",
            lambda maps: _products(maps) / (maps.shape[2] * maps.shape[3]),
            "The number of channels belongs below as well.",
            ENERGY,
        ),
        Misconception(
            "compared places instead of channels",
            _of_places,
            "F has a row for each channel. Places are summed over, so that it does not matter where something is.",
            ENERGY,
        ),
        Misconception(
            "took the mean away",
            _centred,
            "That is a covariance. How strong a channel is on average belongs to the style.",
            ENERGY,
        ),
        Misconception(
            "summed over the batch",
            lambda maps: einsum(maps, maps, "b c h w, b d h w -> c d")[None] / maps[0].numel() + 0 * _products(maps),
            "Every picture has a Gram matrix of its own.",
            ENERGY,
        ),
    ),
    hints=(
        "Lay every map out as a row of H·W numbers: F is (C, H·W) for each picture.",
        "Multiply F by its transpose, so that the places are summed over.",
        'einsum(maps, maps, "b c h w, b d h w -> b c d"), then divide by C·H·W.',
    ),
    explains="Moving things about in the picture leaves it unchanged; it keeps what occurs together.",
)
