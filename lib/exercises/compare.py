"""Compare two answers and say in words where they differ."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Problem:
    """One difference between the expected answer and the one given."""

    kind: Literal["type", "shape", "not finite", "value"]
    text: str


def describe(value: Any) -> str:
    """A value by its kind and shape: "a tensor of shape (3, 2)", "a tuple of 2"."""
    if isinstance(value, Tensor):
        return "a number" if value.ndim == 0 else f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"a numpy array of shape {value.shape}"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float | complex | np.generic):
        return "a number"
    if isinstance(value, tuple | list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, str):
        return repr(value)
    return f"a {type(value).__name__}"


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves of nested tuples, lists and dicts by their path: ``{"[0]": …, "[1]['loss']": …}``."""
    if isinstance(value, dict):
        items = [(f"{path}[{key!r}]", item) for key, item in value.items()]
    elif isinstance(value, tuple | list):
        items = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    else:
        return {path: value}
    return {name: leaf for inner, item in items for name, leaf in flatten(item, inner).items()}


def as_tensor(leaf: Any) -> Tensor | None:
    """The leaf as a tensor on the CPU, or None if it holds no numbers."""
    if isinstance(leaf, Tensor):
        return leaf.detach().cpu()
    if isinstance(leaf, bool | int | float | complex | np.generic | np.ndarray):
        array = np.asarray(leaf)
        return torch.from_numpy(array.copy()) if array.dtype.kind in "biufc" else None
    return None


def compare(expected: Any, got: Any, rtol: float = 1e-6, atol: float = 1e-8) -> Problem | None:
    """None if both answers agree, else the first difference; a number and a tensor without axes are the same thing.

    NaN equals NaN and infinity equals infinity here, so that a wrong idea that divides by zero can be recognised too.
    """
    want, have = flatten(expected), flatten(got)
    if list(want) != list(have):
        return Problem("type", f"expected {describe(expected)}, got {describe(got)}")
    problems = [_compare_leaf(path, want[path], have[path], rtol, atol) for path in want]
    return next((problem for problem in problems if problem), None)


def _compare_leaf(path: str, expected: Any, got: Any, rtol: float, atol: float) -> Problem | None:
    where = f"in part {path}: " if path else ""
    want, have = as_tensor(expected), as_tensor(got)
    if want is None or have is None:
        if type(expected) is not type(got):
            return Problem("type", f"{where}expected {describe(expected)}, got {describe(got)}")
        return None if expected == got else Problem("value", f"{where}it is not {describe(got)}")
    if want.ndim and isinstance(expected, Tensor) and isinstance(got, np.ndarray):
        return Problem("type", f"{where}expected {describe(expected)}, got {describe(got)}")
    if want.shape != have.shape:
        return Problem("shape", f"{where}expected shape {tuple(want.shape)}, got {tuple(have.shape)}")
    if have.dtype in (torch.float32, torch.float16, torch.bfloat16):  # the answer itself is no finer than this
        rtol, atol = max(rtol, 1e-4), max(atol, 1e-5)
    want, have = _wide(want), _wide(have)
    if torch.allclose(have, want, rtol=rtol, atol=atol, equal_nan=True):
        return None
    odd = int((~have.isfinite() & want.isfinite()).sum())
    if odd:
        return Problem("not finite", f"{where}{odd} of {have.numel()} numbers are NaN or infinite")
    return Problem("value", where + _deviation(want, have))


def pattern(expected: list[Any], got: list[Any]) -> str | None:
    """One sentence if all answers are the right ones times a constant or plus a constant, else None."""
    want, have = (torch.cat([_numbers(answer) for answer in answers]) for answers in (expected, got))
    if want.shape != have.shape or want.numel() < 3 or not (want.isfinite().all() and have.isfinite().all()):
        return None
    factor = (want * have).sum() / (want * want).sum().clamp_min(1e-300)
    if torch.allclose(have, -want, rtol=1e-6, atol=1e-9):
        return "Every number has the wrong sign."
    if factor.abs() > 1e-6 and torch.allclose(have, factor * want, rtol=1e-6, atol=1e-9):
        return f"Every number is {factor.item():.4g} times what it should be."
    offset = (have - want).mean()
    if torch.allclose(have, want + offset, rtol=1e-6, atol=1e-9):
        return f"Every number is what it should be {'plus' if offset > 0 else 'minus'} {abs(offset.item()):.4g}."
    return None


def _numbers(answer: Any) -> Tensor:
    """All real numbers of an answer in one row; a single NaN if there is anything else in it."""
    leaves = [as_tensor(leaf) for leaf in flatten(answer).values()]
    if any(leaf is None or leaf.is_complex() for leaf in leaves):
        return torch.tensor([torch.nan], dtype=torch.float64)
    return torch.cat([leaf.double().reshape(-1) for leaf in leaves]) if leaves else torch.zeros(0, dtype=torch.float64)


def _wide(tensor: Tensor) -> Tensor:
    return tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)


def _deviation(want: Tensor, have: Tensor) -> str:
    gap = (have - want).abs()
    gap = gap[gap.isfinite()]
    if not gap.numel():
        return "the numbers differ"
    differing = int((~torch.isclose(have, want, rtol=1e-6, atol=1e-8)).sum())
    count = "" if want.numel() == 1 else f"{differing} of {want.numel()} numbers differ, "
    return f"{count}largest deviation {gap.max().item():.3g}"
