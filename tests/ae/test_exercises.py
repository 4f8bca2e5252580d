"""Every exercise of the chapter is sound."""

import pytest

from lib.ae.exercises import EXERCISES
from lib.exercises import verify_exercise


@pytest.mark.parametrize("name", EXERCISES)
def test_blank_fails_reference_passes_and_each_wrong_idea_is_named(name):
    """Blank unanswered, reference right, every misconception diagnosed as itself and told from the others."""
    verify_exercise(EXERCISES[name])


def test_every_exercise_knows_at_least_four_wrong_ideas():
    """A wrong answer should be explained, not only refused."""
    assert len(EXERCISES) >= 5
    assert all(len(exercise.misconceptions) >= 4 for exercise in EXERCISES.values())
