"""Exercises about the look-up: the nearest code, its vector, and a gradient through a choice."""

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor

from lib.exercises import Exercise, Misconception
from lib.vqvae.quantizer import nearest_code, straight_through

NEAREST_CODE = "The nearest code"
GRADIENT = "A gradient through a choice"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _clouds(generator: torch.Generator) -> list[tuple]:
    """Codes of very different lengths, so that distance and similarity disagree."""
    cases = []
    for num, num_codes, dim in ((3, 2, 2), (40, 9, 3)):
        lengths = torch.linspace(0.3, 4, num_codes, dtype=torch.float64)[:, None]
        cases.append((_double(generator, num, dim) + 0.5, _double(generator, num_codes, dim) * lengths))
    return cases


TABLES = {
    "squared distances": lambda z_e, codebook: (z_e[:, None] - codebook).square().sum(-1),
    "distances": torch.cdist,
    "scores": lambda z_e, codebook: codebook.square().sum(1) - 2 * z_e @ codebook.T,
}
"""Tables (N, K) whose smallest number in each row stands at the nearest code."""


def _smallest_not_where(what: str, table: Callable) -> tuple[Misconception, Misconception]:
    """min in place of argmin, both of its answers or the first of them."""
    return (
        Misconception(
            f"took min of the {what}, and all that it returns",
            lambda z_e, codebook: table(z_e, codebook).min(1),
            "min along an axis returns a pair, the smallest numbers and where they stand. Only the second is asked "
            "for, and argmin returns it alone.",
            NEAREST_CODE,
        ),
        Misconception(
            f"returned the smallest of the {what}",
            lambda z_e, codebook: table(z_e, codebook).amin(1),
            "That says how small the smallest one is. Asked for is which code has it: argmin.",
            NEAREST_CODE,
        ),
    )


NEAREST = Exercise(
    name="vqvae.nearest",
    prompt="For each row of z_e (N, D) the index of the nearest row of codebook (K, D), by Euclidean distance.",
    reference=nearest_code,
    cases=_clouds,
    misconceptions=(
        Misconception(
            "took the largest dot product",
            lambda z_e, codebook: (z_e @ codebook.T).argmax(1),
            "A long code has large dot products with everything that points its way, near or far. The squared length "
            "of the code is missing.",
            NEAREST_CODE,
        ),
        Misconception(
            "took the most similar direction",
            lambda z_e, codebook: (z_e @ (codebook / codebook.norm(dim=1, keepdim=True)).T).argmax(1),
            "Cosine similarity ignores how long a code is; the nearest neighbour is a matter of distance.",
            NEAREST_CODE,
        ),
        Misconception(
            "took the farthest code",
            lambda z_e, codebook: torch.cdist(z_e, codebook).argmax(1),
            "The smallest distance wins: argmin.",
            NEAREST_CODE,
        ),
        Misconception(
            "lost the 2 of the product",
            lambda z_e, codebook: (codebook.square().sum(1) - z_e @ codebook.T).argmin(1),
            "The square of a difference has minus two times the product in its middle.",
            NEAREST_CODE,
        ),
        Misconception(
            "measured only the length",
            lambda z_e, codebook: (codebook.square().sum(1) - z_e.square().sum(1, keepdim=True)).abs().argmin(1),
            "Two vectors of equal length can be far apart. Subtract first, then square.",
            NEAREST_CODE,
        ),
        Misconception(
            "returned the vectors",
            lambda z_e, codebook: codebook[torch.cdist(z_e, codebook).argmin(1)],
            "The code of a place is one whole number; its vector is looked up afterwards.",
            NEAREST_CODE,
        ),
        Misconception(
            "looked for the nearest vector of each code",
            lambda z_e, codebook: torch.cdist(z_e, codebook).argmin(0),
            "Every vector chooses a code, so the minimum runs over the codes: the second axis.",
            NEAREST_CODE,
        ),
        *(idea for what, table in TABLES.items() for idea in _smallest_not_where(what, table)),
    ),
    hints=(
        "Make a table of all distances first: N rows, K columns.",
        "An axis of length 1, as in z_e[:, None], makes all pairs. Which axis has to be summed over?",
        "With the squared distances in an (N, K) table: is the number of the smallest asked for, or the smallest? "
        "Along which axis? (No root is needed.)",
    ),
    explains="These integers are the whole code of the picture: nothing else reaches the decoder.",
)


