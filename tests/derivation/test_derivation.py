"""A derivation runs its checks, its zoom levels nest, and planted errors are found by the steps that depend on them."""

import pytest
import sympy as sp

from lib.derivation import CheckFailed, Derivation, Group, Quantities, Step, Steps, at_most, numeric, symbolic

a, b = sp.symbols("a b", real=True)
Q = Quantities(square=lambda t: t**2, factor=2)


def expand_square():
    return symbolic(Q.square(a + b), a**2 + Q.factor * a * b + b**2)


def square_of_a_difference():
    return symbolic(Q.square(a - b), a**2 - Q.factor * a * b + b**2)


STEPS = (
    Step("T1", r"(a+b)^2", r"a^2+2ab+b^2", "Multiply out.", expand_square, "symbolic", "expand"),
    Step("T2", r"a^2+2ab+b^2", r"\ge 4ab", "Subtract $(a-b)^2\\ge 0$.", square_of_a_difference, "symbolic"),
    Step("T3", r"(a+b)^2\ge 4ab", r"9\ge 8", "With $a=1$, $b=2$.", lambda: at_most(8, Q.square(3)), "numeric"),
    Step("T4", r"9", r"3^2", "The definition of a *square*.", lambda: numeric(Q.square(3), 9), "numeric"),
)
ZOOM = {
    2: (Group("square of a sum", "T1", "T2"), Group("an instance", "T3", "T4", r"9\ge 8")),
    3: (Group("expand", "T1", "T1"), Group("bound", "T2", "T2"), Group("an instance", "T3", "T4")),
}


LAST_TWO = (Group("bound", "T3", "T3"), Group("square", "T4", "T4"))


def make(**changes):
    return Derivation(**({"name": "toy", "title": "A square", "steps": STEPS, "zoom": ZOOM, "quantities": Q} | changes))


def test_every_check_is_run_and_counted_by_kind():
    """The text is what a notebook shows below the cell."""
    verification = make().verify()
    assert verification and verification.failed == ()
    assert repr(verification) == "4 of 4 steps confirmed by their checks (2 symbolic, 2 numeric)"
    assert [result.evidence for result in verification][2] == "8 ≤ 9"


def test_a_step_that_fails_is_named_with_both_sides():
    """A reader who changes a formula sees where it stops being true."""
    wrong = Step("T5", "1", "2", "No.", lambda: numeric(1, 2), "numeric")
    verification = make(steps=(*STEPS, wrong), zoom={}).verify()
    assert not verification and verification.failed == ("T5",)
    assert "4 of 5 steps" in repr(verification) and "T5 fails: 1 is not 2" in repr(verification)


def test_a_check_that_crashes_has_failed_and_one_without_evidence_is_a_mistake():
    """Silence is no evidence: a check that forgets to return what it found would pass whatever happens."""
    crash = Step("T5", "1", "2", "No.", lambda: 1 / 0, "numeric")
    assert make(steps=(crash,), zoom={}).verify().failed == ("T5",)
    silent = Step("T5", "1", "2", "No.", lambda: None, "numeric")
    with pytest.raises(TypeError, match="check of T5 must return its evidence"):
        make(steps=(silent,), zoom={}).verify()


def test_planted_errors_are_found_by_the_steps_that_use_the_quantity():
    """And afterwards everything is as before, also if the block was left by an error."""
    derivation = make()
    assert derivation.sabotage(factor=3) == ("T1", "T2")
    assert derivation.sabotage(square=lambda t: t) == ("T1", "T2", "T3", "T4")
    assert derivation.verify()
    with pytest.raises(KeyError), Q.replaced(factor=3):
        raise KeyError
    assert Q.factor == 2


def test_unknown_quantities_are_refused():
    """An error planted under a misspelt name would be noticed by nobody."""
    with pytest.raises(ValueError, match="replace some of square, factor; got faktor"):
        make().sabotage(faktor=3)
    with pytest.raises(ValueError, match="got nothing"):
        make().sabotage()
    with pytest.raises(ValueError, match="has no quantities"):
        make(quantities=None).sabotage(factor=3)
    with pytest.raises(AttributeError, match="no quantity 'cube', only square, factor"):
        _ = Q.cube


