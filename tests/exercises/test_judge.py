"""Verdicts: each kind of answer gets its own, and the words a reader needs are in it."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from lib.exercises import Exercise, Misconception, Options, judge


def kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(-1)


def kl_cases(generator):
    for size in [(1, 2), (3, 4)]:
        mu, logvar = torch.randn(2, *size, generator=generator, dtype=torch.float64)
        yield mu, logvar


def exercise(**changes):
    settings = dict(
        name="toy.kl",
        prompt="Write the KL divergence to the standard normal, one number per row.",
        reference=kl,
        cases=kl_cases,
        misconceptions=(
            Misconception("forgot the half", lambda mu, logvar: 2 * kl(mu, logvar), "The half is missing.", "The KL"),
            Misconception("mean for sum", lambda mu, logvar: kl(mu, logvar) / mu.shape[-1], "Sum it.", "The KL"),
            Misconception(
                "variance for logvar", lambda mu, v: 0.5 * (mu**2 + v - v.log() - 1).sum(-1), "exp is missing.", "Heads"
            ),
            Misconception("kept the axis", lambda mu, logvar: kl(mu, logvar)[:, None], "One number per row.", "Shapes"),
        ),
        hints=("One.", "Two.", "Three."),
        explains="It is zero only at mu = 0, sigma = 1.",
    )
    return Exercise(**(settings | changes))


def test_the_reference_is_right_and_the_verdict_says_what_to_notice():
    """A right answer earns one sentence more than "right"."""
    verdict = judge(exercise(), lambda mu, logvar: -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(1))
    assert verdict and verdict.status == "right"
    assert str(verdict) == "toy.kl: right. It is zero only at mu = 0, sigma = 1."


def not_implemented(mu, logvar):
    raise NotImplementedError


@pytest.mark.parametrize(
    "blank",
    [
        ...,
        None,
        lambda mu, logvar: ...,
        lambda mu, logvar: None,
        lambda mu, logvar: (mu, ...),
        lambda mu, logvar: 0.5 * ...,
        lambda mu, logvar: NotImplemented,
        not_implemented,
    ],
)
def test_a_stub_is_not_answered_yet(blank):
    """Whatever way a stub is left open, running its cell is no failure."""
    verdict = judge(exercise(), blank)
    assert not verdict and verdict.status == "unanswered"
    assert str(verdict) == "toy.kl: not answered yet."


def test_a_known_wrong_idea_is_named_with_its_section():
    """It must agree on every case, also where it gives NaN (log of a negative number) or another shape."""
    for idea in exercise().misconceptions:
        verdict = judge(exercise(), idea.function)
        assert (verdict.status, verdict.misconception) == ("misconception", idea.name)
        assert idea.name in str(verdict) and idea.message in str(verdict) and idea.see in str(verdict)


def test_a_wrong_idea_that_fails_on_the_cases_explains_nothing():
    """It is passed over, and the next one may still fit."""
    ideas = (Misconception("fails", lambda mu, logvar: mu[99], "No.", "X"), *exercise().misconceptions)
    verdict = judge(exercise(misconceptions=ideas), exercise().misconceptions[0].function)
    assert verdict.misconception == "forgot the half"


def test_an_answer_that_fits_a_wrong_idea_on_some_cases_only_is_not_blamed_on_it():
    """Agreement on one case may be chance."""
    verdict = judge(exercise(), lambda mu, logvar: kl(mu, logvar) * (2 if len(mu) == 1 else 3))
    assert verdict.status == "wrong" and verdict.misconception is None


def test_a_wrong_answer_is_told_the_smallest_case_with_what_was_expected_and_what_came():
    """With inputs and both results in view, the reader can work the case out by hand."""
    verdict = judge(exercise(), lambda mu, logvar: kl(mu, logvar) + 0.125 * mu.sum(-1))
    generator = torch.Generator().manual_seed(0)
    mu, logvar = next(iter(kl_cases(generator)))
    text = verdict.message
    assert verdict.status == "wrong" and "6 of 6 cases differ" in text
    assert f"mu = [[{mu[0, 0]:.4g}, {mu[0, 1]:.4g}]]" in text
    assert f"largest deviation {abs(0.125 * mu.sum()):.3g}" in text
    want = kl(mu, logvar).item()
    assert f"Expected [{want:.4g}], got [{want + 0.125 * mu.sum().item():.4g}]." in text


def test_two_long_answers_are_not_printed():
    """Thirteen numbers and more say less than their largest deviation; so does a form the reader never wrote."""

    def big(generator):
        return [(torch.randn(13, 2, generator=generator, dtype=torch.float64),) * 2]

    for changes in ({"cases": big}, {"options": Options(normal_form=lambda value: value**2)}):
        verdict = judge(exercise(**changes), lambda mu, logvar: kl(mu, logvar) + 0.125 * mu.sum(-1))
        assert verdict.status == "wrong" and "xpected" not in verdict.message


def test_an_answer_of_several_parts_is_shown_in_its_parts():
    """A tuple stays a tuple, a dict a dict; a list of tensors among the inputs is shown too."""
    parts = exercise(
        reference=lambda chunks: (chunks[0].sum(), {"n": 2}),
        cases=lambda generator: [([torch.ones(2), torch.zeros(1)],)],
        misconceptions=(),
    )
    text = judge(parts, lambda chunks: (chunks[0].sum(), {"n": 3})).message
    assert "chunks = [[1, 1], [0]]" in text and "Expected (2, {'n': 2}), got (2, {'n': 3})." in text
    wide = exercise(
        reference=lambda chunks: chunks[0].sum(), cases=lambda g: [([torch.ones(9, 2)] * 2,)], misconceptions=()
    )
    assert "chunks of shapes (9, 2), (9, 2)" in judge(wide, lambda chunks: 0.0).message


def test_a_constant_factor_or_offset_or_sign_is_noticed():
    """The commonest slips that nobody listed."""
    assert "3 times" in judge(exercise(), lambda mu, logvar: 3 * kl(mu, logvar)).message
    assert "wrong sign" in judge(exercise(), lambda mu, logvar: -kl(mu, logvar)).message
    assert "plus 0.5" in judge(exercise(), lambda mu, logvar: kl(mu, logvar) + 0.5).message
    assert "Every" not in judge(exercise(), lambda mu, logvar: kl(mu, logvar) + mu.sum(-1)).message


def test_shape_and_type_are_told_as_expected_and_got():
    """The two facts a reader needs, with the input shapes that led there."""
    verdict = judge(exercise(), lambda mu, logvar: kl(mu, logvar).sum())
    assert verdict.status == "shape" and "Expected shape (1,), got ()" in verdict.message and "mu" in verdict.message
    verdict = judge(exercise(), lambda mu, logvar: (kl(mu, logvar), mu))
    assert verdict.status == "type" and "expected a tensor of shape (1,), got a tuple of 2" in verdict.message.lower()
    verdict = judge(exercise(), lambda mu, logvar: kl(mu, logvar).numpy())
    assert verdict.status == "type" and "numpy" in verdict.message
    verdict = judge(exercise(), lambda mu, logvar: "kl")
    assert verdict.status == "type" and "'kl'" in verdict.message


def test_a_result_instead_of_a_function_and_a_wrong_number_of_arguments_are_told():
    """Both happen before anything is run."""
    verdict = judge(exercise(), torch.zeros(3))
    assert verdict.status == "type" and 'check("toy.kl"' in verdict.message.replace("'", '"')
    verdict = judge(exercise(), lambda mu: mu)
    assert verdict.status == "type" and "must take (mu, logvar)" in verdict.message


def test_numbers_that_are_not_finite_are_named():
    """NaN is not a deviation of some size; it has its own cause."""
    verdict = judge(exercise(), lambda mu, logvar: (kl(mu, logvar) - 1e9).log())
    assert verdict.status == "not finite" and "1 of 1 numbers are NaN or infinite" in verdict.message


def crashing(mu, logvar):
    sigma = logvar.exp().sqrt()
    return (mu @ sigma).sum(-1)


def test_a_crash_tells_the_line_of_the_readers_code_and_the_input_shapes():
    """The last line of the reader's own function, not of torch, and nothing that changes from run to run."""
    verdict = judge(exercise(), crashing)
    assert verdict.status == "crashed"
    assert "RuntimeError: mat1 and mat2 shapes" in verdict.message
    assert "in line 3 of crashing: return (mu @ sigma).sum(-1)" in verdict.message
    assert "Inputs: mu of shape (1, 2), logvar of shape (1, 2)." in verdict.message
    assert "0x" not in verdict.message and ".py" not in verdict.message


