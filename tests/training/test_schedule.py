import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.training import constant, cosine


@given(st.integers(1, 500), st.floats(0, 0.9), st.data())
def test_factors_lie_above_zero_and_at_most_at_one(num_steps, warmup, data):
    """Zero would make an update a waste, more than one would exceed the learning rate that was asked for."""
    step = data.draw(st.integers(1, num_steps))
    for schedule in (constant, cosine):
        assert 0 < schedule(step, num_steps, warmup) <= 1


def test_warm_up_is_a_line():
    """Over the first tenth of 200 steps the factor of step n is n / 20."""
    assert [constant(step, 200, 0.1) for step in (1, 5, 20, 21, 200)] == [0.05, 0.25, 1, 1, 1]


def test_cosine_passes_a_half_in_the_middle_and_falls_by_symmetry():
    """Without warm-up the curve is (1 + cos pi u) / 2 with u = (step - 1) / num_steps: f(u) + f(1 - u) = 1."""
    assert cosine(51, 100, 0.0) == pytest.approx(0.5)
    for step in (2, 20, 50):
        assert cosine(step, 100, 0.0) + cosine(102 - step, 100, 0.0) == pytest.approx(1)


@given(st.integers(10, 300))
def test_cosine_falls_after_the_warm_up(num_steps):
    """The cosine decreases on [0, pi]."""
    factors = [cosine(step, num_steps, 0.1) for step in range(1, num_steps + 1)]
    after = factors[factors.index(max(factors)) :]
    assert after == sorted(after, reverse=True)


@pytest.mark.parametrize(
    "step, warmup, said", [(0, 0.1, "step"), (11, 0.1, "step"), (5, 1.0, "warmup"), (5, -0.1, "warmup")]
)
def test_a_step_or_share_out_of_range_is_refused(step, warmup, said):
    """Counting from 0 would give the first update a factor of 0 without a word."""
    with pytest.raises(ValueError, match=said):
        cosine(step, 10, warmup)
