"""Exercises about counting: the use of a codebook, bits, and what the prior may see."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.exercises import Exercise, Misconception, Options
from lib.vqvae.usage import count_codes, perplexity

USE = "Count over an epoch"
COST = "What a grid of codes costs"
PRIOR = "A prior over codes"


def epoch_perplexity(batches: list[Tensor], num_codes: int) -> float:
    """Perplexity of all batches together."""
    return perplexity(sum(count_codes(batch, num_codes) for batch in batches))


def _shares(batches: list[Tensor], num_codes: int) -> Tensor:
    counts = sum(count_codes(batch, num_codes) for batch in batches).double()
    return counts / counts.sum()


def _mean_share_perplexity(batches: list[Tensor], num_codes: int) -> float:
    share = sum(_shares([batch], num_codes) for batch in batches) / len(batches)
    share = share[share > 0]
    return float(2 ** -(share * share.log2()).sum())


def _without_care_for_zero(batches: list[Tensor], num_codes: int) -> Tensor:
    share = _shares(batches, num_codes)
    return 2 ** -(share * share.log2()).sum()


def _epochs(generator: torch.Generator) -> list[tuple]:
    """Uneven use, small batches, also with a short last one, some codes never used."""
    cases = []
    for num_codes, num_batches, size in ((4, 2, 4), (20, 6, 8)):
        weights = torch.rand(num_codes, generator=generator) ** 2 + 0.01
        weights[-1] = 0
        drawn = torch.multinomial(weights, num_batches * size, replacement=True, generator=generator)
        drawn[:2] = torch.tensor([0, 1])
        cases.append((list(drawn.split(size)), num_codes))
        cases.append((list(drawn[: 1 - size].split(size)), num_codes))  # the last batch holds one index
    return cases


PERPLEXITY = Exercise(
    name="vqvae.perplexity",
    prompt="The perplexity of a codebook over an epoch: 2 to the entropy in bits of the codes' shares, from a list of "
    "batches of indices and the number of codes.",
    reference=epoch_perplexity,
    cases=_epochs,
    misconceptions=(
        Misconception(
            "averaged the perplexities of the batches",
            lambda batches, num_codes: sum(perplexity(count_codes(b, num_codes)) for b in batches) / len(batches),
            "A batch cannot show more codes than it has places, so its perplexity is too low. Add the counts first.",
            USE,
        ),
        Misconception(
            "averaged the shares of the batches",
            _mean_share_perplexity,
            "The last batch of an epoch is often shorter; each of its indices would weigh more than one of the others. "
            "Add the counts, and divide once.",
            USE,
        ),
        Misconception(
            "looked at the last batch",
            lambda batches, num_codes: perplexity(count_codes(batches[-1], num_codes)),
            "One batch shows a part of the codes in use. Add the counts of all of them.",
            USE,
        ),
        Misconception(
            "counted the codes in use",
            lambda batches, num_codes: float((_shares(batches, num_codes) > 0).sum()),
            "A code used once counts like one used a thousand times that way. Perplexity weighs them by their shares.",
            USE,
        ),
        Misconception(
            "returned the entropy",
            lambda batches, num_codes: math.log2(epoch_perplexity(batches, num_codes)),
            "That is the number of bits; two to this power is the perplexity.",
            USE,
        ),
        Misconception(
            "mixed bits and nats",
            lambda batches, num_codes: math.exp(math.log2(epoch_perplexity(batches, num_codes))),
            "An entropy in bits belongs to powers of 2, one in nats to powers of e.",
            USE,
        ),
        Misconception(
            "took 2 to an entropy in nats",
            lambda batches, num_codes: 2 ** math.log(epoch_perplexity(batches, num_codes)),
            "torch.log is the natural logarithm. To a power of 2 belongs log2, to torch.log belongs exp.",
            USE,
        ),
        Misconception(
            "took the logarithm of 0",
            _without_care_for_zero,
            "A code that is never used has the share 0, and 0 times minus infinity is NaN. Leave such codes out: they "
            "add nothing to the entropy.",
            USE,
        ),
        Misconception(
            "turned the sign",
            lambda batches, num_codes: 1 / epoch_perplexity(batches, num_codes),
            "The logarithm of a share is negative, so the entropy has a minus in front.",
            USE,
        ),
        Misconception(
            "averaged over the codes",
            lambda batches, num_codes: 2 ** (math.log2(epoch_perplexity(batches, num_codes)) / num_codes),
            "The entropy is a sum over codes, each weighted with its share already.",
            USE,
        ),
    ),
    hints=(
        "torch.bincount counts one batch; which counts belong together?",
        "share = counts / counts.sum(); unused codes add nothing to the sum, but log 0 must not be taken.",
        "The entropy is minus the sum of share * share.log2() over the codes with share > 0. What is the last step?",
    ),
    explains="Between 1 (one code does it all) and the number of codes in use.",
    rtol=1e-6,
)


def compression(height: int, width: int, grid: int, num_codes: int) -> float:
    """How many times fewer bits a square grid of indices has than a colour picture of bytes."""
    return height * width * 3 * 8 / (grid**2 * math.log2(num_codes))


BITS = Exercise(
    name="vqvae.bits",
    prompt="How many times fewer bits has a grid x grid map of indices from a book of num_codes, than a height x width "
    "picture with three bytes a pixel?",
    reference=compression,
    cases=lambda g: [(128, 128, 32, 512), (64, 64, 16, 256), (64, 48, 8, 1024)],
    misconceptions=(
        Misconception(
            "compared numbers of values",
            lambda height, width, grid, num_codes: height * width * 3 / grid**2,
            "An index of 512 codes has nine bits, a byte eight. Count bits on both sides.",
            COST,
        ),
        Misconception(
            "forgot the three colours",
            lambda height, width, grid, num_codes: compression(height, width, grid, num_codes) / 3,
            "A pixel has three bytes.",
            COST,
        ),
        Misconception(
            "took num_codes bits for an index",
            lambda height, width, grid, num_codes: height * width * 24 / (grid**2 * num_codes),
            "To name one of K codes takes log2 K bits, not K.",
            COST,
        ),
        Misconception(
            "took the natural logarithm",
            lambda height, width, grid, num_codes: height * width * 24 / (grid**2 * math.log(num_codes)),
            "That is in nats; a bit is a logarithm to the base 2.",
            COST,
        ),
        Misconception(
            "counted one side of the grid",
            lambda height, width, grid, num_codes: height * width * 24 / (grid * math.log2(num_codes)),
            "The grid has grid times grid places.",
            COST,
        ),
        Misconception(
            "turned the ratio over",
            lambda height, width, grid, num_codes: 1 / compression(height, width, grid, num_codes),
            "How many times fewer: the larger number over the smaller.",
            COST,
        ),
    ),
    hints=(
        "Bits of the picture over bits of the code.",
        "How many bits has a pixel of three bytes? And how many does it take to name one of num_codes?",
        "code_bits = grid * grid * math.log2(num_codes). What is divided by it?",
    ),
    explains="For 128 x 128 pixels, 32 x 32 places and 512 codes it is 42.7, and that without any prior.",
)


def prior_input(indices: Tensor, start: int) -> Tensor:
    """What the prior reads at each place: the index before it, row by row, and a start sign at the first place."""
    return F.pad(indices.flatten(1)[:, :-1], (1, 0), value=start)


PRIOR_INPUT = Exercise(
    name="vqvae.prior_input",
    prompt="What the prior reads so that place i can predict index i: from grids (B, h, w) and the number of the start "
    "sign, (B, h*w) indices (whole numbers), each the one before its place, row by row.",
    reference=prior_input,
    cases=lambda g: [(torch.randint(5, shape, generator=g), 5) for shape in ((1, 2, 2), (2, 3, 4))],
    misconceptions=(
        Misconception(
            "gave it the index that it has to predict",
            lambda indices, start: indices.flatten(1),
            "Then the prior copies what it sees; its loss falls to nothing and its samples mean nothing.",
            PRIOR,
        ),
        Misconception(
            "shifted to the wrong side",
            lambda indices, start: F.pad(indices.flatten(1)[:, 1:], (0, 1), value=start),
            "That shows each place the index after it, which is not drawn yet when sampling.",
            PRIOR,
        ),
        Misconception(
            "let the last index come round to the front",
            lambda indices, start: indices.flatten(1).roll(1, 1),
            "The first place has nothing before it, and the last index is not known then. It needs the start sign.",
            PRIOR,
        ),
        Misconception(
            "kept the last index",
            lambda indices, start: F.pad(indices.flatten(1), (1, 0), value=start),
            "One too many: the last index predicts nothing in this grid.",
            PRIOR,
        ),
        Misconception(
            "read column by column",
            lambda indices, start: prior_input(indices.transpose(1, 2), start),
            "Row by row: the last axis runs fastest.",
            PRIOR,
        ),
        Misconception(
            "started every row anew",
            lambda indices, start: F.pad(indices[:, :, :-1], (1, 0), value=start).flatten(1),
            "The first place of a row comes after the last of the row above, and may see it.",
            PRIOR,
        ),
    ),
    hints=(
        "In which order are the places written? Bring the grid into that order first.",
        "What is known before the first index is drawn? And which index does no place of this grid read?",
        "indices.flatten(1) reads row by row; the list has to move by one place, and the length stays h*w.",
    ),
    explains="With this shift and a causal mask, one pass trains all places at once.",
    options=Options(dtype_matters=True),  # an embedding looks up whole numbers only
)
