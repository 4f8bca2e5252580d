"""Steps L07 and L08: how many numbers a latent saves, and how much work."""

import numpy as np
import sympy as sp
import torch
from torch.nn.functional import conv2d
from torch.utils.flop_counter import FlopCounterMode

from lib.derivation import Steps, numeric, symbolic, together
from lib.ldm.derivation.quantities import Q

steps = Steps()

WIDTH = 8


def multiplications(run):
    """What torch counts while it runs, in multiplications; nothing is computed."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 2  # an addition for each


def counted(side):
    """Multiplications of a 3 x 3 convolution and of one head of self-attention on a map"""
    with torch.device("meta"):
        x, kernel = torch.empty(1, WIDTH, side, side), torch.empty(WIDTH, WIDTH, 3, 3)
        tokens = torch.empty(side**2, WIDTH)
    return (
        multiplications(lambda: conv2d(x, kernel, padding=1)),
        multiplications(lambda: tokens @ tokens.mT @ tokens),
    )


@steps.add(
    "L07",
    r"\frac{\text{numbers of the picture}}{\text{numbers of the latent}}=\frac{3\,S^2}{C\,(S/f)^2}",
    r"\frac{3f^2}C,\quad\frac{3\cdot256^2}{4\cdot32^2}=48",
    kind="symbolic",
    title="how many numbers",
)
def _():
    r"""A picture of $S$ pixels across becomes a map of $S/f$ places across with $C$ channels, and $S$ cancels. The
    factor $f$ counts twice, for height and for width. With $f=8$ and $C=4$, as in Stable Diffusion, it comes to 48 at
    any size."""
    size, factor, channels = sp.symbols("S f C", positive=True)
    picture, latent = np.empty((3, 256, 256)), np.empty((4, 256 // 8, 256 // 8))
    return together(
        symbolic(Q.compression(size, factor, channels), 3 * factor**2 / channels),
        numeric([Q.compression(256, 8, 4), Q.compression(512, 8, 4)], picture.size / latent.size),
    )


@steps.add(
    "L08",
    r"\text{places}=(S/f)^2",
    r"\text{convolution}\propto\frac1{f^2},\quad\text{self-attention}\propto\frac1{f^4}",
    kind="numeric",
    title="how much work",
)
def _():
    r"""A convolution does the same work at every place, while self-attention compares every place with every other. At
    512 pixels that makes 69 billion pairs, and on a latent with $f=8$ it makes 17 million: the latent can afford
    attention at its full size, and the picture cannot."""
    factors, size = (1, 2, 4), 32
    found = np.array([counted(size // factor) for factor in factors])
    places = [Q.places(size, factor) for factor in factors]
    formulas = [[Q.convolution(number, WIDTH), Q.self_attention(number, WIDTH)] for number in places]
    pairs = [Q.places(512, factor) ** 2 for factor in (1, 8)]
    return together(
        numeric(formulas, found),
        numeric(found[0] / found, [[factor**2, factor**4] for factor in factors]),
        numeric(np.round([pairs[0] / 1e9, pairs[1] / 1e6]), [69, 17]),
    )