def test_shapes_that_do_not_fit_bring_a_hint_and_other_errors_do_not():
    """The two commonest crashes have a rule each: one for @, one for the four operations by element."""
    assert "right of it" in judge(exercise(), crashing).message
    text = judge(exercise(), lambda mu, logvar: mu * torch.ones(mu.shape[1] + 1)).message
    assert "matched from the last one backwards" in text and "right of it" not in text
    assert judge(exercise(), lambda mu, logvar: mu[99]).message.endswith("logvar of shape (1, 2).")


def test_an_idea_that_crashes_is_recognised_by_its_error():
    """Same cases right before, same error then, whatever the order of the two shapes in it."""
    idea = Misconception("product of matrices", lambda mu, logvar: (mu @ logvar).sum(-1), "By element.", "The KL")
    known = exercise(misconceptions=(*exercise().misconceptions, idea))
    verdict = judge(known, crashing)
    assert (verdict.status, verdict.misconception) == ("misconception", "product of matrices")
    assert "it crashed — product of matrices. By element." in verdict.message and "in line 3" in verdict.message
    for other in (lambda mu, logvar: mu[99], lambda mu, logvar: mu @ torch.ones(5, 1, dtype=mu.dtype)):
        assert judge(known, other).status == "crashed"
    later = exercise(
        cases=lambda generator: [(torch.ones(num, 2), torch.ones(2, 2)) for num in (2, 3)],
        reference=lambda mu, logvar: mu.sum() + logvar.sum(),
        misconceptions=(Misconception("adds", lambda mu, logvar: (mu + logvar).sum(), "No.", "The KL"),),
    )
    assert judge(later, lambda mu, logvar: (logvar + mu).sum()).misconception == "adds"
    assert judge(later, lambda mu, logvar: (logvar + mu).sum() + 1).status == "crashed"


