"""An exercise about what a Gram matrix keeps of a picture."""

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception
from lib.guidance.energies import gram
from lib.guidance.exercises.cases import ENERGY, double


def gram_joined(gram_a: Tensor, gram_b: Tensor, num_a: int, num_b: int) -> Tensor:
    """Gram matrix of maps set side by side, from those of the two parts and their numbers of places."""
    return (num_a * gram_a + num_b * gram_b) / (num_a + num_b)


def _parts(generator: torch.Generator) -> list[tuple]:
    cases = []
    for width_a, width_b in ((2, 4), (5, 1), (3, 6)):
        parts = [double(generator, 1, 3, 4, width) for width in (width_a, width_b)]
        cases.append((*(gram(part)[0] for part in parts), 4 * width_a, 4 * width_b))
    return cases


GRAM_JOINED = Exercise(
    name="guidance.gram_joined",
    prompt="Two pictures of one height are set side by side. Their maps have num_a and num_b places and the Gram "
    "matrices gram_a and gram_b, F F^T / (C H W) each. The Gram matrix of the maps side by side?",
    reference=gram_joined,
    cases=_parts,
    misconceptions=(
        Misconception(
            "added them",
            lambda gram_a, gram_b, num_a, num_b: gram_a + gram_b,
            "Two copies of a picture beside each other have its style, not twice its style.",
            ENERGY,
        ),
        Misconception(
            "took the plain mean",
            lambda gram_a, gram_b, num_a, num_b: (gram_a + gram_b) / 2,
            "Each place counts once, so the larger picture counts more.",
            ENERGY,
        ),
        Misconception(
            "gave the weights to the wrong parts",
            lambda gram_a, gram_b, num_a, num_b: (num_b * gram_a + num_a * gram_b) / (num_a + num_b),
            "The larger picture has more places, and so more weight.",
            ENERGY,
        ),
        Misconception(
            "forgot to divide by all places",
            lambda gram_a, gram_b, num_a, num_b: num_a * gram_a + num_b * gram_b,
            "That is the sum over all places. The Gram matrix of the whole divides it by their number.",
            ENERGY,
        ),
        Misconception(
            "multiplied them",
            lambda gram_a, gram_b, num_a, num_b: gram_a @ gram_b,
            "The places of the two pictures are summed one after the other; nothing is multiplied across them.",
            ENERGY,
        ),
    ),
    hints=(
        "F of the whole is F of the left and F of the right, one after the other. What is F F^T of such a matrix?",
        "The sum over all places is the sum over those of the left and those of the right.",
        "Undo the division in each Gram matrix first, then divide by the number of places of the whole.",
    ),
    explains="Only sums over places occur: so nothing is remembered of where anything was.",
)