def embed(indices: Tensor, codebook: Tensor) -> Tensor:
    """The vectors of a grid of indices, channels first."""
    return rearrange(codebook[indices], "b h w d -> b d h w")


EMBED = Exercise(
    name="vqvae.embed",
    prompt="From a grid of indices (B, h, w) and a codebook (K, D) the input of the decoder, (B, D, h, w).",
    reference=embed,
    cases=lambda g: [
        (torch.randint(num_codes, shape, generator=g), _double(g, num_codes, dim))
        for num_codes, shape, dim in ((3, (1, 2, 3), 2), (7, (2, 3, 4), 5))
    ],
    misconceptions=(
        Misconception(
            "left the channels last",
            lambda indices, codebook: codebook[indices],
            "Looking up puts the D numbers of a code on a new last axis; a convolution wants channels second.",
            NEAREST_CODE,
        ),
        Misconception(
            "reshaped in place of moving the axis",
            lambda indices, codebook: codebook[indices].reshape(len(indices), -1, *indices.shape[1:]),
            "The shape is right and the numbers are in other places: reshape keeps the order in memory. The last axis "
            "has to move.",
            NEAREST_CODE,
        ),
        Misconception(
            "swapped height and width",
            lambda indices, codebook: rearrange(codebook[indices], "b h w d -> b d w h"),
            "Each place keeps its row and its column; only the axis of the D numbers moves.",
            NEAREST_CODE,
        ),
        Misconception(
            "gave the indices themselves to the decoder",
            lambda indices, codebook: indices[:, None].expand(-1, codebook.shape[1], -1, -1).to(codebook.dtype),
            "Indices are names, not quantities: code 7 is not larger than code 3. The decoder gets the vectors.",
            NEAREST_CODE,
        ),
        Misconception(
            "took columns for codes",
            lambda indices, codebook: rearrange(codebook.T.reshape(codebook.shape)[indices], "b h w d -> b d h w"),
            "A code is a row of the codebook.",
            NEAREST_CODE,
        ),
    ),
    hints=(
        "Indexing the codebook with a tensor of integers looks up all of them at once.",
        "codebook[indices] has shape (B, h, w, D). Which axis has to move?",
        "The last axis becomes the second: .permute with four numbers, or rearrange.",
    ),
    explains="One integer for each place, D numbers for the decoder.",
)

STRAIGHT_THROUGH = Exercise(
    name="vqvae.straight_through",
    prompt="Return the values of z_q, but let the gradient that arrives go to z_e unchanged, and none to z_q.",
    reference=straight_through,
    cases=lambda g: [(_double(g, *shape), _double(g, *shape)) for shape in ((2, 2), (3, 4, 2, 2))],
    misconceptions=(
        Misconception(
            "forgot the stop-gradient",
            lambda z_e, z_q: z_e + (z_q - z_e),
            "Without .detach() the two z_e cancel in the gradient as well: this is z_q itself, everything goes to it, "
            "and the encoder learns nothing from the picture.",
            GRADIENT,
        ),
        Misconception(
            "detached z_q whole",
            lambda z_e, z_q: z_q.detach(),
            "Now nobody gets a gradient. z_e has to stand in the sum outside of the brackets.",
            GRADIENT,
        ),
        Misconception(
            "sent the gradient to both",
            lambda z_e, z_q: z_e + z_q - z_e.detach(),
            "z_q is to be moved by the codebook term only. Put it inside of the detached brackets too.",
            GRADIENT,
        ),
        Misconception(
            "took the values of the encoder",
            lambda z_e, z_q: z_e.clone(),
            "The decoder must see the codes in training, or it will not know them later.",
            GRADIENT,
        ),
        Misconception(
            "detached the wrong one",
            lambda z_e, z_q: z_q + (z_e - z_q).detach(),
            "That is z_e in value, with the gradient for z_q: the other way round.",
            GRADIENT,
        ),
    ),
    hints=(
        "Write z_q as z_e plus something.",
        "z_q = z_e + (z_q - z_e). Which part must be a constant for the gradient?",
        "frozen = (z_q - z_e).detach(). What is added to it, so that the value is z_q and the gradient arrives?",
    ),
    explains="The slope of the choice is zero almost everywhere; this pretends that it is one.",
    compare_grad=True,
)
