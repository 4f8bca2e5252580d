"""Exercises about latents: their scale, the way back, and a hole that is to be filled."""

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception
from lib.ldm.exercises.cases import HOLES, SCALE_FACTOR, double


def scale_factor(z: Tensor) -> Tensor:
    """One factor that brings latents to standard deviation 1 over all values; no shift."""
    return 1 / z.std(correction=0)


def _latents(generator: torch.Generator) -> list[tuple]:
    offsets = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)[:, None, None]
    scales = torch.tensor([1.0, 4.0, 2.0], dtype=torch.float64)[:, None, None]
    return [(scale * (double(generator, num, 3, 4, 4) * scales + offsets),) for num, scale in ((3, 1.0), (6, 3.0))]


SCALE = Exercise(
    name="ldm.scale",
    prompt="The scale factor of the original from latents z of many pictures, (N, C, h, w): one number such that "
    "z times it has standard deviation 1 over all values, with the count below, not the count less one.",
    reference=scale_factor,
    cases=_latents,
    misconceptions=(
        Misconception(
            "gave the standard deviation",
            lambda z: z.std(correction=0),
            "That is what the latents have to be divided by; the factor multiplies.",
            SCALE_FACTOR,
        ),
        Misconception(
            "divided by the variance",
            lambda z: 1 / z.var(correction=0),
            "Multiplying by a factor multiplies the variance by its square.",
            SCALE_FACTOR,
        ),
        Misconception(
            "took one factor for each channel",
            lambda z: 1 / z.std((0, 2, 3), correction=0),
            "The original has one number for all: the channels keep their proportions.",
            SCALE_FACTOR,
        ),
        Misconception(
            "took the mean of the channels' own spreads",
            lambda z: 1 / z.std((0, 2, 3), correction=0).mean(),
            "The channels' means differ as well, and that is part of the spread of all values together.",
            SCALE_FACTOR,
        ),
        Misconception(
            "measured from 0",
            lambda z: 1 / z.square().mean().sqrt(),
            "A standard deviation is measured from the mean.",
            SCALE_FACTOR,
        ),
        Misconception(
            "scaled by the largest value",
            lambda z: 1 / z.abs().max(),
            "Latents have no range to be kept in; the noise has a standard deviation, and theirs must match it.",
            SCALE_FACTOR,
        ),
    ),
    hints=(
        "What is the standard deviation of a times z, if that of z is s?",
        "All pictures, channels and places are one list of numbers here.",
        "Tensor.std without axes takes all values; mind its correction.",
    ),
    explains="For the autoencoder of Stable Diffusion it came to 0.18215: its latents have a spread of 5.5.",
)


def unscale(z: Tensor, scale: float, shift: Tensor) -> Tensor:
    """Latents as the decoder expects them from scaled ones, scale · (z − shift)."""
    return z / scale + shift[:, None, None]


def _scaled(generator: torch.Generator) -> list[tuple]:
    return [(double(generator, num, 3, 2, 2), scale, double(generator, 3)) for num, scale in ((1, 0.5), (2, 3.0))]


UNSCALE = Exercise(
    name="ldm.unscale",
    prompt="Before training, latents were brought to scale · (z − shift), with a shift of shape (C,). A sampler hands "
    "you scaled latents, (N, C, h, w): give the decoder what it expects.",
    reference=unscale,
    cases=_scaled,
    misconceptions=(
        Misconception(
            "scaled them again",
            lambda z, scale, shift: scale * (z - shift[:, None, None]),
            "That is the way in; the decoder needs the way out.",
            SCALE_FACTOR,
        ),
        Misconception(
            "multiplied by the scale",
            lambda z, scale, shift: z * scale + shift[:, None, None],
            "What was multiplied must be divided.",
            SCALE_FACTOR,
        ),
        Misconception(
            "undid the steps in the wrong order",
            lambda z, scale, shift: (z + shift[:, None, None]) / scale,
            "Put on last, taken off first: the scale, then the shift.",
            SCALE_FACTOR,
        ),
        Misconception(
            "forgot the shift",
            lambda z, scale, shift: z / scale,
            "Without it every channel is off by its mean, and the picture by its colours.",
            SCALE_FACTOR,
        ),
        Misconception(
            "took the shift away once more",
            lambda z, scale, shift: z / scale - shift[:, None, None],
            "It was taken away on the way in.",
            SCALE_FACTOR,
        ),
    ),
    hints=(
        "Solve the formula for z.",
        "Which of the two steps was done last, and how is it undone?",
        "The shift has one number for each channel, and needs two more axes to meet (N, C, h, w).",
    ),
    explains="Forgotten in one place, pictures come out grey or burnt although the network is sound.",
)


