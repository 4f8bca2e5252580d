"""Comparing pictures pixel by pixel: peak signal-to-noise ratio, and the nearest neighbours of a picture."""

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
    # A stable sort and not topk: topk does not say which of two equal distances comes first.
    ranked = [block.sort(dim=1, stable=True) for block in distance_blocks(flat_queries, flat_reference, rows=64)]
    distance = torch.cat([values[:, :k] for values, _ in ranked])
    return Neighbours(distance, torch.cat([index[:, :k] for _, index in ranked]))
