"""Levels to visit: as many as asked, rising, within 1..T."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.ddim.subsequences import SPACINGS, evenly, leading, linspace, quadratic, trailing
from lib.ddpm.schedules import check_levels, spaced


@given(num_timesteps=st.integers(2, 300), data=st.data())
@pytest.mark.parametrize("name", SPACINGS)
def test_as_many_levels_as_asked_rising_within_the_chain(name, num_timesteps, data):
    """No level twice, none outside; all of 1..T when all are asked for."""
    num_steps = data.draw(st.integers(2, num_timesteps))
    levels = SPACINGS[name](num_timesteps, num_steps)
    assert check_levels(levels, num_timesteps) == levels and len(levels) == num_steps
    assert SPACINGS[name](num_timesteps, num_timesteps) == list(range(1, num_timesteps + 1))
    assert (levels[-1] == num_timesteps) == (name != "leading" or num_timesteps == num_steps or num_steps == 1)


@pytest.mark.parametrize("name", SPACINGS)
@pytest.mark.parametrize("num_steps", [0, -3, 11])
def test_more_steps_than_levels_are_refused(name, num_steps):
    """Between 1 and T."""
    with pytest.raises(ValueError, match=r"num_steps must lie in [12]\.\.10"):
        SPACINGS[name](10, num_steps)


def test_the_five_spacings_of_a_thousand_levels_in_five_steps():
    """Written out by hand from their definitions."""
    assert evenly(1000, 5) == trailing(1000, 5) == spaced(1000, 5) == [200, 400, 600, 800, 1000]
    assert quadratic(1000, 5) == [40, 160, 360, 640, 1000]
    assert leading(1000, 5) == [1, 201, 401, 601, 801]
    assert leading(1000, 5, offset=1) == [2, 202, 402, 602, 802]
    assert linspace(1000, 5) == [1, 251, 501, 750, 1000]  # 1 + 249.75, 499.5, 749.25, rounded


def test_leading_starts_far_below_the_top_when_steps_are_few():
    """With two steps at level 501 of 1,000: half-way, in noise that no training showed there."""
    assert leading(1000, 2)[-1] == 501


def test_where_t_is_no_multiple_the_spacings_round_each_in_its_way():
    """Down, to the nearest, and to a whole stride."""
    assert evenly(10, 3) == [3, 6, 10]
    assert trailing(10, 3) == [3, 7, 10]
    assert leading(10, 3) == [1, 4, 7]
    assert trailing(10, 4) == [2, 5, 8, 10]  # 2.5 and 7.5 go to the even neighbour


def test_squares_that_fall_together_are_moved_apart():
    """floor(16 (i/8)²) would begin 0, 1, 2, 4."""
    assert quadratic(16, 8) == [1, 2, 3, 4, 6, 9, 12, 16]


def test_linspace_with_one_step_is_refused():
    """Its one level would be level 1, where a walk from noise cannot begin."""
    with pytest.raises(ValueError, match="num_steps must lie in 2..1000"):
        linspace(1000, 1)


@pytest.mark.parametrize("offset", [-1, 1])
def test_an_offset_that_leaves_the_chain_is_refused(offset):
    """All 1,000 levels moved by one end at 1,001, where there is no alpha_bar."""
    with pytest.raises(ValueError, match="offset must keep levels within 1..1000"):
        leading(1000, 1000, offset)
