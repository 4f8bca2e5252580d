"""What an exercise consists of, and the verdict on an answer."""

import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch

SEEDS = (0, 1, 2)
"""Seeds of the generators handed to `Exercise.cases`; fixed, so that a verdict reads the same on every run."""

LINE_WIDTH = 96

Status = Literal[
    "right", "unanswered", "crashed", "misconception", "type", "shape", "dtype", "not finite", "gradient", "wrong"
]


@dataclass(frozen=True)
class Misconception:
    """A wrong idea that gives a wrong answer of its own, so that the idea can be read off the answer.

    Args:
        name: the idea in a few words that can follow a dash: "forgot the half".
        function: takes what the reference takes and answers as somebody with this idea would; for a value exercise, the
            value or a function without arguments that returns it.
        message: one or two sentences on why it is wrong.
        see: the section of the chapter that explains it, by its heading.
    """

    name: str
    function: Any
    message: str
    see: str


@dataclass(frozen=True)
class Options:
    """Rarer settings of an exercise.

    Args:
        apply: ``apply(answer, *arguments)`` runs the answer when it is not a plain function, e.g. a module class.
        normal_form: brings two answers that mean the same to one form before they are compared: the projector of a
            basis, "at least 20 dB" of a PSNR. Applied to reference, answer and misconceptions alike.
        dtype_matters: an answer of another dtype is not right.
    """

    apply: Callable[..., Any] | None = None
    normal_form: Callable[[Any], Any] | None = None
    dtype_matters: bool = False


@dataclass(frozen=True)
class Exercise:
    """A task with its reference solution, the inputs it is tried on, and the wrong ideas known beforehand.

    Args:
        name: chapter package, dot, short name: "vae.kl".
        prompt: what is asked, in one or two sentences.
        reference: the solution. For a value exercise, the value or a function without arguments that returns it.
        cases: ``cases(generator)`` returns tuples of positional arguments, small ones too; called once per seed.
            Draw in float64. None makes it a value exercise: the answer is a number or a tensor, not a function.
        misconceptions: tried in this order when the answer is wrong.
        hints: three, from a nudge to nearly the solution.
        explains: one sentence to notice once the answer is right.
        compare_grad: compare the gradients with respect to every floating-point tensor argument too.
        rtol, atol: tolerance of the comparison; wider for a value that is read off a figure or trained.
        options: the rarer settings, see `Options`.
    """

    name: str
    prompt: str
    reference: Any
    cases: Callable[[torch.Generator], Any] | None
    misconceptions: tuple[Misconception, ...]
    hints: tuple[str, ...]
    explains: str
    compare_grad: bool = False
    rtol: float = 1e-6
    atol: float = 1e-8
    options: Options = Options()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9]*\.[a-z][a-z0-9_]*", self.name):
            raise ValueError(f"name must be '<chapter package>.<short name>' in lower case, got {self.name!r}")
        if len(self.hints) != 3 or not all(self.hints):
            raise ValueError(f"{self.name}: hints must be three texts, got {len(self.hints)}")
        if self.cases is not None and not callable(self.reference):
            raise ValueError(f"{self.name}: reference must be a function when there are cases, got {self.reference!r}")
        names = [misconception.name for misconception in self.misconceptions]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: misconceptions must have different names, got {names}")

    def inputs(self) -> Iterator[tuple[int, tuple]]:
        """Every case as (seed, positional arguments), the smallest first; one empty case for a value exercise."""
        if self.cases is None:
            yield 0, ()
            return
        found = [(seed, tuple(case)) for seed in SEEDS for case in self.cases(torch.Generator().manual_seed(seed))]
        if not found:
            raise ValueError(f"{self.name}: cases must return at least one tuple of arguments, got none")
        yield from sorted(found, key=lambda pair: _numel(pair[1]))


@dataclass(frozen=True)
class Verdict:
    """What `check` found: ``status``, and the ``message`` that a cell shows. It is true if the answer is right."""

    status: Status
    message: str
    misconception: str | None = None

    def __bool__(self) -> bool:
        return self.status == "right"

    def __str__(self) -> str:
        return "\n".join(textwrap.fill(line, LINE_WIDTH, break_long_words=False) for line in self.message.splitlines())

    __repr__ = __str__


def _numel(value: Any) -> int:
    """How many numbers an argument holds."""
    if isinstance(value, torch.Tensor):
        return value.numel()
    if isinstance(value, tuple | list):
        return sum(_numel(item) for item in value)
    return 1