@pytest.mark.parametrize(
    ("zoom", "words"),
    [
        ({2: (Group("x", "T1", "T2"), Group("y", "T4", "T4"))}, "'y' must begin at T3, got T4 to T4"),
        ({2: (Group("x", "T1", "T3"), Group("y", "T3", "T4"))}, "'y' must begin at T4, got T3 to T4"),
        ({2: (Group("x", "T1", "T1"), Group("y", "T2", "T3"))}, "leaves out T4"),
        ({2: (Group("x", "T2", "T1"), Group("y", "T3", "T4"))}, "'x' must begin at T1"),
        ({2: (Group("x", "T1", "T9"), Group("y", "T3", "T4"))}, "'x' must begin at T1, got T1 to T9"),
        ({3: (Group("x", "T1", "T2"), Group("y", "T3", "T4"))}, "zoom level 3 must have 3 groups"),
        ({4: tuple(Group(step.id, step.id, step.id) for step in STEPS)}, "zoom level 4"),
        (
            {2: (Group("x", "T1", "T1"), Group("y", "T2", "T4")), 3: (*ZOOM[2][:1], *LAST_TWO)},
            "zoom level 2 begins a group at T2, a finer level does not",
        ),
    ],
)
def test_a_zoom_level_that_is_no_partition_or_no_refinement_is_refused(zoom, words):
    """Collapsing hides steps, it never drops, repeats or regroups them."""
    with pytest.raises(ValueError, match=words):
        make(zoom=zoom)


def test_ids_must_be_unique():
    """The zoom levels refer to steps by id."""
    with pytest.raises(ValueError, match=r"different ids, got \['T1'\]"):
        make(steps=(*STEPS, STEPS[0]), zoom={})


def test_levels_run_from_coarse_to_fine():
    """The finest level is every step."""
    assert make().levels == (2, 3, 4)
    assert make(zoom={}).levels == (4,)


def test_the_widget_gets_formulas_reasons_and_evidence():
    """Formulas as MathML, inline formulas in the reasons too, no dollar sign left for a page to misread."""
    widget = make().show(zoom=3)
    assert widget.zoom == 3 and widget.levels == [2, 3, 4] and make().show().zoom == 2
    first = widget.steps[0]
    assert first["before_mathml"].startswith('<math display="block">') and "Multiply out." in first["why_html"]
    assert "difference 0 (exact)" in str(first["result"]) and "<strong>Expand.</strong>" in first["why_html"]
    assert "<math>" in widget.steps[1]["why_html"] and "<em>square</em>" in widget.steps[3]["why_html"]
    assert "$" not in str(widget.steps) + str(widget.groups)
    with pytest.raises(ValueError, match="zoom must be one of 2, 3, 4, got 5"):
        make().show(zoom=5)


def test_a_title_stands_as_a_sentence_in_front_of_the_reason():
    """A question keeps its mark."""
    steps = [
        Step("T1", "1", "1", "Yes.", lambda: numeric(1, 1), "numeric", title) for title in ("is it so?", "so it is")
    ]
    assert "**T1** *Is it so?* Yes." in make(steps=(steps[0],), zoom={}).to_markdown()
    assert "**T1** *So it is.* Yes." in make(steps=(steps[1],), zoom={}).to_markdown()


def test_a_failing_step_is_shown_as_failing():
    """The page must never show a formula as confirmed that is not."""

    def wrong():
        raise CheckFailed("1 is not 2", 1, 2)

    derivation = make(steps=(Step("T1", "1", "2", "No.", wrong, "numeric"),), zoom={})
    widget = derivation.show()
    assert "FAILED, numeric: 1 is not 2" in derivation.to_markdown()
    assert "1 is not 2" in str(widget.steps[0]) and "failed" in str(widget.steps[0])


def test_markdown_shows_each_formula_once_where_steps_connect():
    """A step that begins where the last one ended need not repeat it."""
    text = make().to_markdown()
    assert text.count("a^2+2ab+b^2") == 1 and text.count("longrightarrow") == 3
    assert "**T3** With $a=1$, $b=2$." in text and "checked, numeric: 8 ≤ 9" in text
    coarse = make().to_markdown(zoom=2)
    assert "**square of a sum** (T1 to T2)" in coarse and r"(a+b)^2\;\longrightarrow\;\ge 4ab" in coarse


def test_steps_are_written_down_as_functions_and_continue_each_other():
    """The docstring is the reason; a step begins where the last one ended unless it says otherwise."""
    steps = Steps()

    @steps.add("S1", "a", "b", kind="numeric", title="first")
    def _():
        r"""Because $\\alpha$
        is so."""
        return numeric(1, 1)

    @steps.add("S2", "c", kind="symbolic")
    def second():
        """Therefore."""
        return symbolic(a, a)

    assert [(step.id, step.before, step.after) for step in steps] == [("S1", "a", "b"), ("S2", "b", "c")]
    assert steps[0].why == r"Because $\\alpha$ is so." and steps[0].title == "first" and second is steps[1]
    assert make(steps=tuple(steps), zoom={}).verify()


def test_a_step_without_formulas_or_reason_is_refused():
    """Both are what the reader sees."""
    with pytest.raises(ValueError, match="S1: give .*got 1"):
        Steps().add("S1", "after alone", kind="numeric")
    with pytest.raises(ValueError, match="S1: the check needs a docstring"):
        Steps().add("S1", "a", "b", kind="numeric")(lambda: numeric(1, 1))
