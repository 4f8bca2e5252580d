"""Improved precision and recall against a loop over the definition, and its properties."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.metrics import inside_manifold, neighbour_radii, precision_recall

few = settings(max_examples=20, deadline=None)


def by_definition(real, fake, k):
    """Equation 2 of the paper, written as loops over pairs of points."""

    def covered(centres, queries):
        radius = []
        for i, centre in enumerate(centres):
            others = sorted(math.dist(centre, other) for j, other in enumerate(centres) if j != i)
            radius.append(others[k - 1])
        hits = [any(math.dist(q, c) <= r for c, r in zip(centres, radius, strict=True)) for q in queries]
        return sum(hits) / len(hits)

    real, fake = real.tolist(), fake.tolist()
    return covered(real, fake), covered(fake, real)


def two_clouds(seed, num_real, num_fake, num_dims):
    """Two overlapping random clouds of different width."""
    generator = torch.Generator().manual_seed(seed)
    real = torch.randn(num_real, num_dims, generator=generator, dtype=torch.float64)
    return real, 0.5 + 1.5 * torch.randn(num_fake, num_dims, generator=generator, dtype=torch.float64)


@few
@given(
    seed=st.integers(0, 10_000), num_real=st.integers(6, 25), num_fake=st.integers(6, 25), num_dims=st.integers(1, 4),
    k=st.integers(1, 5),
)  # fmt: skip
def test_both_numbers_equal_the_definition(seed, num_real, num_fake, num_dims, k):
    """Brute force with math.dist shares nothing with the blocks of torch.cdist."""
    real, fake = two_clouds(seed, num_real, num_fake, num_dims)
    assert precision_recall(real, fake, k) == pytest.approx(by_definition(real, fake, k))


@few
@given(seed=st.integers(0, 10_000), k=st.integers(1, 5))
def test_swapping_the_sets_swaps_precision_and_recall(seed, k):
    """Recall is defined as precision with the roles exchanged."""
    real, fake = two_clouds(seed, 30, 20, 2)
    assert precision_recall(real, fake, k) == tuple(reversed(precision_recall(fake, real, k)))


def test_equal_sets_reach_one():
    """Every point is the centre of a ball of its own."""
    real, _ = two_clouds(0, 600, 10, 16)
    assert precision_recall(real.float(), real.float()) == (1, 1)


def test_sets_far_apart_reach_zero():
    """No ball of one set can reach the other set when the gap is wider than both sets."""
    real, fake = two_clouds(1, 50, 50, 3)
    assert precision_recall(real, fake + 100) == (0, 0)


def test_a_generator_that_repeats_one_mode_has_precision_without_recall():
    """Real data fill two far clusters, the fakes one of them: all fakes look real, half of the data are reached."""
    generator = torch.Generator().manual_seed(2)
    cluster = lambda: 0.1 * torch.randn(300, 2, generator=generator)  # noqa: E731
    precision, recall = precision_recall(torch.cat([cluster(), cluster() + 50]), cluster())
    assert precision > 0.95
    assert recall == pytest.approx(0.5, abs=0.05)


def test_the_ball_contains_its_surface():
    """Radii on the integer line are exact: the ball around 1 with k = 1 reaches 2 and not a hair further."""
    centres = torch.tensor([[0.0], [1.0]])
    radii = neighbour_radii(centres, k=1)
    assert radii.tolist() == [1, 1]
    assert inside_manifold(torch.tensor([[2.0], [2.0001]]), centres, radii).tolist() == [True, False]


def test_the_point_itself_is_no_neighbour():
    """On the line 0, 1, 3 the nearest and second nearest distances can be read off."""
    points = torch.tensor([[0.0], [1.0], [3.0]])
    assert neighbour_radii(points, k=1).tolist() == [1, 1, 2]
    assert neighbour_radii(points, k=2).tolist() == [3, 2, 3]


def test_copies_of_a_point_are_at_distance_zero_and_not_nearly():
    """Four copies of a point have balls of radius 0, which a fifth copy must hit although it is far from 0."""
    points = 1e4 + torch.randn(40, 8, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    assert neighbour_radii(points.repeat(4, 1)).abs().max() == 0
    assert precision_recall(points.repeat(4, 1), points).precision == 1


def test_larger_neighbourhoods_never_lower_a_score():
    """Every ball grows with k, so no covered point can drop out."""
    real, fake = two_clouds(3, 60, 60, 4)
    scores = [precision_recall(real, fake, k) for k in (1, 2, 4, 8, 16)]
    for smaller, larger in zip(scores, scores[1:], strict=False):
        assert smaller.precision <= larger.precision
        assert smaller.recall <= larger.recall


@pytest.mark.usefixtures("as_reader")
@pytest.mark.parametrize(
    ("real", "fake", "k", "message"),
    [
        (torch.zeros(3, 2), torch.zeros(9, 2), 3, r"real must have shape \(N, D\) and at least k \+ 1 = 4 rows"),
        (torch.zeros(9, 2), torch.zeros(9, 3), 3, "real has 2 columns, fake has 3"),
        (torch.zeros(9, 2), torch.zeros(9, 2), 0, "k counts neighbours and must be at least 1, got 0"),
        (torch.zeros(9, 2), torch.full((9, 2), math.inf), 3, "fake must be finite"),
    ],
)
def test_bad_arguments_are_named(real, fake, k, message):
    """Which argument, the rule, the value received."""
    with pytest.raises(ValueError, match=message):
        precision_recall(real, fake, k)
