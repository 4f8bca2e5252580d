"""Every exercise of the chapter is sound."""

import re
from pathlib import Path

import pytest

from lib.ddim.exercises import EXERCISES
from lib.exercises import verify_exercise

CHAPTER = Path(__file__).parents[2] / "chapters/05_ddim.md"


@pytest.mark.parametrize("name", EXERCISES)
def test_blank_fails_reference_passes_and_each_wrong_idea_is_named(name):
    """Blank unanswered, reference right, every misconception diagnosed as itself and told from the others."""
    verify_exercise(EXERCISES[name])


def test_every_exercise_knows_at_least_four_wrong_ideas():
    """A wrong answer should be explained, not only refused."""
    assert len(EXERCISES) >= 6
    assert all(len(exercise.misconceptions) >= 4 for exercise in EXERCISES.values())


@pytest.mark.skipif(not CHAPTER.exists(), reason="chapters/05_ddim.md is not written yet")
def test_every_wrong_idea_points_to_a_section_that_exists():
    """A reader who is told to see a section must find its heading."""
    headings = set(re.findall(r"^## (.+)$", CHAPTER.read_text("utf8"), re.MULTILINE))
    assert {idea.see for exercise in EXERCISES.values() for idea in exercise.misconceptions} <= headings
