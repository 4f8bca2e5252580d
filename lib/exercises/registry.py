"""Find an exercise by name; `check` an answer, ask for a `hint`."""

import difflib
import importlib
from pathlib import Path
from typing import Any

from lib.exercises.exercise import Exercise, Verdict
from lib.exercises.judge import judge

_asked: dict[str, int] = {}


def check(name: str, answer: Any) -> Verdict:
    """Try your answer to an exercise. Make it the last line of a cell: the verdict appears below.

    Args:
        name: as printed in the chapter, e.g. "vae.kl".
        answer: your function, or your value where the exercise asks for one.

    Raises:
        ValueError: if there is no exercise of that name.
    """
    return judge(find(name), answer)


def hint(name: str, level: int | None = None) -> "Hint":
    """The next hint for an exercise, or the one of the given level, 1 to 3.

    Raises:
        ValueError: if there is no exercise of that name, or no such level.
    """
    hints = find(name).hints
    if level is None:
        level = _asked[name] = min(_asked.get(name, 0) + 1, len(hints))
    if level not in range(1, len(hints) + 1):
        raise ValueError(f"level must be from 1 to {len(hints)}, got {level}")
    return Hint(f"Hint {level} of {len(hints)}: {hints[level - 1]}")


class Hint(str):
    """A hint that a cell shows as plain text."""

    def __repr__(self) -> str:
        return str(self)


def find(name: str) -> Exercise:
    """The exercise of that name, from the dict EXERCISES in ``lib.<chapter>.exercises``.

    Raises:
        ValueError: if there is none; the message lists names that look alike.
    """
    chapter = name.partition(".")[0]
    if chapter not in _chapters():
        known = ", ".join(_chapters()) or "none yet"
        raise ValueError(f"name must begin with a chapter package that has exercises ({known}), got {name!r}")
    exercises = load(chapter)
    if name not in exercises:
        short = {key.partition(".")[2]: key for key in sorted(exercises)}
        close = difflib.get_close_matches(name.partition(".")[2], short, n=3) or short
        close = [short[key] for key in close]
        raise ValueError(f"there is no exercise {name!r}; names like it: {', '.join(close)}")
    return exercises[name]


def load(chapter: str) -> dict[str, Exercise]:
    """All exercises of a chapter package by name.

    Raises:
        ValueError: if a key of EXERCISES is not the name of its exercise, or has another chapter's prefix.
    """
    exercises = importlib.import_module(f"lib.{chapter}.exercises").EXERCISES
    for key, exercise in exercises.items():
        if key != exercise.name or key.partition(".")[0] != chapter:
            raise ValueError(
                f"lib.{chapter}.exercises: key {key!r} must be the name {exercise.name!r}, and '{chapter}.…'"
            )
    return exercises


def _chapters() -> list[str]:
    """Chapter packages that have exercises: a module ``exercises.py`` or a package ``exercises``."""
    root = Path(__file__).parents[1]
    modules = [*root.glob("*/exercises.py"), *root.glob("*/exercises/__init__.py")]
    return sorted({path.relative_to(root).parts[0] for path in modules})
