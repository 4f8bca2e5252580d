"""Comparing pictures pixel by pixel: peak signal-to-noise ratio, and the nearest neighbours of a picture."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from einops import rearrange, reduce
from jaxtyping import Float, Int
from torch import Tensor

from lib.metrics.precision_recall import distance_blocks


class Neighbours(NamedTuple):
    """The ``k`` nearest reference items of every query, nearest first."""

    distance: Float[Tensor, "Q k"]
    index: Int[Tensor, "Q k"]


def psnr(x: Float[Tensor, "B ..."], y: Float[Tensor, "B ..."], data_range: float = 2.0) -> Float[Tensor, " B"]:
    """Peak signal-to-noise ratio of every picture in decibels; higher is closer, equal pictures give infinity.

    PSNR = 10 log10(data_range² / mean squared error). One number per picture: take ``.mean()`` for a data set. (The
    ratio of the mean error of all pictures is a different, lower number.)

    Args:
        x: pictures; the first axis counts them.
        y: the pictures to compare with, same shape.
        data_range: largest possible difference of two values; 2 for pictures in [-1, 1], 1 for [0, 1].

    Raises:
        ValueError: if the shapes differ, there is no picture axis, a value is not finite, ``data_range`` is not
            positive, or two values are so far apart (over twice ``data_range``) that the scale must be wrong.
    """
    if x.shape != y.shape or x.ndim < 2:
        raise ValueError(f"x and y must have the same shape (B, ...), got {tuple(x.shape)} and {tuple(y.shape)}")
    if not data_range > 0:
        raise ValueError(f"data_range must be positive, got {data_range}")
    largest = (x - y).abs().max().item() if x.numel() else 0.0
    if not largest <= 2 * data_range:
        raise ValueError(
            f"values should differ by data_range = {data_range:g} at most, but the largest difference is "
            f"{largest:.4g}; bring both to the same scale, or pass the right data_range"
        )
    mean_squared_error = reduce((x.double() - y.double()).square(), "b ... -> b", "mean")
    return (10 * torch.log10(data_range**2 / mean_squared_error)).to(x.dtype)


def nearest(queries: Float[Tensor, "Q ..."], reference: Float[Tensor, "N ..."], k: int = 1) -> Neighbours:
    """The ``k`` nearest reference items of every query, by Euclidean distance in float64.

    Of equal distances the lowest index comes first. Works on pictures (pixel distance) and on feature rows alike. Use
    it to show the training pictures that a generated picture may have been copied from.

    Args:
        queries: pictures or feature rows; the first axis counts them.
        reference: items to search, with the same shape after the first axis.
        k: how many to return; between 1 and N.

    Raises:
        ValueError: if the shapes after the first axis differ, ``k`` does not fit, or a value is not finite.
    """
    if queries.shape[1:] != reference.shape[1:] or queries.ndim < 2:
        raise ValueError(
            f"queries and reference must have the same shape after the first axis, got {tuple(queries.shape)} "
            f"and {tuple(reference.shape)}"
        )
    if not 1 <= k <= len(reference):
        raise ValueError(f"k must lie in 1..{len(reference)} (the number of reference items), got {k}")
    if not (queries.isfinite().all() and reference.isfinite().all()):
        raise ValueError("queries and reference must be finite, got NaN or infinity")
    flat_queries, flat_reference = (rearrange(items, "n ... -> n (...)") for items in (queries, reference))
    flat_queries, flat_reference = flat_queries.detach().double(), flat_reference.detach().double()
    found = Neighbours(
        flat_queries.new_empty(len(queries), k), torch.empty(len(queries), k, dtype=torch.long, device=queries.device)
    )
    for row, index in enumerate(_candidates(flat_queries, flat_reference, k)):
        (exact,) = torch.cat(list(distance_blocks(flat_queries[row, None], flat_reference[index])))
        # A stable sort and not topk: topk does not say which of two equal distances comes first.
        distance, order = exact.sort(stable=True)
        found.distance[row], found.index[row] = distance[:k], index[order[:k]]
    return found


def _candidates(
    queries: Float[Tensor, "Q D"], reference: Float[Tensor, "N D"], k: int
) -> Iterator[Int[Tensor, " some"]]:
    """For each query the items that may be among the ``k`` nearest: by a matrix product, quick but rounded."""
    sizes = reference.square().sum(1)
    for block in queries.split(64):
        both = block.square().sum(1, keepdim=True) + sizes
        rough = both - 2 * block @ reference.mT  # squared distances
        off = 4 * block.shape[1] * torch.finfo(torch.float64).eps * both.amax(1, keepdim=True)  # by this at most
        near = rough <= rough.kthvalue(k, dim=1, keepdim=True).values + 2 * off
        yield from (row.nonzero()[:, 0] for row in near)
