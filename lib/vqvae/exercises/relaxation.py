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
            "divided only the noise",
            lambda logits, temperature, u: (logits - (-u.log()).log() / temperature).softmax(-1),
            "Then the temperature says how loud the noise is, and so which code is drawn. Noise and logits are added "
            "first, and their sum is divided.",
            GUMBEL_ROAD,
        ),
        Misconception(
            "forgot the temperature",
            lambda logits, temperature, u: gumbel_softmax(logits, 1.0, noise=-(-u.log()).log()),
            "That is the answer for temperature 1. The sum has to be divided before the softmax.",
            GUMBEL_ROAD,
        ),
        Misconception(
            "forgot the logits",
            lambda logits, temperature, u: gumbel_softmax(0 * logits, temperature, noise=-(-u.log()).log()),
            "Noise alone draws every code equally often. The encoder speaks through the logits, to which it is added.",
            GUMBEL_ROAD,
        ),
        Misconception(
            "took the softmax down the columns",
            lambda logits, temperature, u: gumbel_softmax(logits.T, temperature, noise=-(-u.log()).log().T).T,
            "That makes the N draws of one code add up to 1. The K codes of one draw have to: the last axis.",
            GUMBEL_ROAD,
        ),
        Misconception(
            "took one logarithm",
            lambda logits, temperature, u: gumbel_softmax(logits, temperature, noise=-u.log()),
            "-log u is exponential noise, and the largest sum would not be a draw with the probabilities of the "
            "softmax. Gumbel noise takes minus the logarithm of it once more.",
            GUMBEL_ROAD,
        ),
        Misconception(
            "took one logarithm, without its minus",
            lambda logits, temperature, u: gumbel_softmax(logits, temperature, noise=u.log()),
            "log u is negative. -log u is exponential noise, and minus the logarithm of that is Gumbel noise.",
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
        "Three steps, noise, sum and softmax. Where must the temperature enter, so that it does not change who wins?",
        "noise = -(-u.log()).log(). To what is it added?",
        "total = logits + noise. Its largest entry is the draw at every temperature. What comes between total and the "
        "softmax, and along which axis does the softmax run?",
    ),
    explains="As the temperature falls, the weights become one-hot and the gradients wild: a trade to be made.",
)
