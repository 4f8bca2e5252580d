"""How much of a codebook is in use: counts over an epoch, their entropy and perplexity."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def count_codes(indices: Int[Tensor, "..."], num_codes: int) -> Int[Tensor, " K"]:
    """How often each code occurs. Add the counts of all batches of an epoch before taking the `perplexity`.

    Raises:
        ValueError: if an index lies outside 0..num_codes - 1.
    """
    if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < num_codes:
        raise ValueError(f"indices must lie in 0..{num_codes - 1}, got {int(indices.min())} to {int(indices.max())}")
    return torch.bincount(indices.flatten(), minlength=num_codes)


def entropy_bits(counts: Int[Tensor, " K"] | Float[Tensor, " K"]) -> float:
    """Entropy of the codes' shares in bits: what one index costs on average if its neighbours are not looked at.

    Raises:
        ValueError: if a count is negative or all are zero.
    """
    if counts.min() < 0 or counts.sum() == 0:
        raise ValueError(f"counts must not be negative nor all zero, got {counts.tolist()[:8]}")
    share = counts.double() / counts.sum()
    return torch.special.entr(share).sum().item() / math.log(2)


def perplexity(counts: Int[Tensor, " K"] | Float[Tensor, " K"]) -> float:
    """2 to the power of the entropy: how many codes, all used equally often, would be as varied. From 1 to K.

    Count over an epoch. A batch shows fewer codes than are in use, and its perplexity is too low.

    Raises:
        ValueError: if a count is negative or all are zero.
    """
    return 2 ** entropy_bits(counts)
