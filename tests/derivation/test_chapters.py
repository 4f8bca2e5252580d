"""The derivation of every chapter holds in every step, can be drawn at every zoom, and explains itself."""

import importlib
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from lib.derivation import Derivation, Verification


class Expected(NamedTuple):
    """What is expected of a chapter's derivation."""

    name: str
    """In ``lib.<chapter>.derivation``."""
    id: str
    """How the steps are numbered."""
    levels: tuple[int, ...]
    """Lines at each zoom, the last of them all steps."""
    kinds: set[str]
    term: str
    """What it is about: words that stay in sight at every zoom."""
    continues: bool = False
    """Sends readers back to steps of DDPM."""


FIVE_KINDS = {"symbolic", "gaussian", "quadrature", "discrete", "numeric"}
CHAPTERS = {
    "ae": Expected("LINEAR_IS_PCA", "A{:02d}", (5, 15), {"symbolic", "numeric"}, "eigenvalues"),
    "vae": Expected(
        "ELBO",
        "V{:02d}",
        (5, 10, 35),
        {"symbolic", "gaussian", "quadrature", "numeric", "monte carlo"},
        "divergence",
    ),
    "vqvae": Expected(
        "CODES_AND_GRADIENTS", "C{:02d}", (5, 18), {"symbolic", "quadrature", "discrete", "numeric"}, "three terms"
    ),
    "ddpm": Expected("DDPM", "D{:03d}", (10, 40, 100), FIVE_KINDS, "noise"),
    "ddim": Expected("DDIM", "I{:02d}", (8, 29), FIVE_KINDS, "deterministic sampler", continues=True),
    "guidance": Expected(
        "GUIDANCE", "G{:02d}", (5, 13), {"symbolic", "gaussian", "quadrature"}, "classifier", continues=True
    ),
    "ldm": Expected("LDM", "L{:02d}", (6, 12, 24), FIVE_KINDS, "latent", continues=True),
}


def derivation(chapter: str) -> Derivation:
    return getattr(importlib.import_module(f"lib.{chapter}.derivation"), CHAPTERS[chapter].name)


@cache
def verification(chapter: str) -> Verification:
    """The first run of all checks: two tests look at it."""
    return derivation(chapter).verify()


def test_no_derivation_is_left_out():
    """A chapter package with a derivation belongs in the table."""
    lib = Path(__file__).parents[2] / "lib"
    modules = [*lib.glob("*/derivation.py"), *lib.glob("*/derivation/__init__.py")]
    assert {path.relative_to(lib).parts[0] for path in modules} - {"derivation"} == set(CHAPTERS)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_step_is_confirmed_by_its_check(chapter):
    """Each formula equals the next one; each step gives its evidence, of the kinds that the chapter speaks of."""
    results, steps = verification(chapter), derivation(chapter).steps
    assert results, repr(results)
    assert len(steps) == CHAPTERS[chapter].levels[-1] and all(result.evidence for result in results)
    assert {step.kind for step in steps} == CHAPTERS[chapter].kinds


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_evidence_reads_the_same_on_every_run(chapter):
    """It is part of committed notebooks."""
    first = verification(chapter)
    assert first == derivation(chapter).verify()
    assert not [result for result in first if re.search(r"e-1\d", result.evidence)], "rounding noise shows"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_steps_are_numbered_in_order_and_explained(chapter):
    """Each has a title of its own and a reason of one to four sentences, and changes the formula."""
    steps = derivation(chapter).steps
    assert [step.id for step in steps] == [CHAPTERS[chapter].id.format(i + 1) for i in range(len(steps))]
    for step in steps:
        assert step.title and step.why.endswith(".") and step.before != step.after, step.id
        assert 1 <= len(re.findall(r"[.?](?= |$)", re.sub(r"\$[^$]*\$", "x", step.why))) <= 4, step.id
    assert len({step.title for step in steps}) == len(steps)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_steps_that_are_named_exist(chapter):
    """The texts send readers back to some of them, and from chapter 5 on to those of DDPM."""
    ids = {step.id for known in CHAPTERS for step in derivation(known).steps}
    named = {name for step in derivation(chapter).steps for name in re.findall(r"\b[A-Z]\d{2,3}\b", step.why)}
    assert named <= ids
    assert not CHAPTERS[chapter].continues or any(name.startswith("D") for name in named)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_it_can_be_shown_from_a_few_lines_to_every_step(chapter):
    """A browser can draw every formula and reason at every level; the coarsest one comes first."""
    shown, levels = derivation(chapter), CHAPTERS[chapter].levels
    assert shown.levels == levels and shown.show().zoom == levels[0]
    for level in levels:
        widget, text = shown.show(zoom=level), shown.to_markdown(level)
        assert widget.zoom == level and widget.levels == list(levels)
        assert len(text.split("$$")) == 2 * level + 1 and CHAPTERS[chapter].term in text
    assert all(step["before_mathml"] and step["after_mathml"] and step["why_html"] for step in widget.steps)
    assert all(group["summary_mathml"] for groups in widget.groups.values() for group in groups)
