"""An exercise about the Gumbel relaxation."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.exercises import Exercise, Misconception
from lib.vqvae.gumbel import gumbel_softmax

GUMBEL_ROAD = "The other road: Gumbel noise"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


GUMBEL = Exercise(
    name="vqvae.gumbel",
    prompt="Soft weights from logits (N, K), a temperature, and uniform numbers u (N, K) in (0, 1): add Gumbel noise "
    "-log(-log u), then softmax at the temperature.",
    reference=lambda logits, temperature, u: gumbel_softmax(logits, temperature, noise=-(-u.log()).log()),
    cases=lambda g: [
        (_double(g, num, k), tau, torch.rand(num, k, generator=g, dtype=torch.float64) * 0.98 + 0.01)
        for num, k, tau in ((2, 3, 0.5), (6, 5, 2.0))
    ],
    misconceptions=(
        Misconception(
            "multiplied by the temperature",
            lambda logits, temperature, u: gumbel_softmax(logits, 1 / temperature, noise=-(-u.log()).log()),
            "A low temperature has to sharpen: differences are divided by it.",
            GUMBEL_ROAD,
        ),
        Misconception(
            "divided only the logits",
            lambda logits, temperature, u: (logits / temperature - (-u.log()).log()).softmax(-1),
            "Then the temperature changes which code is drawn. Noise and logits are added first; their largest is the "
            "exact draw at every temperature.",
            GUMBEL_ROAD,
        ),
        Misconception(
            "turned the sign of the noise",
            lambda logits, temperature, u: gumbel_softmax(logits, temperature, noise=(-u.log()).log()),
            "The law of Gumbel has its long tail above, not below: -log(-log u).",
            GUMBEL_ROAD,
        ),
        Misconception(
            "left out the noise",
            lambda logits, temperature, u: (logits / temperature).softmax(-1),
            "Without noise it is no draw: the same picture always gets the same weights.",
            GUMBEL_ROAD,
        ),
        Misconception(
            "added uniform noise",
            lambda logits, temperature, u: gumbel_softmax(logits, temperature, noise=u),
            "Only Gumbel noise makes the largest of the sums a draw with the probabilities of the softmax.",
            GUMBEL_ROAD,
        ),
        Misconception(
            "made it hard with argmax",
            lambda logits, temperature, u: F.one_hot((logits - (-u.log()).log()).argmax(-1), logits.shape[-1]).to(
                logits.dtype
            ),
            "That is the exact draw, and its gradient is zero. The softmax is there to give it one.",
            GUMBEL_ROAD,
        ),
    ),
    hints=(
        "Three steps: noise, sum, softmax of the sum divided by the temperature.",
        "noise = -(-u.log()).log()",
        "Add the noise to the logits, divide the sum, not one part of it, and take .softmax(-1).",
    ),
    explains="As the temperature falls, the weights become one-hot and the gradients wild: a trade to be made.",
)
