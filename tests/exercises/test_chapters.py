"""The exercises of every chapter are sound, and know the wrong answers that readers give."""

import inspect
import math
import re
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from lib.ae import fit_gaussian, reconstruction_loss
from lib.exercises import find, judge, load, registry, verify_exercise
from lib.metrics import psnr
from lib.vae import active_units

CHAPTERS = registry._chapters()
NAMES = [name for chapter in CHAPTERS for name in load(chapter)]
LEAST = {"vae": 8, "vqvae": 8, "ddpm": 6, "ddim": 6, "guidance": 6, "ldm": 8}
"""How many exercises a chapter has at least; 5 if it is not named."""

IN_PREPARATION: set[str] = set()
"""Packages whose chapter is not written yet: their exercises are checked, no page sets them."""


def text_of(chapter: str) -> str:
    """The text of the chapter (01_….md, 02_….md, …) whose exercises are those of a chapter package."""
    texts = [page.read_text("utf8") for page in (Path(__file__).parents[2] / "chapters").glob("[0-9]*.md")]
    texts = [text for text in texts if f'check("{chapter}.' in text]
    if not texts and chapter in IN_PREPARATION:
        pytest.skip(f"the chapter of lib.{chapter} is not written yet")
    (text,) = texts
    return text


@pytest.mark.parametrize("name", NAMES)
def test_blank_fails_reference_passes_and_each_wrong_idea_is_named(name):
    """Blank unanswered, reference right, every misconception diagnosed as itself and told from the others."""
    verify_exercise(find(name))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_exercise_knows_at_least_four_wrong_ideas(chapter):
    """A wrong answer should be explained, not only refused."""
    exercises = load(chapter)
    assert len(exercises) >= LEAST.get(chapter, 5)
    assert all(len(exercise.misconceptions) >= 4 for exercise in exercises.values())


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_wrong_idea_points_to_a_section_that_exists(chapter):
    """A reader who is told to see a section must find its heading."""
    headings = set(re.findall(r"^## (.+)$", text_of(chapter), re.MULTILINE))
    assert {idea.see for exercise in load(chapter).values() for idea in exercise.misconceptions} <= headings


@pytest.mark.parametrize("name", NAMES)
def test_every_exercise_is_set_in_its_chapter(name):
    """An exercise that no page asks for is one that nobody finds."""
    assert f'check("{name}", ' in text_of(name.partition(".")[0])


@pytest.mark.parametrize("name", NAMES)
def test_no_hint_can_be_pasted_as_the_answer(name):
    """The last hint leaves half a step: none of its sentences, taken as an expression, is the solution."""
    exercise = find(name)
    if exercise.cases is None:
        return
    arguments = ", ".join(inspect.signature(exercise.reference).parameters)
    for sentence in (part for text in exercise.hints for part in re.split(r"[.:?](?: |$)", text)):
        try:
            answer = eval(f"lambda {arguments}: {sentence}", {"torch": torch, "math": math})
        except SyntaxError:  # prose
            continue
        assert not judge(exercise, answer), sentence


def test_the_exercises_of_chapter_1_continue_what_it_has_shown():
    """With equal weights, the range [-1, 1] and one chunk they are the functions of the library."""
    generator = torch.Generator().manual_seed(0)
    x_hat, x = torch.rand(2, 4, 3, 8, 8, generator=generator, dtype=torch.float64) * 2 - 1
    weight = torch.full((4, 8, 8), 7.0, dtype=torch.float64)
    assert_close(find("ae.weighted_loss").reference(x_hat, x, weight), reconstruction_loss(x_hat, x))
    assert_close(find("ae.psnr").reference(x_hat, x, -1.0, 1.0), psnr(x_hat, x).double(), rtol=1e-6, atol=1e-6)
    codes = torch.randn(9, 3, generator=generator, dtype=torch.float64)
    for found, known in zip(find("ae.fit_gaussian").reference(list(codes.split(4))), fit_gaussian(codes), strict=True):
        assert_close(found, known)


def test_active_dimensions_are_counted_as_the_library_counts_them():
    """The exercise asks for the number of what `active_units` marks."""
    for _, (mu, threshold) in find("vae.active_units").inputs():
        assert find("vae.active_units").reference(mu, threshold) == active_units(mu, threshold).sum()


def kl(mu, logvar):
    return 0.5 * (mu.pow(2) - logvar + logvar.exp() - 1).sum(-1)


def error(x, x_hat):
    return ((x_hat - x) ** 2).flatten(1).sum(-1)