def test_addresses_in_an_error_are_left_out():
    """They change from run to run."""
    verdict = judge(exercise(), lambda mu, logvar: {}[object()])
    assert verdict.status == "crashed" and "object object" in verdict.message and "0x" not in verdict.message


def test_changing_the_inputs_in_place_hurts_nobody():
    """Every call gets its own copies, so the reference sees what the cases drew."""

    def in_place(mu, logvar):
        mu.square_()
        result = 0.5 * (mu + logvar.exp() - logvar - 1).sum(-1)
        mu.mul_(7)
        return result

    ones = torch.ones(1, 2, dtype=torch.float64)
    shared = exercise(cases=lambda generator: [(2 * ones, ones), (3 * ones, ones)])
    for task in (exercise(), exercise(compare_grad=True), shared, exercise(cases=lambda generator: [(ones, ones)] * 2)):
        assert judge(task, in_place)


def test_single_precision_inside_an_answer_is_tolerated():
    """A reader's float32 constant is no mistake in the formula."""
    assert judge(exercise(), lambda mu, logvar: kl(mu.float(), logvar.float()) + 100 - 100)
    assert not judge(exercise(), lambda mu, logvar: 1.001 * kl(mu.float(), logvar.float()))


def test_dtype_is_judged_only_where_it_matters():
    """An image in float64 can be as good as one in float32; an index in float32 is none."""
    strict = exercise(options=Options(dtype_matters=True))
    assert judge(strict, kl)
    verdict = judge(strict, lambda mu, logvar: kl(mu.float(), logvar.float()))
    assert verdict.status == "dtype" and "must be torch.float64, got torch.float32" in verdict.message


def test_right_values_with_wrong_gradients_are_told_apart():
    """A detached sample or a number taken out with .item() trains nothing, though every value is right."""
    strict = exercise(compare_grad=True)
    assert judge(strict, kl)
    verdict = judge(strict, lambda mu, logvar: kl(mu, logvar.detach()))
    assert verdict.status == "gradient" and "no gradient flows back to logvar" in verdict.message
    verdict = judge(strict, lambda mu, logvar: kl(mu, logvar).detach())
    assert verdict.status == "gradient" and "no gradient flows back to mu" in verdict.message
    verdict = judge(strict, lambda mu, logvar: kl(mu, logvar) - mu.sum() + mu.sum().detach())
    assert verdict.status == "gradient" and "with respect to mu is not" in verdict.message


def test_a_wrong_idea_that_shows_only_in_the_gradient_is_named():
    """Values and gradients are compared together, so such an idea can be listed as well."""
    idea = Misconception("cut the graph", lambda mu, logvar: kl(mu.detach(), logvar), "mu learns nothing.", "Gradients")
    verdict = judge(exercise(compare_grad=True, misconceptions=(idea,)), idea.function)
    assert verdict.misconception == "cut the graph"


def test_generators_are_copied_and_global_randomness_is_put_back():
    """Reference and answer draw the same numbers; the notebook's own random state is untouched."""
    sample = exercise(
        reference=lambda mu, generator: mu + torch.randn(mu.shape, generator=generator, dtype=mu.dtype),
        cases=lambda generator: [(torch.zeros(3, dtype=torch.float64), generator)],
        misconceptions=(),
    )
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert judge(sample, lambda mu, generator: torch.randn(3, generator=generator, dtype=torch.float64) + mu)
    unseeded = judge(sample, lambda mu, generator: mu + torch.randn_like(mu))
    assert unseeded.status == "wrong" and unseeded == judge(sample, lambda mu, generator: mu + torch.randn_like(mu))
    assert torch.equal(state, torch.get_rng_state())


