"""Exercises are found by name, hints come in stages, and unsound exercises are found out."""

import sys
import types

import pytest
import torch

from lib.exercises import Exercise, Misconception, check, find, hint, registry, verify_exercise


def twice(x):
    return 2 * x


def make(name="toy.twice", **changes):
    settings = dict(
        name=name,
        prompt="Double it.",
        reference=twice,
        cases=lambda generator: [(torch.randn(n, generator=generator, dtype=torch.float64),) for n in (1, 4)],
        misconceptions=(Misconception("squared it", lambda x: x**2, "Twice x is x + x.", "Powers"),),
        hints=("One.", "Two.", "Three."),
        explains="Doubling is linear.",
    )
    return Exercise(**(settings | changes))


@pytest.fixture
def chapter(monkeypatch):
    """A chapter package "toy" with two exercises."""
    module = types.ModuleType("lib.toy.exercises")
    module.EXERCISES = {name: make(name) for name in ("toy.twice", "toy.kl_twice")}
    monkeypatch.setitem(sys.modules, "lib.toy", types.ModuleType("lib.toy"))
    monkeypatch.setitem(sys.modules, "lib.toy.exercises", module)
    monkeypatch.setattr(registry, "_chapters", lambda: ["toy", "other"])
    monkeypatch.setattr(registry, "_asked", {})
    return module


def test_check_finds_the_exercise_of_a_chapter_by_its_name(chapter):
    """The part before the dot names the package."""
    assert check("toy.twice", lambda x: x + x)
    assert check("toy.twice", lambda x: x * x).misconception == "squared it"


def test_an_unknown_name_lists_those_that_look_alike(chapter):
    """A slip of the finger should cost no search."""
    with pytest.raises(ValueError, match=r"no exercise 'toy.twise'; names like it: toy.twice"):
        check("toy.twise", twice)
    with pytest.raises(ValueError, match=r"\(toy, other\), got 'tui.twice'"):
        check("tui.twice", twice)
    with pytest.raises(ValueError, match="names like it: toy.kl_twice, toy.twice"):
        find("toy.xyz")


def test_chapters_are_packages_with_a_module_or_a_package_of_exercises(tmp_path, monkeypatch):
    """A chapter with many exercises spreads them over several files."""
    for name in ("one/exercises.py", "two/exercises/__init__.py", "exercises/registry.py", "three/model.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "exercises" / "registry.py"))
    assert registry._chapters() == ["one", "two"]


def test_hints_come_one_after_the_other_and_the_last_one_stays(chapter):
    """Asking again is asking for more."""
    assert [repr(hint("toy.twice")) for _ in range(4)] == [
        "Hint 1 of 3: One.",
        "Hint 2 of 3: Two.",
        "Hint 3 of 3: Three.",
        "Hint 3 of 3: Three.",
    ]
    assert hint("toy.twice", level=2) == "Hint 2 of 3: Two."
    assert hint("toy.kl_twice") == "Hint 1 of 3: One."
    with pytest.raises(ValueError, match="level must be from 1 to 3, got 4"):
        hint("toy.twice", level=4)


def test_a_key_that_is_not_the_exercises_name_is_refused(chapter):
    """check would find it under a name that its own verdict does not print."""
    chapter.EXERCISES["toy.half"] = make("toy.twice")
    with pytest.raises(ValueError, match=r"key 'toy.half' must be the name 'toy.twice'"):
        find("toy.half")


def test_a_sound_exercise_is_verified():
    """The blank is open, the reference right, the wrong idea found."""
    verify_exercise(make(), blank=lambda x: ..., solution=lambda x: x + x)
    value = make(cases=None, reference=3.0, misconceptions=(Misconception("two", 2.0, "It is not.", "Counting"),))
    verify_exercise(value, solution=3)


def late(x):
    late.calls += 1
    return 2 * x + late.calls


late.calls = 0


@pytest.mark.parametrize(
    ("changes", "arguments", "words"),
    [
        ({}, {"blank": twice}, "the blank must be judged 'unanswered', got 'right'"),
        ({}, {"solution": lambda x: 3 * x}, "the solution must be judged 'right', got 'wrong'"),
        ({"misconceptions": [("same", lambda x: x + x)]}, {}, "'same' must be judged 'misconception', got 'right'"),
        ({"misconceptions": [("a", torch.sin), ("b", lambda x: x.sin())]}, {}, "'a' and 'b' cannot be told apart"),
        ({"misconceptions": [("a", torch.sin), ("b", lambda x: x.sin())]}, {}, "'b' must be judged 'misconception'"),
        ({"reference": late}, {}, "another result the second time"),
        ({"explains": " "}, {}, "explains is empty"),
        ({"hints": ("One.", "Two", "Three.")}, {}, "hint 2 must end like a sentence"),
    ],
)
def test_an_unsound_exercise_is_found_out(changes, arguments, words):
    """Each finding names what is wrong; all of them are reported together."""
    ideas = [Misconception(name, function, "No.", "Here") for name, function in changes.get("misconceptions", [])]
    exercise = make(**(changes | ({"misconceptions": tuple(ideas)} if ideas else {})))
    with pytest.raises(AssertionError, match=words):
        verify_exercise(exercise, **arguments)