def put_back(x_t: Tensor, z: Tensor, known: Tensor, eps: Tensor, alpha_bar_t: float) -> Tensor:
    """The noisy latent with its known part at the same level of noise."""
    return torch.where(known, alpha_bar_t**0.5 * z + (1 - alpha_bar_t) ** 0.5 * eps, x_t)


def _holes(generator: torch.Generator) -> list[tuple]:
    cases = []
    for num, alpha_bar_t in ((1, 0.3), (2, 0.8)):
        x_t, z, eps = double(generator, 3, num, 2, 3, 3)
        known = torch.rand(num, 1, 3, 3, generator=generator) < 0.5
        known[..., 0, 0], known[..., 0, 1] = True, False  # at least one of each
        cases.append((x_t, z, known, eps, alpha_bar_t))
    return cases


INPAINT = Exercise(
    name="ldm.inpaint",
    prompt="One step of filling a hole, before the network is called: x_t with its known part replaced by the clean "
    "latent z at the same level of noise. Given are x_t, z, known (true where z is to be kept), eps, and alpha_bar_t.",
    reference=put_back,
    cases=_holes,
    misconceptions=(
        Misconception(
            "put the known part back without noise",
            lambda x_t, z, known, eps, alpha_bar_t: torch.where(known, z, x_t),
            "The network expects every place at level t. A clean part among noise is like nothing it was trained on.",
            HOLES,
        ),
        Misconception(
            "kept the hole and replaced the rest",
            lambda x_t, z, known, eps, alpha_bar_t: put_back(x_t, z, ~known, eps, alpha_bar_t),
            "known is true where z counts.",
            HOLES,
        ),
        Misconception(
            "added noise without making room for it",
            lambda x_t, z, known, eps, alpha_bar_t: torch.where(known, z + (1 - alpha_bar_t) ** 0.5 * eps, x_t),
            "At level t the signal is smaller too, by the root of alpha_bar_t.",
            HOLES,
        ),
        Misconception(
            "forgot the roots",
            lambda x_t, z, known, eps, alpha_bar_t: torch.where(known, alpha_bar_t * z + (1 - alpha_bar_t) * eps, x_t),
            "alpha_bar_t and 1 - alpha_bar_t are variances.",
            HOLES,
        ),
        Misconception(
            "exchanged signal and noise",
            lambda x_t, z, known, eps, alpha_bar_t: put_back(x_t, z, known, eps, 1 - alpha_bar_t),
            "alpha_bar_t is the share of the signal, 1 at the clean end.",
            HOLES,
        ),
        Misconception(
            "noised the whole picture",
            lambda x_t, z, known, eps, alpha_bar_t: put_back(x_t, z, torch.ones_like(known), eps, alpha_bar_t),
            "In the hole the sampler's own x_t must stay, or nothing is ever filled in.",
            HOLES,
        ),
    ),
    hints=(
        "How does x_t come from x_0 and eps, in the forward process?",
        "Make z noisy for all places, then choose place by place.",
        "torch.where takes a condition first; whose values belong where known is true?",
    ),
    explains="Nothing is trained for it: any denoiser of the chapter can fill holes.",
)
