"""Batches, and the randomness of an update: both follow from (seed, step) alone, so any update can be made again."""

import hashlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Batch = Any
"""A tensor, a list (one entry per row), or a tuple or dict of batches with the same number of rows."""


def step_generator(seed: int, step: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """The source of randomness for one purpose in one update.

    Nothing is carried from step to step, so a training that is resumed at step 700 draws what it would have drawn
    anyway.

    Args:
        seed: the seed of the training.
        step: the number of the update.
        purpose: a word; two purposes in one update draw independent numbers.
        device: where the generator's numbers are made.
    """
    digest = hashlib.sha256(f"{seed} {step} {purpose}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:4], "little"))


def map_leaves(function: Callable[[Tensor | list], Any], batch: Batch) -> Batch:
    """Apply ``function`` to every tensor and list of a batch, keeping tuples and dicts as they are.

    Raises:
        TypeError: if the batch holds anything but tensors, lists, tuples and dicts.
    """
    if isinstance(batch, Tensor | list):
        return function(batch)
    if isinstance(batch, dict):
        return {key: map_leaves(function, value) for key, value in batch.items()}
    if isinstance(batch, tuple):
        parts = [map_leaves(function, value) for value in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
    raise TypeError(f"a batch is a tensor, a list of rows, or a tuple or dict of these; got a {type(batch).__name__}")


def num_rows(batch: Batch) -> int:
    """How many rows a batch has.

    Raises:
        ValueError: if its parts disagree or there is none.
    """
    lengths: list[int] = []
    map_leaves(lambda leaf: lengths.append(len(leaf)), batch)
    if len(set(lengths)) != 1:
        raise ValueError(f"all parts of a batch must have the same number of rows, got {lengths}")
    return lengths[0]


def take(batch: Batch, index: Tensor) -> Batch:
    """The rows of ``batch`` that ``index`` names, from every part of it."""
    return map_leaves(
        lambda leaf: leaf[index] if isinstance(leaf, Tensor) else [leaf[i] for i in index.tolist()], batch
    )


def shard(batch: Batch, number: int, num_shards: int) -> Batch:
    """Part ``number`` of a batch cut into ``num_shards`` equal parts of consecutive rows.

    Raises:
        ValueError: if the rows cannot be divided equally, which would give some rows more weight than others.
    """
    if num_shards == 1:
        return batch
    rows = num_rows(batch)
    if rows % num_shards:
        raise ValueError(f"a batch of {rows} rows cannot be cut into num_shards={num_shards} equal parts")
    size = rows // num_shards
    return map_leaves(lambda leaf: leaf[number * size : (number + 1) * size], batch)


def to_device(batch: Batch, device: torch.device | str) -> Batch:
    """The same batch with its tensors on ``device``; anything that is no batch of tensors is handed on as it is."""
    if isinstance(batch, Tensor | dict | tuple):
        return map_leaves(lambda leaf: leaf.to(device) if isinstance(leaf, Tensor) else leaf, batch)
    return batch


def random_batches(data: Batch, batch_size: int, seed: int = 0) -> Callable[[int], Batch]:
    """A function from the step to ``batch_size`` rows of ``data``, drawn without repetition within a batch.

    Raises:
        ValueError: if ``data`` has fewer rows than a batch.
    """
    rows = num_rows(data)
    if not 1 <= batch_size <= rows:
        raise ValueError(f"batch_size must lie in 1..{rows}, the number of rows of data; got {batch_size}")

    def batch_of(step: int) -> Batch:
        return take(data, torch.randperm(rows, generator=step_generator(seed, step, "batch"))[:batch_size])

    return batch_of
