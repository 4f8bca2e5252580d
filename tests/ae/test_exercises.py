"""Every exercise of the chapter is sound."""

import re
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from lib.ae import fit_gaussian, reconstruction_loss
from lib.ae.exercises import EXERCISES
from lib.exercises import judge, verify_exercise
from lib.metrics import psnr


@pytest.mark.parametrize("name", EXERCISES)
def test_blank_fails_reference_passes_and_each_wrong_idea_is_named(name):
    """Blank unanswered, reference right, every misconception diagnosed as itself and told from the others."""
    verify_exercise(EXERCISES[name])


def test_every_exercise_knows_at_least_four_wrong_ideas():
    """A wrong answer should be explained, not only refused."""
    assert len(EXERCISES) >= 5
    assert all(len(exercise.misconceptions) >= 4 for exercise in EXERCISES.values())


def test_every_wrong_idea_points_to_a_section_that_exists():
    """A reader who is told to see a section must find its heading."""
    text = (Path(__file__).parents[2] / "chapters/01_autoencoder.md").read_text("utf8")
    headings = set(re.findall(r"^## (.+)$", text, re.MULTILINE))
    assert {idea.see for exercise in EXERCISES.values() for idea in exercise.misconceptions} <= headings


def test_the_exercises_continue_what_the_chapter_has_shown():
    """With equal weights, the range [-1, 1] and one chunk they are the functions of the library."""
    generator = torch.Generator().manual_seed(0)
    x_hat, x = torch.rand(2, 4, 3, 8, 8, generator=generator, dtype=torch.float64) * 2 - 1
    weight = torch.full((4, 8, 8), 7.0, dtype=torch.float64)
    assert_close(EXERCISES["ae.weighted_loss"].reference(x_hat, x, weight), reconstruction_loss(x_hat, x))
    assert_close(EXERCISES["ae.psnr"].reference(x_hat, x, -1.0, 1.0), psnr(x_hat, x).double(), rtol=1e-6, atol=1e-6)
    codes = torch.randn(9, 3, generator=generator, dtype=torch.float64)
    for found, known in zip(
        EXERCISES["ae.fit_gaussian"].reference(list(codes.split(4))), fit_gaussian(codes), strict=True
    ):
        assert_close(found, known)


@pytest.mark.parametrize(
    ("name", "answer", "idea"),
    [
        ("ae.interpolate", lambda a, b, n: a + torch.linspace(0, 1, n) * (b - a), "left the shares in a row"),
        ("ae.gaussian_draw", lambda m, c, e: torch.linalg.cholesky(c) @ e + m, "multiplied by L from the left"),
        ("ae.project", lambda x, m, c: ((x - m) @ c) @ c.T + m, "encoded without the transpose"),
        (
            "ae.weighted_loss",
            lambda a, x, w: ((x - a) ** 2 * (w / w.mean((-2, -1), keepdim=True))).sum((1, 2, 3)).mean(),
            "forgot the axis of the colours",
        ),
    ],
)
def test_the_commonest_crashes_are_named(name, answer, idea):
    """Written another way than in the list of wrong ideas, the same slip raises the same error."""

    def renamed(*arguments):
        return answer(*arguments)

    verdict = judge(EXERCISES[name], renamed)
    assert verdict.misconception == idea and "it crashed" in verdict.message
