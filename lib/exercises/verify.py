"""Prove that an exercise is sound; used by the tests of every chapter."""

from typing import Any

from lib.exercises.exercise import Exercise
from lib.exercises.judge import judge, matches, outcomes
from lib.exercises.run import Crash


def verify_exercise(exercise: Exercise, blank: Any = None, solution: Any = None) -> None:
    """Assert what a reader relies on.

    The blank is not answered; the reference, and the notebook's solution if given, are right; every misconception is
    diagnosed as itself, and so is told from the others and never passes; verdicts are the same when given twice.

    Args:
        blank: the stub as the notebook has it; a function that returns ``...`` (or ``...``) if not given.
        solution: the solution as the notebook has it.

    Raises:
        AssertionError: with every finding, one a line.
    """
    findings = _texts(exercise) + _repeatable(exercise)
    blank = (... if exercise.cases is None else _stub) if blank is None else blank
    findings += _expect(exercise, blank, "unanswered", "the blank")
    reference = exercise.reference
    if exercise.cases is None and callable(reference):
        reference = reference()
    findings += _expect(exercise, reference, "right", "the reference")
    if solution is not None:
        findings += _expect(exercise, solution, "right", "the solution")
    for idea in exercise.misconceptions:
        function = idea.function() if exercise.cases is None and callable(idea.function) else idea.function
        findings += _expect(exercise, function, "misconception", f"the misconception '{idea.name}'", idea.name)
    findings += _look_alike(exercise)
    assert not findings, "\n".join(f"{exercise.name}: {finding}" for finding in findings)


def _stub(*arguments: Any) -> Any:
    return ...


def _expect(exercise: Exercise, answer: Any, status: str, who: str, idea: str | None = None) -> list[str]:
    verdict = judge(exercise, answer)
    if (verdict.status, verdict.misconception) == (status, idea):
        return []
    return [f"{who} must be judged {status!r}, got {verdict.status!r}: {verdict.message}"]


def _texts(exercise: Exercise) -> list[str]:
    texts = {"prompt": exercise.prompt, "explains": exercise.explains}
    for idea in exercise.misconceptions:
        texts |= {f"message of '{idea.name}'": idea.message, f"see of '{idea.name}'": idea.see}
    for level, text in enumerate(exercise.hints, 1):
        texts[f"hint {level}"] = text
    empty = [f"{name} is empty" for name, text in texts.items() if not text.strip()]
    ragged = [
        f"{name} must end like a sentence" for name, text in texts.items() if text.strip() and _ragged(name, text)
    ]
    return empty + ragged


def _ragged(name: str, text: str) -> bool:
    return not name.startswith("see") and text.strip()[-1] not in ".?:)"


def _repeatable(exercise: Exercise) -> list[str]:
    """Cases and reference must give the same twice, or a verdict would change from run to run."""
    once, again = outcomes(exercise, exercise.reference), outcomes(exercise, exercise.reference)
    return [] if matches(exercise, once, again) else ["reference or cases give another result the second time"]


def _look_alike(exercise: Exercise) -> list[str]:
    """Pairs of misconceptions that no case tells apart; the tolerance counts in both directions."""
    results = {}
    for idea in exercise.misconceptions:
        try:
            results[idea.name] = outcomes(exercise, idea.function)
        except Crash:
            continue  # told apart by its error, which the diagnosis has tried
    return [
        f"'{one}' and '{two}' cannot be told apart"
        for one in results
        for two in results
        if one != two and matches(exercise, results[one], results[two])
    ]
