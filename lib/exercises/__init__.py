"""Exercises that know the usual wrong ideas.

    check("vae.kl", my_kl)       right, or what is wrong and which idea is behind it
    hint("vae.kl")               the next of three hints

A chapter keeps its exercises in ``lib/<chapter>/exercises.py`` as ``EXERCISES: dict[str, Exercise]``.
"""

from lib.exercises.exercise import Exercise, Misconception, Options, Verdict
from lib.exercises.judge import judge
from lib.exercises.registry import check, find, hint, load
from lib.exercises.verify import verify_exercise

__all__ = [
    "Exercise",
    "Misconception",
    "Options",
    "Verdict",
    "check",
    "find",
    "hint",
    "judge",
    "load",
    "verify_exercise",
]
