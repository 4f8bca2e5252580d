"""Judge an answer: right, or what is wrong with it and which wrong idea explains it."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lib.exercises.compare import Problem, as_tensor, compare, flatten, pattern
from lib.exercises.exercise import Exercise, Misconception, Verdict
from lib.exercises.run import Crash, Outcome, advice, is_blank, run


def judge(exercise: Exercise, answer: Any) -> Verdict:
    """Try an answer on every case of an exercise and say what was found."""
    if is_blank(answer):
        return _unanswered(exercise)
    refusal = _wrong_sort(exercise, answer)
    if refusal:
        return _not_yet(exercise, "type", refusal)
    cases = list(exercise.inputs())
    function = as_function(exercise, answer)
    got = []
    for seed, inputs in cases:
        try:
            got.append(run(exercise, function, inputs, seed))
        except NotImplementedError:
            return _unanswered(exercise)
        except Crash as crash:
            if "'ellipsis'" in str(crash):  # a ... of the stub is still in use
                return _unanswered(exercise)
            return _crashed(exercise, crash, got, inputs)
        if is_blank(got[-1].raw):
            return _unanswered(exercise)
    expected = outcomes(exercise, exercise.reference)
    problems = [disagreement(exercise, want, have) for want, have in zip(expected, got, strict=True)]
    if any(problems):
        idea = recognise(exercise, got)
        return _named(exercise, idea) if idea else _explain(exercise, problems, expected, got)
    dtype = _dtype(exercise, expected, got)
    return _not_yet(exercise, "dtype", dtype) if dtype else Verdict("right", _right(exercise))


def recognise(exercise: Exercise, got: list[Outcome]) -> Misconception | None:
    """The first misconception that gives the same answer on every case."""
    for idea in exercise.misconceptions:
        try:
            if matches(exercise, outcomes(exercise, idea.function), got):
                return idea
        except Crash:  # a wrong idea that cannot handle every case explains nothing
            continue
    return None


def crashes_alike(exercise: Exercise, idea: Misconception, crash: Crash, got: list[Outcome]) -> bool:
    """Whether a wrong idea agrees on every case before the one that crashed, and raises the same error there."""
    cases = list(exercise.inputs())
    function = as_function(exercise, idea.function)
    try:
        for have, (seed, inputs) in zip(got, cases, strict=False):
            if disagreement(exercise, run(exercise, function, inputs, seed), have):
                return False
    except Crash:
        return False
    seed, inputs = cases[len(got)]
    try:
        run(exercise, function, inputs, seed)
    except Crash as other:
        return other.signature == crash.signature
    return False


def matches(exercise: Exercise, expected: list[Outcome], got: list[Outcome]) -> bool:
    """Whether two answers agree on every case."""
    return not any(disagreement(exercise, want, have) for want, have in zip(expected, got, strict=True))


def outcomes(exercise: Exercise, answer: Any) -> list[Outcome]:
    """What the reference or a misconception returns, case by case."""
    function = as_function(exercise, answer() if exercise.cases is None and callable(answer) else answer)
    return [run(exercise, function, inputs, seed) for seed, inputs in exercise.inputs()]


def as_function(exercise: Exercise, answer: Any) -> Callable[..., Any]:
    """The answer itself, or for a value exercise a function that returns it."""
    return (lambda: answer) if exercise.cases is None else answer


def disagreement(exercise: Exercise, expected: Outcome, got: Outcome) -> Problem | None:
    """Where two outcomes differ, in the value first and then in the gradients."""
    problem = compare(expected.value, got.value, exercise.rtol, exercise.atol)
    if problem or expected.gradients is None:
        return problem
    return compare(expected.gradients, got.gradients, exercise.rtol, exercise.atol)


def _wrong_sort(exercise: Exercise, answer: Any) -> str | None:
    """What is wrong with the sort of thing that was handed in, if anything."""
    if exercise.cases is None:
        return f"The answer is a value, not the function {answer.__name__}." if inspect.isroutine(answer) else None
    if exercise.options.apply:
        return None
    names = _argument_names(exercise)
    if not callable(answer):
        return f"Hand in the function itself, check({exercise.name!r}, your_function), not what it returns."
    try:
        inspect.signature(answer).bind(*names)
    except TypeError as error:
        return f"The function must take ({', '.join(names)}): {error}."
    except ValueError:  # built-in functions may not tell their signature
        return None
    return None


def _crashed(exercise: Exercise, crash: Crash, got: list[Outcome], inputs: tuple) -> Verdict:
    """The verdict for an answer that raises an error: the wrong idea that does the same, or what usually helps."""
    given = f"\nInputs: {_inputs(exercise, inputs, numbers=0)}." if inputs else ""
    ideas = exercise.misconceptions if exercise.cases is not None else ()
    idea = next((idea for idea in ideas if crashes_alike(exercise, idea, crash, got)), None)
    if idea:
        text = f'{exercise.name}: it crashed — {idea.name}. {idea.message} See "{idea.see}".\n{crash}{given}'
        return Verdict("misconception", text, idea.name)
    help_ = f"\n{advice(crash)}" if advice(crash) else ""
    return Verdict("crashed", f"{exercise.name}: it crashed.\n{crash}{given}{help_}")


def _explain(exercise: Exercise, problems: list, expected: list[Outcome], got: list[Outcome]) -> Verdict:
    """The verdict for an answer that no misconception explains: the gravest kind of problem, in its smallest case."""
    bad = [index for index, problem in enumerate(problems) if problem]
    by_kind = {problems[index].kind: index for index in reversed(bad)}
    index = next(by_kind[kind] for kind in ("type", "shape", "not finite", "value") if kind in by_kind)
    kind, text = problems[index].kind, problems[index].text
    if exercise.cases is None:
        return _not_yet(exercise, "wrong" if kind == "value" else kind, _value_text(kind, text, expected[0], got[0]))
    inputs = list(exercise.inputs())[index][1]
    where = f"for {_inputs(exercise, inputs)}"
    if kind != "value":
        return _not_yet(exercise, kind, f"{text[0].upper()}{text[1:]}, {where}.")
    if compare(expected[index].value, got[index].value, exercise.rtol, exercise.atol) is None:
        return _not_yet(exercise, "gradient", _gradient_text(exercise, expected[index], got[index], where))
    both = _both(exercise, expected[index].value, got[index].value)
    text = f"{len(bad)} of {len(problems)} cases differ; in the smallest, {where}: {text}.{both}"
    regular = pattern([item.value for item in expected], [item.value for item in got])
    return _not_yet(exercise, "wrong", f"{text} {regular}" if regular else text)


def _both(exercise: Exercise, expected: Any, got: Any, numbers: int = 12) -> str:
    """Both answers, if they are short enough to be worked out by hand."""
    count = sum(tensor.numel() for leaf in flatten(expected).values() if (tensor := as_tensor(leaf)) is not None)
    if exercise.options.normal_form or not 1 <= count <= numbers:
        return ""
    return f" Expected {_rounded(expected)}, got {_rounded(got)}."


def _value_text(kind: str, text: str, expected: Outcome, got: Outcome) -> str:
    want, have = as_tensor(expected.value), as_tensor(got.value)
    if kind == "value" and want is not None and have is not None and want.ndim == 0 and not want.is_complex():
        if want.dtype == torch.bool:
            return "It is the other way round."
        return "The number is too large." if have > want else "The number is too small."
    return f"{text[0].upper()}{text[1:]}."


def _gradient_text(exercise: Exercise, expected: Outcome, got: Outcome, where: str) -> str:
    names = [
        name for name, item in zip(_argument_names(exercise), _first_inputs(exercise), strict=False) if _real(item)
    ]
    for name, want, have in zip(names, expected.gradients, got.gradients, strict=True):
        if want.abs().max() > 0 and have.abs().max() == 0:
            return f"The values are right, but no gradient flows back to {name}: is something detached on the way?"
        if compare(want, have, exercise.rtol, exercise.atol):
            return f"The values are right, but the gradient with respect to {name} is not, {where}."
    return f"The values are right, but the gradients are not, {where}."


def _right(exercise: Exercise) -> str:
    return f"{exercise.name}: right. {exercise.explains}"


def _dtype(exercise: Exercise, expected: list[Outcome], got: list[Outcome]) -> str | None:
    """What to say of a wrong dtype, if it matters and is wrong."""
    if not exercise.options.dtype_matters:
        return None
    for want, have in zip(expected, got, strict=True):
        for path, leaf in flatten(want.value).items():
            other = flatten(have.value)[path]
            if isinstance(leaf, Tensor) and leaf.dtype != as_tensor(other).dtype:
                return f"The numbers are right, but their dtype must be {leaf.dtype}, got {as_tensor(other).dtype}."
    return None


def _named(exercise: Exercise, idea: Misconception) -> Verdict:
    text = f'{exercise.name}: not yet — {idea.name}. {idea.message} See "{idea.see}".'
    return Verdict("misconception", text, idea.name)


def _not_yet(exercise: Exercise, status: str, text: str) -> Verdict:
    return Verdict(status, f"{exercise.name}: not yet. {text}")


def _unanswered(exercise: Exercise) -> Verdict:
    return Verdict("unanswered", f"{exercise.name}: not answered yet.")


def _first_inputs(exercise: Exercise) -> tuple:
    return next(iter(exercise.inputs()))[1]


def _argument_names(exercise: Exercise) -> list[str]:
    """Names of the arguments, from the reference where it tells them."""
    apply = exercise.options.apply
    try:
        names = list(inspect.signature(apply or exercise.reference).parameters)[1 if apply else 0 :]
    except (TypeError, ValueError):
        names = []
    number = len(_first_inputs(exercise))
    return [names[index] if index < len(names) else f"argument {index + 1}" for index in range(number)]


def _real(item: Any) -> bool:
    return isinstance(item, Tensor) and item.is_floating_point()


def _inputs(exercise: Exercise, inputs: tuple, numbers: int = 8) -> str:
    """The inputs by name: with their numbers if they are at most so many, else with their shapes."""
    shown = []
    for name, item in zip(_argument_names(exercise), inputs, strict=True):
        tensors = isinstance(item, tuple | list) and all(isinstance(part, Tensor) for part in item)
        size = sum(part.numel() for part in item) if tensors else item.numel() if isinstance(item, Tensor) else 0
        if tensors and size > numbers:
            shown.append(f"{name} of shapes {', '.join(str(tuple(part.shape)) for part in item)}")
        elif isinstance(item, Tensor) and size > numbers:
            shown.append(f"{name} of shape {tuple(item.shape)}")
        elif tensors or isinstance(item, Tensor | bool | int | float | str):
            shown.append(f"{name} = {_rounded(item)}")
        else:
            shown.append(f"{name}: a {type(item).__name__}")
    return ", ".join(shown)


def _rounded(value: Any) -> str:
    if isinstance(value, Tensor):
        return _rounded(value.detach().tolist())
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_rounded(item)}' for key, item in value.items())}}}"
    if isinstance(value, tuple | list):
        inside = ", ".join(_rounded(item) for item in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
