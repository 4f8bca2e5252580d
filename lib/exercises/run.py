"""Run an answer on copies of the inputs, with its gradients, and locate the line where it breaks."""

import copy
import inspect
import linecache
import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lib.exercises.compare import flatten
from lib.exercises.exercise import Exercise

_GLOBAL_SEED = 1000  # apart from the seeds of the cases: a draw without the generator gives other numbers


@dataclass(frozen=True)
class Outcome:
    """What an answer returned for one case; ``gradients`` is None unless the exercise compares them."""

    value: Any
    gradients: tuple[Tensor, ...] | None
    raw: Any


class Crash(Exception):
    """The answer raised an error on a case; the message says where.

    Attributes:
        signature: what two errors have in common that come from the same wrong idea, see `signature`.
    """

    def __init__(self, message: str, signature: tuple = ()):
        super().__init__(message)
        self.signature = signature


MATRIX_PRODUCT = (
    "The last axis of what stands left of @ must be as long as the first of two axes of what stands right of it. Print "
    "both shapes; is one of them to be transposed (.T), or do they stand in the wrong order?"
)
BROADCASTING = (
    "For +, -, * and / the axes of both shapes are matched from the last one backwards; two lengths must be equal, or "
    "one of them 1. Print both shapes; v[:, None] makes a column of a row, v[:, None, None] adds two axes."
)
ADVICE = {
    "mat1 and mat2|size mismatch|same number of elements|batch2 tensor": MATRIX_PRODUCT,
    "must match the size|not broadcastable": BROADCASTING,
}
"""What to say, over and above the error, when its message contains one of these."""


def run(exercise: Exercise, function: Callable[..., Any], inputs: tuple, seed: int) -> Outcome:
    """Call ``function`` on copies of ``inputs``, torch's global random state seeded by ``seed`` and put back after.

    Raises:
        Crash: if the function raises; NotImplementedError passes through.
    """
    watched, arguments = [], []
    for item in inputs:
        item = copied(item)
        if exercise.compare_grad and isinstance(item, Tensor) and item.is_floating_point():
            watched.append(item.requires_grad_())
            item = item.clone()  # not a leaf, so that an answer may change it in place
        arguments.append(item)
    apply = exercise.options.apply
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_GLOBAL_SEED + seed)
        try:
            raw = apply(function, *arguments) if apply else function(*arguments)
            raw = list(raw) if isinstance(raw, Iterator) else raw
        except NotImplementedError:
            raise
        except Exception as error:
            raise Crash(locate(error, function), signature(error)) from error
    if is_blank(raw):
        return Outcome(raw, None, raw)
    try:
        gradients = _gradients(raw, watched) if exercise.compare_grad else None
    except RuntimeError as error:  # a value that the backward pass needed was changed in place
        raise Crash(f"The values can be computed, but not their gradients. {locate(error, function)}") from error
    return Outcome(_normal(exercise, raw), gradients, raw)


def copied(value: Any) -> Any:
    """A copy that shares no memory with ``value``; generators of random numbers continue from the same state."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, torch.Generator):
        return torch.Generator(value.device).set_state(value.get_state())
    if isinstance(value, tuple | list):
        return type(value)(copied(item) for item in value)
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return copy.deepcopy(value)


def is_blank(answer: Any) -> bool:
    """Whether an answer is a stub: ``...``, None or NotImplemented, or a tuple or list with one of these in it."""
    if isinstance(answer, tuple | list):
        return any(is_blank(item) for item in answer)
    return answer is None or answer is Ellipsis or answer is NotImplemented


def signature(error: Exception) -> tuple[str, str, list[str]]:
    """Kind, words and sorted numbers of an error; ``a * b`` and ``b * a`` of shapes that do not fit have the same."""
    numbers = re.findall(r"\d+", str(error))
    return type(error).__name__, re.sub(r"\d+", "", str(error)), sorted(numbers)


def advice(crash: Crash) -> str:
    """What usually helps against this error, or nothing."""
    return next((text for words, text in ADVICE.items() if re.search(words, str(crash))), "")


def locate(error: Exception, function: Callable[..., Any]) -> str:
    """The error with the innermost line of the reader's own code, free of paths and addresses."""
    summary = (str(error).strip().splitlines() or [""])[0]
    text = f"{type(error).__name__}: {re.sub(r' at 0x[0-9a-f]+', '', summary)}"
    code = _code(function)
    own = code.co_filename if code else None
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
    if not frames:
        return text
    line = linecache.getline(frames[-1].filename, frames[-1].lineno).strip()
    number = frames[-1].lineno - code.co_firstlineno + 1
    within = f"line {number} of {code.co_name}" if frames[-1].name == code.co_name else f"{frames[-1].name}"
    return f"{text}\nin {within}: {line}" if line else f"{text}\nin {within}"


def _normal(exercise: Exercise, raw: Any) -> Any:
    """The answer in its normal form, or as it is where it has none (a wrong shape, say)."""
    normal_form = exercise.options.normal_form
    try:
        return normal_form(raw) if normal_form else raw
    except Exception:
        return raw


def _code(function: Any) -> Any:
    """The code object of a function, of what a partial wraps, or of the forward pass of a module."""
    function = getattr(function, "func", function)
    for part in (function, getattr(function, "forward", None), getattr(function, "__init__", None)):
        code = getattr(inspect.unwrap(part), "__code__", None) if part is not None else None
        if code:
            return code
    return None


def _gradients(value: Any, watched: list[Tensor]) -> tuple[Tensor, ...]:
    """Gradients of a fixed weighted sum of all outputs; zero where nothing flows back."""
    total = None
    for leaf in flatten(value).values():
        if isinstance(leaf, Tensor) and leaf.requires_grad:
            weights = torch.arange(1.0, leaf.numel() + 1, dtype=leaf.dtype).cos().reshape(leaf.shape)
            total = (leaf * weights).sum() + (0 if total is None else total)
    if total is None:
        return tuple(torch.zeros_like(item) for item in watched)
    gradients = torch.autograd.grad(total, watched, allow_unused=True)
    return tuple(torch.zeros_like(w) if g is None else g for w, g in zip(watched, gradients, strict=True))