CRASHES = [
    ("ae.interpolate", lambda a, b, n: a + torch.linspace(0, 1, n) * (b - a), "left the shares in a row"),
    ("ae.gaussian_draw", lambda m, c, e: torch.linalg.cholesky(c) @ e + m, "multiplied by L from the left"),
    ("ae.project", lambda x, m, c: ((x - m) @ c) @ c.T + m, "encoded without the transpose"),
    (
        "ae.weighted_loss",
        lambda a, x, w: ((x - a) ** 2 * (w / w.mean((-2, -1), keepdim=True))).sum((1, 2, 3)).mean(),
        "forgot the axis of the colours",
    ),
    ("vae.kl", lambda m, v: (0.5 * (m**2 - 1 - v + math.exp(v.detach()))).sum(1), "took math.exp for torch.exp"),
    (
        "vae.loss",
        lambda x, y, m, v, s: (((x - y) ** 2).sum(1) / 2 / s**2 + kl(m, v)).mean(),
        "added up the colours alone",
    ),
    ("vae.loss", lambda x, y, m, v, s: kl(m, v) + ((y - x) ** 2).sum(1) / (2 * s**2), "added up the colours alone"),
    ("vae.importance_bound", lambda w: w.logsumexp(1) - torch.log(w.size(1)), "took torch.log of a plain number"),
    ("vae.paint", lambda x, c: torch.cat((x, c), 1), "left the condition without height and width"),
    ("vae.paint", lambda x, c: torch.cat((x, c.reshape(*c.shape, 1, 1)), 1), "did not repeat it over the pixels"),
    ("vae.paint", lambda x, c: c[:, None, None].expand(-1, -1, *x.shape[2:]), "put the condition along the width"),
    ("vae.paint", lambda x, c: c[..., None, None] + x, "added the condition to the channels"),
    (
        "vae.aggregate",
        lambda m, v: (m.mean(0), torch.cov(m) + v.exp().mean(0).diag()),
        "took the covariance of the pictures",
    ),
]


@pytest.mark.parametrize(("name", "answer", "idea"), CRASHES, ids=lambda item: item if isinstance(item, str) else "")
def test_the_commonest_crashes_are_named(name, answer, idea):
    """Written another way than in the list of wrong ideas, the same slip raises the same error."""
    verdict = judge(find(name), answer)
    assert verdict.misconception == idea and "it crashed" in verdict.message


SLIPS = [
    ("vae.kl", lambda m, v: 0.5 * (m**2 + v**2 - 1 - v).sum(1), "squared logvar"),
    ("vae.kl", lambda m, v: (m**2 + v.exp() - 1 - v).mean() / 2, "averaged everything"),
    ("vae.kl", lambda m, v: 0.5 * (m**2 + v.exp() - 1 - 2 * v).sum(1), "subtracted logvar twice"),
    ("vae.reparameterize", lambda m, v, e: torch.normal(m, v.exp().sqrt()), "let torch.normal draw"),
    (
        "vae.reparameterize",
        lambda m, v, e: torch.distributions.Normal(m, (v / 2).exp()).sample(),
        "let torch.normal draw",
    ),
    ("vae.reparameterize", lambda m, v, e: e + m, "left the spread out"),
    ("vae.reparameterize", lambda m, v, e: m + torch.sqrt(v) * e, "took the root of logvar"),
    ("vae.loss", lambda x, y, m, v, s: (error(x, y) / (2 * s**2) + kl(m, v)).sum(), "summed over the batch"),
    (
        "vae.loss",
        lambda x, y, m, v, s: (
            (error(x, y) / (2 * s**2) + kl(m, v)).mean() + x[0].numel() * math.log(s * math.sqrt(2 * math.pi))
        ),
        "kept the constant",
    ),
    ("vae.hidden_weight", lambda n, s: 1 / n, "turned the count over"),
    ("vae.hidden_weight", lambda n, s: 2 * n * s * s, "multiplied by the variance"),
    (
        "vae.importance_bound",
        lambda w: w.logsumexp(1) - math.log(len(w)),
        "took the number of pictures for that of draws",
    ),
    ("vae.active_units", lambda m, t: (m.abs().mean(0) > t).sum(), "compared the size of the means"),
    ("vae.active_units", lambda m, t: (m > t).sum(), "counted the numbers above the threshold"),
    ("vae.active_units", lambda m, t: m.size(1), "counted every dimension"),
    ("vae.aggregate", lambda m, v: (m.mean(0), torch.cov(m.T)), "forgot the width of the clouds, and divided by N - 1"),
    ("vae.aggregate", lambda m, v: (m.mean(0), torch.cov(m.T, correction=0)), "forgot the width of the clouds"),
]


@pytest.mark.parametrize(("name", "answer", "idea"), SLIPS, ids=lambda item: item if isinstance(item, str) else "")
def test_the_commonest_slips_are_named(name, answer, idea):
    """Wrong answers that readers have given, NaN among them, get the idea behind them and not a neighbour's."""
    assert judge(find(name), answer).misconception == idea