def test_modules_lists_dicts_and_iterators_can_be_answers():
    """`apply` runs what is not a plain function; nested answers are compared part by part."""

    class Double(nn.Module):
        def forward(self, x):
            return 2 * x

    class Broken(nn.Module):
        def forward(self, x):
            return x @ x

    module = exercise(
        reference=Double,
        cases=lambda generator: [(torch.randn(2, 3, generator=generator, dtype=torch.float64),)],
        misconceptions=(Misconception("kept it", nn.Identity, "Nothing happened.", "Layers"),),
        options=Options(apply=lambda cls, x: cls()(x)),
    )
    assert judge(module, Double) and judge(module, nn.Identity).misconception == "kept it"
    assert judge(module, ...).status == "unanswered"
    assert "in line 2 of forward: return x @ x" in judge(module, Broken).message
    states = exercise(
        reference=lambda n: [{"x": torch.full((2,), float(i))} for i in range(n)],
        cases=lambda generator: [(3,)],
        misconceptions=(),
    )
    assert judge(states, lambda n: ({"x": torch.full((2,), float(i))} for i in range(n)))
    late = judge(states, lambda n: [{"x": torch.full((2,), float(i + (i == 2)))} for i in range(n)])
    assert "in part [2]['x']: 2 of 2 numbers differ" in late.message and "n = 3" in late.message


def test_answers_that_mean_the_same_can_be_brought_to_one_form():
    """Principal directions have no sign; their projector has one value."""
    basis = exercise(
        reference=lambda x: torch.linalg.svd(x).Vh[:2],
        cases=lambda generator: [(torch.randn(5, 4, generator=generator, dtype=torch.float64),)],
        misconceptions=(Misconception("last for first", lambda x: torch.linalg.svd(x).Vh[-2:], "They ascend.", "PCA"),),
        options=Options(normal_form=lambda v: v.T @ v),
    )
    assert judge(basis, lambda x: torch.linalg.eigh(x.T @ x).eigenvectors[:, -2:].T)
    assert judge(basis, lambda x: torch.linalg.svd(x).Vh[-2:]).misconception == "last for first"
    assert judge(basis, lambda x: "not a matrix").status == "type"


def value_exercise(**changes):
    idea = Misconception("bits for nats", lambda: 1 / math.log(2), "Divide by log 2.", "Units")
    return exercise(reference=lambda: 1.0, cases=None, misconceptions=(idea,), rtol=0.02, **changes)


def test_an_answer_can_be_a_number():
    """Python number, numpy number and tensor are all fine; the tolerance is the exercise's own."""
    for right in (1, 1.01, torch.tensor(0.99), torch.tensor(1).numpy()):
        assert judge(value_exercise(), right)
    assert judge(value_exercise(), 1 / math.log(2)).misconception == "bits for nats"
    assert judge(value_exercise(), 3.0).message.endswith("The number is too large.")
    assert judge(value_exercise(), -1).message.endswith("The number is too small.")
    assert judge(value_exercise(), float("nan")).status == "not finite"
    assert judge(value_exercise(), kl).status == "type"
    assert judge(value_exercise(), ...).status == "unanswered"
    assert judge(value_exercise(), torch.ones(2)).status == "shape"


def test_a_partial_of_a_function_is_a_function():
    """Its code is found behind the partial."""
    assert judge(exercise(), partial(lambda half, mu, logvar: 2 * half * kl(mu, logvar), 0.5))
    assert "in line 3 of crashing" in judge(exercise(), partial(crashing)).message


def test_verdicts_are_the_same_on_every_run():
    """A committed notebook holds the verdict; it must not change."""
    for answer in (kl, crashing, lambda mu, logvar: mu.sum(-1), lambda mu, logvar: torch.rand(len(mu))):
        assert repr(judge(exercise(), answer)) == repr(judge(exercise(), answer))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "KL"}, "name must be"),
        ({"hints": ("one",)}, "three"),
        ({"reference": 3.0}, "must be a function"),
        ({"misconceptions": exercise().misconceptions[:1] * 2}, "different names"),
    ],
)
def test_a_badly_made_exercise_is_refused(changes, words):
    """Mistakes of an author show at import, not in class."""
    with pytest.raises(ValueError, match=words):
        exercise(**changes)
